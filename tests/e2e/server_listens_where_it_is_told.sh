#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Addresses, databases, limits, tokens, and what goes wrong with them.
. "$(dirname "$0")/lib.sh"
need jq curl sqlite3

test_case "a free port is picked and told"
start_server
assert [ "$PORT" -gt 0 ]
assert_eq "$(wc -l <"$SERVER_LOG")" 1 "lines on stderr"

test_case "an address that is taken is status 1 and one line"
run "$CHANCATD" -l "127.0.0.1:$PORT" -d :memory:
assert_status 1
assert_lines err 1
assert_has err "^chancatd: cannot listen on 127.0.0.1:$PORT"
stop_server
assert_status 0

test_case "usage mistakes are status 2 and one line"
for arguments in "-l nonsense" "-l 127.0.0.1:65536" "--nonsense" "operand" "--max-connections 0" "-q -v"; do
    # shellcheck disable=SC2086
    run "$CHANCATD" -d :memory: $arguments
    assert_status 2
    assert_lines err 1
done

test_case "a database that cannot be had is status 1 and one line"
for database in "$WORK/no/such/folder/x.db" "$WORK"; do
    run "$CHANCATD" -l 127.0.0.1:0 -d "$database"
    assert_status 1
    assert_lines err 1
done

test_case "the database of another program is left alone"
sqlite3 other.db "CREATE TABLE bookmarks (url TEXT)"
cp other.db before.db
run "$CHANCATD" -l 127.0.0.1:0 -d other.db
assert_status 1
assert_lines err 1
assert_same before.db other.db

test_case "the default database is made under XDG_STATE_HOME"
export XDG_STATE_HOME=$WORK/state
start_daemon "$WORK/default.log" "$CHANCATD" -l 127.0.0.1:0
post t a b
SERVER_PID=$SPAWNED
stop_server
assert_status 0
assert [ -s "$WORK/state/chancat/chat.db" ]
assert_eq "$(stat -c %a "$WORK/state/chancat")" 700 mode
unset XDG_STATE_HOME

test_case "a database in memory works"
start_server -d :memory:
post t a b
assert_eq "$("$CHANCAT" -r t | jq -r .content)" b
stop_server
assert_status 0

test_case "a Unix socket, taken over from one that was killed"
start_server -l "unix:$WORK/sock"
assert_eq "$(curl -sS --unix-socket "$WORK/sock" 'http://x/get?channel=t')" '[]'
stop_server KILL
assert [ -S "$WORK/sock" ]
start_server -l "unix:$WORK/sock"
run "$CHANCAT" -u http://localhost --unix-socket "$WORK/sock" -s t <<<'x'
assert_status 0
stop_server
assert_status 0
assert [ ! -e "$WORK/sock" ]

if [ -e /proc/net/if_inet6 ] && grep -q ' lo$' /proc/net/if_inet6; then
    test_case "IPv6"
    start_server -l '[::1]:0'
    assert_eq "${URL%:*}" 'http://[::1]' URL
    run "$CHANCAT" -s t <<<'x'
    assert_status 0
    stop_server
fi

test_case "a token is demanded, and wrong ones are refused"
echo sesame >"$WORK/token"
start_server --token-file "$WORK/token"
assert_eq "$(curl -sS -D head -o reply -w '%{http_code}' "$URL/get?channel=t")" 401
assert_has head '^WWW-Authenticate: Bearer'
assert jq -e .error reply >/dev/null
assert_eq "$(curl -sS -o reply -w '%{http_code}' -H 'Authorization: Bearer sesamf' \
    "$URL/get?channel=t")" 401
assert_eq "$(curl -sS -o reply -w '%{http_code}' -H 'Authorization: Bearer sesame' \
    "$URL/get?channel=t")" 200
stop_server

test_case "connections from one address are limited on request"
start_server --max-per-address 2
exec 8<>"/dev/tcp/127.0.0.1/$PORT" 9<>"/dev/tcp/127.0.0.1/$PORT" # two that say nothing
refused() { ! curl -sS --max-time 20 "$URL/get?channel=t" >/dev/null 2>&1; }
wait_until refused
exec 8>&- 9>&-
accepted() { ! refused; }
wait_until accepted
stop_server

test_case "options come from a file and the environment, too"
printf '# mine\nlisten 127.0.0.1:0\ndatabase :memory:\n' >conf
start_daemon "$WORK/conf.log" "$CHANCATD" --config conf
SERVER_PID=$SPAWNED
post t a b
stop_server
assert_status 0
CHANCATD_CONFIG=conf start_daemon "$WORK/conf2.log" "$CHANCATD"
SERVER_PID=$SPAWNED
stop_server INT
assert_status 0

done_testing
