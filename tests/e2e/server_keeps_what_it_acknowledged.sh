#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# kill -9 under load: whatever a client was told is stored is there afterwards, once.
. "$(dirname "$0")/lib.sh"
need jq curl

test_case "nothing acknowledged is lost by kill -9, and ids go on"
start_server
port=$PORT
rounds=8
for round in $(seq $rounds); do
    pids=()
    for writer in 1 2 3; do
        spawn "$CHANCAT" -s --receipts --retry-for 0 -S "w$writer" k \
            < <(seq -f "$round.$writer.%g" 100000) >"acked.$round.$writer" 2>/dev/null
        pids+=("$SPAWNED")
    done
    for writer in 1 2 3; do
        wait_until lines "acked.$round.$writer" 20
    done
    stop_server KILL
    for pid in "${pids[@]}"; do
        wait_for "$pid"
    done
    start_daemon "$WORK/again.$round" "$CHANCATD" -l "127.0.0.1:$port" -d "$DATABASE"
    SERVER_PID=$SPAWNED
done
cat acked.* | jq -r '"\(.id) \(.content)"' | sort >acknowledged
"$CHANCAT" -r -n all k >stored.jsonl
assert_stream stored.jsonl
jq -r '"\(.id) \(.content)"' stored.jsonl | sort >stored
assert_eq "$(comm -23 acknowledged stored | wc -l)" 0 "acknowledged and lost"
assert_eq "$(jq -r .content stored.jsonl | sort | uniq -d | wc -l)" 0 "stored twice"
assert [ "$(wc -l <acknowledged)" -ge $((rounds * 60)) ]
stop_server

test_case "after a clean stop one file is left, for its owner only"
assert_status 0
assert_eq "$(stat -c %a "$DATABASE")" 600 mode
assert [ ! -e "$DATABASE-wal" ]

done_testing
