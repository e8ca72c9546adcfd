#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Each write, fsync, rename, link, unlink, open and mkdir of a run fails with "input/output error" and
# "no space left": it is said in a line, the status is one that the manual names, and the next run
# makes it good. See tests/harm/lib.sh.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/../harm/lib.sh"
need jq curl
need_strace

# The two faults in turn; tests/soak/harm-report has both for each call.
HARM_STRIDE=2
[ -z "$SANITIZE" ] || HARM_STRIDE=5

test_case "sweeps start"
start_sweeps "$CALLS_CHANGE" error=EIO error=ENOSPC

for kind in keys plain; do
    test_case "sending with an outbox ($kind)"
    assert_sweep send-$kind 50
    test_case "flushing an outbox ($kind)"
    assert_sweep flush-$kind 50
    test_case "sending and receiving ($kind)"
    assert_sweep both-$kind 50
done
test_case "receiving with a cursor file"
assert_sweep receive-keys 50

done_testing
