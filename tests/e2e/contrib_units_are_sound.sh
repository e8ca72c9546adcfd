#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# systemd finds nothing wrong with the units in contrib/systemd, and they are well locked up.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pg.sh"
need systemd-analyze curl

# The units as they would be with the programs of this build.
for unit in "$ROOT"/contrib/systemd/*; do
    sed -e "s#^ExecStart=chancatd#ExecStart=$CHANCATD#" -e "s#^ExecStart=chancat #ExecStart=$CHANCAT #" \
        -e "s#/usr/bin/env chancat #$CHANCAT #" "$unit" >"$WORK/${unit##*/}"
done
export XDG_RUNTIME_DIR=$WORK/runtime
mkdir -m 700 "$XDG_RUNTIME_DIR"

test_case "the units of the system are right"
run systemd-analyze verify --man=no "$WORK/chancatd.service" "$WORK/chancatd.socket" \
    "$WORK/chancatd@10081.service" "$WORK/chancat-follow@ops.service"
assert_status 0
assert_empty out
assert_empty err

test_case "the units of a user are right"
run systemd-analyze verify --man=no --user "$WORK/chancat-flush.service" \
    "$WORK/chancat-flush.timer"
assert_status 0
assert_empty out
assert_empty err

test_case "the services are exposed by 1.5 of 10 at most"
for service in chancatd.service chancatd@.service chancat-follow@.service; do
    run systemd-analyze security --offline=true --threshold=15 --no-pager "$WORK/$service"
    assert_status 0
    assert_has out 'Overall exposure level'
done

test_case "what the units say to the programs is understood"
XDG_CONFIG_HOME=$PWD XDG_STATE_HOME=$PWD run "$CHANCATD" --check
assert_status 0
start_server
post ops me hello
sed -n 's/^ExecStart=chancat //p' "$ROOT/contrib/systemd/chancat-follow@.service" |
    sed "s#\${STATE_DIRECTORY}#$PWD#; s#%i#ops#; s#%I#ops#" >arguments
assert_lines arguments 1
# shellcheck disable=SC2046
run "$CHANCAT" --count 1 $(cat arguments)
assert_status 0
assert_has out '"content":"hello"'
assert test -s ops
stop_server

# The system calls that unit $1 allows: those of the sets in its first SystemCallFilter= line without
# those of the second.
allowed() {
    systemd-analyze syscall-filter --no-pager 2>/dev/null | awk -v keep="$(filter_line "$1" '[^~]')" \
        -v drop="$(filter_line "$1" '~')" '
        function expand(name, into,    n, i, list) {
            if (name !~ /^@/) { into[name] = 1; return }
            n = split(members[name], list, " ")
            for (i = 1; i <= n; i++) expand(list[i], into)
        }
        /^@/ { set = $1; next }
        /^ *#/ { next }
        NF { members[set] = members[set] " " $1 }
        END {
            n = split("@default " keep, names, " ")
            for (i = 1; i <= n; i++) expand(names[i], kept)
            n = split(drop, names, " ")
            for (i = 1; i <= n; i++) expand(names[i], dropped)
            for (name in kept) if (!(name in dropped)) print name
        }' | sort
}

filter_line() {
    sed -n "s/^SystemCallFilter=\($2.*\)/\1/p" "$ROOT/contrib/systemd/$1" | tr -d '~'
}

# Runs the program given as one that notes its system calls in file $1.
traced() {
    printf '#!/bin/sh\nexec strace -D -f -qq -o "%s" "%s" "$@"\n' "$1" "$2" >"$1.sh"
    chmod +x "$1.sh"
    echo "$1.sh"
}

# assert_allowed TRACE UNIT
assert_allowed() {
    assert test -s "$1"
    sed -nE 's/^[0-9]+ +([a-z0-9_]+)\(.*/\1/p' "$1" | sort -u >used
    assert_has used '^write$'
    allowed "$2" >allowed
    assert_has allowed '^openat$'
    # SQLite gives its files away only as root, which the services are not.
    comm -23 used allowed | grep -v '^fchown$' >forbidden
    assert_empty forbidden
}

if [ -z "$SANITIZE" ] && strace -D -qq -o /dev/null true 2>/dev/null; then
    test_case "all that the programs ask of the system is allowed"
    real=$CHANCATD
    CHANCATD=$(traced "$WORK/server.trace" "$real")
    start_server -v
    spawn "$(traced "$WORK/client.trace" "$CHANCAT")" --receive --follow --cursor-file cursor \
        --count 2 -- ops >out 2>err
    post ops me one
    post ops me two
    wait_for "$SPAWNED"
    assert_status 0
    assert_lines out 2
    assert_eq "$(curl -sS "$URL/healthz")" '{"status":"ok"}'
    curl -sS -o /dev/null "$URL/metrics"
    stop_server
    CHANCATD=$real
    assert_status 0
    assert_allowed "$WORK/server.trace" chancatd.service
    assert_allowed "$WORK/client.trace" chancat-follow@.service

    if have_postgres; then
        test_case "all that a server over PostgreSQL asks of the system is allowed"
        start_postgres
        CHANCATD=$(traced "$WORK/pg.trace" "$real")
        start_server -v -d "$PG_URI"
        CHANCATD=$real
        post ops me one
        assert_eq "$(curl -sS "$URL/get?channel=ops" | grep -o '"content":"one"')" '"content":"one"'
        assert_eq "$(curl -sS "$URL/healthz")" '{"status":"ok"}'
        stop_server
        assert_status 0
        assert_allowed "$WORK/pg.trace" chancatd@.service
    fi
fi

done_testing
