#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# chancat is killed with -9 at every step of sending, flushing and receiving, and the next run makes
# it good: nothing is lost, doubled or out of order, and nothing stays behind. See tests/harm/lib.sh;
# tests/soak/harm-report does the same with more lines.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/../harm/lib.sh"
need jq curl
need_strace

[ -z "$SANITIZE" ] || HARM_STRIDE=2

test_case "sweeps start"
start_sweeps "$CALLS_KILL" signal=KILL

for kind in keys plain; do
    test_case "sending with an outbox is killed ($kind)"
    assert_sweep send-$kind 50
    test_case "flushing an outbox is killed ($kind)"
    assert_sweep flush-$kind 50
    test_case "sending and receiving is killed ($kind)"
    assert_sweep both-$kind 50
done
test_case "receiving with a cursor file is killed"
assert_sweep receive-keys 50

done_testing
