#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The extras: wait and limit.
. "$(dirname "$0")/lib.sh"
need jq curl

start_server
now_ms() { date +%s%3N; }

test_case "a message that is there is not waited for"
post t a one
begin=$(now_ms)
curl -sS "$URL/get?channel=t&wait=25" >reply
assert [ $(($(now_ms) - begin)) -lt 20000 ]
assert_eq "$(jq -r '.[0].content' reply)" one

test_case "a waiting reply comes with the message, and only that of its channel"
last=$(curl -sS "$URL/get?channel=t" | jq '.[0].id')
spawn curl -sS "$URL/get?channel=t&last=$last&wait=25" >waited
waiter=$SPAWNED
wait_until server_waits 1
post other a not-this
post t a two
wait_for "$waiter"
assert_status 0
assert_eq "$(jq -r '.[].content' waited)" two

test_case "without a message the reply is empty after the wait"
begin=$(now_ms)
assert_eq "$(curl -sS "$URL/get?channel=none&wait=1")" '[]'
assert [ $(($(now_ms) - begin)) -ge 900 ]

test_case "fifty waiters all get the message"
pids=()
for i in $(seq 50); do
    spawn curl -sS "$URL/get?channel=many&wait=25" >"waited.$i"
    pids+=("$SPAWNED")
done
post many a all
for pid in "${pids[@]}"; do
    wait_for "$pid"
    assert_status 0
done
assert_eq "$(cat waited.* | jq -r '.[].content' | grep -c all)" 50

test_case "limit gives the first of them, 1,000 at most"
seq 1200 | "$CHANCAT" -s page
assert_eq "$(curl -sS "$URL/get?channel=page&limit=3" | jq -c 'map(.content)')" '["1","2","3"]'
assert_eq "$(curl -sS "$URL/get?channel=page&limit=5000" | jq length)" 1000
assert_eq "$(curl -sS "$URL/get?channel=page" | jq length)" 1200

test_case "the newest id of the channel comes with every reply, also with an empty one"
last_id() { curl -sS -D - -o /dev/null "$URL$1" | tr -d '\r' | sed -n 's/^Chancat-Last-Id: //p'; }
newest=$(curl -sS "$URL/past?channel=page&count=1" | jq '.[0].id')
for target in '/get?channel=page&limit=1' "/get?channel=page&last=$newest&wait=1" \
    '/past?channel=page&count=1&before=5' '/get?channel=page&last=99999999'; do
    assert_eq "$(last_id "$target")" "$newest" "Chancat-Last-Id of $target"
done
assert_eq "$(last_id '/get?channel=none')" 0
assert_eq "$(last_id '/get?channel=')" '' 'Chancat-Last-Id of an error'

test_case "wrong numbers are told"
for query in wait=x wait=-1 limit=0 limit=x last=x; do
    assert_eq "$(curl -sS -o reply -w '%{http_code}' "$URL/get?channel=t&$query")" 400 "$query"
    assert jq -e .error reply >/dev/null
done

test_case "a stop answers who waits, with an empty reply, and ends with 0"
spawn curl -sS "$URL/get?channel=silence&wait=25" >waited
waiter=$SPAWNED
wait_until server_waits 1
begin=$(now_ms)
stop_server
assert_status 0
wait_for "$waiter"
assert_status 0
assert_file waited '[]'
assert [ $(($(now_ms) - begin)) -lt 20000 ]

done_testing
