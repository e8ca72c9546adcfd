#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# timeout: 240
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
assert_sweep repeat 90
test_case "taking a stored batch apart is killed"
assert_sweep apart 80
test_case "taking a batch apart that is not stored is killed"
assert_sweep apart-new 80

test_case "sweeps with failing calls start"
stop_server
HARM=$WORK/harm.calls
mkdir "$HARM"
HARM_STRIDE=$((HARM_STRIDE * 3))
start_batch_sweeps "$CALLS_CHANGE" error=EIO error=ENOSPC

for job in repeat apart apart-new; do
    test_case "a call fails ($job)"
    assert_sweep $job 80
done

done_testing
