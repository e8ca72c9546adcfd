#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A message that waited more than 5 seconds to be stored never is: 503, and no later surprise.
. "$(dirname "$0")/lib.sh"
need jq curl sqlite3

start_server

test_case "while another program holds the database a message is refused, for good"
post t me before
mkfifo orders
# shellcheck disable=SC2016
spawn bash -c 'exec sqlite3 "$1" <orders' - "$DATABASE"
holder=$SPAWNED
exec 7>orders
printf 'BEGIN IMMEDIATE;\n.shell touch held\n' >&7
wait_until test -e held
pids=()
for i in 1 2 3; do # one is with the writer, the others wait for it
    spawn curl -sS -D "head.$i" -o "reply.$i" -w '%{http_code} %{time_total}\n' "$URL/send" \
        -H "Idempotency-Key: k$i" -d channel=t -d sender=me -d "content=late.$i" 7>&- >"status.$i"
    pids+=("$SPAWNED")
done
for pid in "${pids[@]}"; do
    wait_for "$pid"
done
for i in 1 2 3; do
    assert_has "status.$i" '^503 '
    assert_has "head.$i" '^Retry-After: [0-9]'
    assert jq -e .error "reply.$i" >/dev/null
done
assert_eq "$(curl -sS "$URL/get?channel=t" | jq -c 'map(.content)')" '["before"]' 'read meanwhile'

test_case "when the database is free they do not appear, and sent again they are stored"
echo 'ROLLBACK;' >&7
exec 7>&-
wait_for "$holder"
post t me after
curl -sS -D head -o reply "$URL/send" -H "Idempotency-Key: k2" -d channel=t -d sender=me \
    -d "content=late.2"
assert_not_has head '^Idempotency-Replayed'
stop_server
assert_status 0
assert_eq "$(sqlite3 "$DATABASE" "SELECT group_concat(content) FROM message WHERE channel = 't'")" \
    before,after,late.2 stored

done_testing
