#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A long channel is read page by page, whatever the reader asks for.
. "$(dirname "$0")/lib.sh"
need jq curl sqlite3

count=100000
test_case "100,000 messages in one reply, whole and in order"
start_server
stop_server
sqlite3 "$DATABASE" "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $count)
    INSERT INTO message (channel, sender, content, time)
    SELECT 'big', 'fill', 'message ' || i || ' of a backlog that is long', 1700000000 FROM n"
start_daemon "$WORK/big.log" "$CHANCATD" -l 127.0.0.1:0 -d "$DATABASE"
SERVER_PID=$SPAWNED
curl -sS "$URL/get?channel=big" >reply
assert_eq "$(jq length reply)" $count
assert_eq "$(jq -r '.[-1].content' reply)" "message $count of a backlog that is long"
assert_eq "$(curl -sS "$URL/past?channel=big&count=-1" | cmp - reply)" ''

test_case "a slow reader costs no memory"
spawn curl -sS --limit-rate 100k "$URL/get?channel=big" -o slow
slow=$SPAWNED
wait_until test -s slow
"$CHANCAT" -r -n all big >all.jsonl
assert_lines all.jsonl $count
assert_stream all.jsonl
peak=$(peak_kib "$SERVER_PID")
[ -n "$SANITIZE" ] || assert [ "$peak" -le 32768 ]
end_process "$slow"
stop_server
assert_status 0

done_testing
