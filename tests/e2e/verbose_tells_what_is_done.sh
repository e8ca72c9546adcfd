#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# -v tells each connection, request, wait, retry and look for a line in one line on stderr.
. "$(dirname "$0")/lib.sh"
need jq curl

CONNECTED='^chancat: connected to 127\.0\.0\.1 port [0-9]*: look-up [0-9.]* ms, connect [0-9.]* ms$'

test_case "connections and requests, with what they brought and how long they took"
start_server
run "$CHANCAT" -sv ops <<<'one'
assert_status 0
assert_has err "$CONNECTED"
assert_has err '^chancat: GET /past?channel=ops&count=1: status 200, 0 messages, [0-9]*\.[0-9]* s$'
assert_has err '^chancat: POST /send: status 200, [0-9]*\.[0-9]* s$'
assert_lines err 3
run "$CHANCAT" -rv ops
assert_has err '^chancat: GET /past?channel=ops&count=50: status 200, 1 messages, [0-9.]* s$'
assert_lines err 2

test_case "a held request says how long it was held, and what ended it"
spawn "$CHANCAT" -rfv ops >out 2>err
wait_until server_waits 1
sleep 0.2 # so long at least
kill -TERM "$SPAWNED"
wait_for "$SPAWNED"
assert_status 143
held=$(sed -n 's/^chancat: GET \/get?.*&wait=25: interrupted, \([0-9.]*\) s$/\1/p' err)
assert awk -v held="${held:-0}" 'BEGIN { exit !(held >= 0.19) }'

test_case "without -v nothing is said"
run "$CHANCAT" -rf --idle 0.3 ops
assert_empty err
stop_server

test_case "a socket, and a server that is not there"
start_server -l unix:socket -d :memory:
run "$CHANCAT" -rv -u http://localhost --unix-socket socket ops
assert_status 0
assert_has err '^chancat: connected to socket socket: '
stop_server
run "$CHANCAT" -rv --retry-for 0.1 -u http://127.0.0.1:1 ops
assert_status 3
assert_has err '^chancat: GET .*: no answer, [0-9.]* s$'
assert_has err '^chancat: Failed to connect .*; trying again$'
assert_has err '^chancat: next try in [0-9.]* s$'
assert_has err '^chancat: Failed to connect .*; giving up$'
assert_not_has err '^chancat: connected'

test_case "pauses between looks at a plain server, and its recovery"
start_fault 'GET /get 1 status 503'
spawn "$CHANCAT" -rfv -n 0 -i 0.1 ops >out 2>err
wait_until has err '^chancat: next try in [0-9.]* s$'
wait_until has err '^chancat: the server answers again$'
wait_until has err '^chancat: waiting 0\.1 s before the next look$'
end_process "$SPAWNED"
stop_fault

test_case "a line that is looked for"
start_fault 'POST /send 1 status 503' 'POST /send 2 close-after'
run "$CHANCAT" -sv --settle 2 ops <<<'one'
assert_status 0
assert_has err '^chancat: line 1 may or may not be stored: .*; looking for it$'
assert_has err '^chancat: line 1: not there yet; looking again in [0-9.]* s$'
assert_has err '^chancat: line 1: the server did not store it; trying again$'
assert_has err '^chancat: line 1: next step in [0-9.]* s$'
assert_has err '^chancat: line 1: stored after all, as a look shows$'
stop_fault

test_case "each is one line, begins with the name, and is safe to show"
start_server
run "$CHANCAT" -rv $'c\e[31m\n'
assert_not_has err $'\e'
assert_eq "$(grep -vc '^chancat: ' err)" 0 'other lines'

done_testing
