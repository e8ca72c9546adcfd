#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# How a run ends when something else than the end of stdin ends it.
. "$(dirname "$0")/lib.sh"
need jq curl

sent() { [ "$(logged 'POST /send' 2>/dev/null)" -ge "$1" ]; }

test_case "half a line is not sent when the run ends by itself"
start_fault
mkfifo in
exec 4<>in
spawn "$CHANCAT" -a 0 -i 0.1 -c 1 half <in >out 2>err 4>&-
chancat=$SPAWNED
printf hel >&4
wait_until logged "GET /get" 3
post half other message
wait_for "$chancat"
assert_status 0
exec 4>&-
assert_eq "$(logged 'POST /send')" 1 "lines sent, the other's included"
stop_fault

test_case "a reader of stdout that is slow from the first line on does not hold up the sender"
for start in all 5000; do
    start_fault --fill=big:20000
    rm -f in q
    mkfifo in q
    exec 4<>in 5<>q
    spawn "$CHANCAT" -f -n "$start" big <in >q 2>err 4>&- 5>&-
    chancat=$SPAWNED
    printf 'one\ntwo\n' >&4
    wait_until sent 2
    end_process "$chancat"
    exec 4>&- 5>&-
    stop_fault
done

test_case "a second signal ends the process even when nobody reads its stderr"
start_fault "POST /send * status 400"
mkfifo errors
exec 5<>errors
yes x | head -n 5000 >lines
spawn "$CHANCAT" -s bad <lines 2>errors 5>&-
chancat=$SPAWNED
wait_until sent 100
steady() {
    local before
    before=$(logged 'POST /send')
    sleep 0.2
    [ "$before" = "$(logged 'POST /send')" ]
}
wait_until steady
kill -TERM "$chancat"
wait_until signals_taken "$chancat"
kill -TERM "$chancat"
wait_for "$chancat"
assert_status 143
exec 5>&-
stop_fault

test_case "a cut reply that brought something is no failure to wait on"
start_fault --fill=cut:300 "GET /get?channel=cut * cut 2000"
run "$CHANCAT" -r -n all --retry-for 5 cut
assert_lines out 300
assert_stream out
stop_fault

test_case "an unknown outcome ends a follower whose server is gone, with status 5"
start_fault "POST /send 1 stall-before 60"
mkfifo in
exec 4<>in
spawn "$CHANCAT" -f -i 0.1 --settle 0.1 --retry-for 1 unknown <in >out 2>err 4>&-
chancat=$SPAWNED
echo line >&4
wait_until sent 1
kill -KILL "$FAULT_PID"
wait_for "$chancat"
assert_status 5
assert_has err 'line 1 may or may not be stored'
exec 4>&-

test_case "an id in bytes that are no message does not silence a follower"
echo '[{"id":9000000000000000000,"sender":"a","content":"\ud800"}]' >"$WORK/poison"
start_fault "GET /get?channel=poison 1 body $WORK/poison"
spawn "$CHANCAT" -rf -i 0.1 -a 0 -c 1 poison >out 2>err
chancat=$SPAWNED
wait_until has err 'passed over'
post poison a good
wait_for "$chancat"
assert_status 0
assert_eq "$(jq -r .content out)" good
stop_fault

test_case "a stdout that was closed is told before anything is done"
start_server
"$CHANCAT" t </dev/null >&- 2>err
assert_eq $? 1 status
assert_lines err 1

test_case "a server that stops under load ends cleanly, and refuses newcomers"
for _ in 1 2 3; do
    pids=()
    for writer in 1 2 3 4; do
        spawn "$CHANCAT" -s --retry-for 0 load < <(seq 100000) 2>"err.$writer"
        pids+=("$SPAWNED")
    done
    written() { [ "$(curl -sS "$URL/past?channel=load&count=1" | jq '.[0].id // 0')" -gt "$1" ]; }
    wait_until written 200
    stop_server
    assert_status 0
    for pid in "${pids[@]}"; do
        wait_for "$pid"
    done
    assert [ ! -e "$DATABASE-wal" ]
    start_server
done
stop_server

done_testing
