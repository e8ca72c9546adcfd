#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A batch out of an outbox that a killed run has left behind is repeated, or taken apart when its
# key does not count any more; and that is killed with -9 at every step, too, or a call of it fails.
# See tests/harm/lib.sh.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/../harm/lib.sh"
need jq curl
need_strace

[ -z "$SANITIZE" ] || HARM_STRIDE=3

test_case "sweeps start"
start_batch_sweeps "$CALLS_KILL" signal=KILL

test_case "repeating a batch is killed"
assert_sweep repeat 50
for job in "${BATCH_JOBS[@]:1}"; do
    test_case "taking a batch apart is killed ($job)"
    assert_sweep "$job" 50
done

test_case "sweeps with failing calls start"
stop_server
HARM=$WORK/harm.calls
mkdir "$HARM"
HARM_STRIDE=$((HARM_STRIDE * 3))
start_batch_sweeps "$CALLS_CHANGE" error=EIO error=ENOSPC

for job in "${BATCH_JOBS[@]}"; do
    test_case "a call fails ($job)"
    assert_sweep "$job" 50
done

stop_server

test_case "a server that takes neither keys nor batches any more has its lines looked for"
HARM=$WORK/harm.plain
mkdir -p "$HARM/plain"
HARM_LINES=5
for step in 'rename 3' 'sendto 4'; do
    start_server
    tag=plain channel=p call=none k=0 fault=none
    rm -rf ob
    seq -f "$channel-%g" "$HARM_LINES" >in
    # shellcheck disable=SC2086
    leave_batch $step
    stop_server
    start_server -l "${URL#http://}" -d "$DATABASE" --plain
    run "$CHANCAT" -v --flush --settle 0.3 --outbox ob
    assert_status 0
    assert_not_has err 'POST /batch'
    assert_same <("$CHANCAT" -q -r -n all p | jq -r .content) in
    assert_eq "$(find ob -type f ! -name lock ! -name spare)" '' 'what is left in the outbox'
    stop_server
done
assert_eq "$(cat "$HARM/plain/problems" 2>/dev/null)" '' problems

done_testing
