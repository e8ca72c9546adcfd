#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# contrib/cluster/postgres makes, stops, kills and restarts a PostgreSQL server in a directory, for
# root and for others, and leaves nothing behind.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pg.sh"
bindir=$("$PG_TOOL" bindir 2>/dev/null) || skip 'no PostgreSQL server is installed'

theirs=
# Whatever a case leaves running.
# shellcheck disable=SC2317 # called by lib.sh
end_all() {
    local directory
    for directory in "$WORK"/case.*/*/data "$theirs/pg/data"; do
        [ ! -d "$directory" ] || "$PG_TOOL" stop "${directory%/data}" immediate
    done
    [ -z "$theirs" ] || rm -rf "$theirs"
}
at_end+=(end_all)

# Asks as a client would: ask URI SQL.
ask() {
    "$bindir/psql" -X -q -A -t -d "$1" -c "$2" >out 2>err
    STATUS=$?
}

# The memory segments of the kernel that belong to servers in this directory.
segments() {
    sed -n '7s/.* //p' ./*/data/postmaster.pid 2>/dev/null
}

test_case "a server is made, in a directory with an odd name, and asked by a role without power"
run "$PG_TOOL" start "odd é% name"
assert_status 0
assert_empty err
uri=$("$PG_TOOL" uri "odd é% name")
ask "$uri" 'SELECT current_user, current_database()'
assert_file out 'chancat|chancat'
ask "$uri" 'CREATE TABLE t (n int); INSERT INTO t VALUES (1); SELECT n FROM t'
assert_file out 1
ask "$uri" 'CREATE ROLE other'
assert_status 1
assert_has err 'permission denied'
run "$PG_TOOL" start "odd é% name"
assert_status 1
assert_has err '^postgres: a server runs in .* already$'

test_case "it has durable commits, no TCP, and a socket that only its owner can use"
cd ../case.1 || exit 1
run "$PG_TOOL" sql "odd é% name" postgres <<<'SHOW fsync; SHOW synchronous_commit; SHOW listen_addresses'
assert_file out $'on\non'
assert_eq "$(stat -c %a "odd é% name/s" "odd é% name/data" | sort -u)" 700

test_case "databases are made, and have their URIs"
cd ../case.1 || exit 1
run "$PG_TOOL" create "odd é% name" second
assert_status 0
ask "$("$PG_TOOL" uri "odd é% name" second)" 'CREATE TABLE t (n int); SELECT current_database()'
assert_file out second
ask "$("$PG_TOOL" uri "odd é% name" second postgres)" 'SELECT current_user'
assert_file out postgres
run "$PG_TOOL" create "odd é% name" 'a"b'
assert_status 1

test_case "a server that is killed has what was committed, and another kind of end, too"
cd ../case.1 || exit 1
server=$(head -n 1 "odd é% name/data/postmaster.pid")
all=$(ps -A -o pid= -o ppid= | awk -v server="$server" '$2 == server { print $1 }')
assert test "$(wc -w <<<"$all")" -ge 3
run "$PG_TOOL" kill "odd é% name"
assert_status 0
for process in $server $all; do
    # One that only waits for its parent to notice has ended.
    assert_eq "$(ps -o stat= -p "$process" | grep -v '^Z')" '' "process $process"
done
ask "$uri" 'SELECT 1'
assert_status 2
run "$PG_TOOL" kill "odd é% name"
assert_status 1
assert_has err '^postgres: no server runs in '
run "$PG_TOOL" start -c fsync=off -c work_mem=8MB "odd é% name"
assert_status 0
ask "$uri" 'SELECT count(*) FROM t; SHOW fsync; SHOW work_mem'
assert_file out $'1\noff\n8MB'
run "$PG_TOOL" stop "odd é% name" immediate
assert_status 0
run "$PG_TOOL" start "odd é% name"
assert_status 0
ask "$uri" 'SELECT count(*) FROM t'
assert_file out 1

test_case "nothing is left after its end, nor after its killing and a stop"
cd ../case.1 || exit 1
segment=$(segments)
assert test -n "$segment"
assert ipcs -m -i "$segment" >/dev/null
run "$PG_TOOL" kill "odd é% name"
assert ipcs -m -i "$segment" >/dev/null
run "$PG_TOOL" stop "odd é% name"
assert_status 0
assert_empty err
ipcs -m -i "$segment" 2>&1 | grep -q '^key=' && fail "the memory segment $segment is there"
assert_eq "$(ls -A "odd é% name/s")" '' 'sockets'
run "$PG_TOOL" stop "odd é% name"
assert_status 0
rm -r "odd é% name" || fail 'it cannot be removed'

test_case "a directory that cannot have a socket, or none, is refused"
long=$PWD/$(printf 'x%.0s' {1..100})
run "$PG_TOOL" start "$long"
assert_status 1
assert_has err 'too long for the name of a socket'
run "$PG_TOOL" start "it's"
assert_status 1
assert_has err 'no quotes'
run "$PG_TOOL" stop none
assert_status 1
run "$PG_TOOL" begin .
assert_status 2
run "$PG_TOOL" stop . soon
assert_status 2
assert_has err '^usage: postgres start '

if [ "$(id -u)" = 0 ]; then
    test_case "run by root it is a server of another user, who can also make one himself"
    run "$PG_TOOL" start own
    assert_status 0
    server=$(head -n 1 own/data/postmaster.pid)
    user=$(ps -o uid= -p "$server" | tr -d ' ')
    assert test "$user" != 0
    run "$PG_TOOL" stop own
    rm -r own

    # His own directory cannot be among root's, where he may not go.
    test_case "another user makes one himself"
    theirs=$(mktemp -d /tmp/e2e.XXXXXX)
    cp "$PG_TOOL" "$theirs/tool"
    chown -R "$user" "$theirs"
    cd "$theirs" || exit 1
    as_user=(setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups --inh-caps=-all)
    "${as_user[@]}" ./tool start pg >"$WORK/out" 2>&1 || fail "$(cat "$WORK/out")"
    assert_eq "$("${as_user[@]}" ./tool sql pg chancat <<<'SELECT 1')" 1
    "${as_user[@]}" ./tool stop pg || fail 'it does not stop'
    cd "$WORK" || exit 1
    rm -r "$theirs"
fi

done_testing
