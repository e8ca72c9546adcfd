#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A channel of 100,000 messages in one reply: memory does not grow with it.
. "$(dirname "$0")/lib.sh"
need jq

MESSAGES=${MESSAGES:-100000}
LIMIT_KIB=16384

# Runs "$@" with stdout to out; PEAK becomes the most memory it had before its last million bytes,
# which a pipe does not hold: it cannot have ended when it is looked at.
measure() {
    local now pid size=0 before=-1
    PEAK=0
    mkfifo pipe
    spawn_to pipe "$@" 2>err
    pid=$SPAWNED
    exec 3<pipe
    while [ "$size" -gt "$before" ]; do
        now=$(peak_kib "$pid")
        [ "${now:-0}" -le "$PEAK" ] || PEAK=$now
        before=$size
        head -c 1000000 <&3 >>out
        size=$(wc -c <out)
    done
    exec 3<&-
    wait_for "$pid"
}

check_peak() {
    echo "  peak: $PEAK KiB for $MESSAGES messages"
    if [ -n "$SANITIZE" ]; then
        echo "  (not judged under a sanitizer)"
    else
        assert [ "$PEAK" -gt 0 ]
        assert [ "$PEAK" -le "$LIMIT_KIB" ]
    fi
}

start_fault "--fill=big:$MESSAGES" 'GET *?channel=slow * normal'

test_case "all messages of a long reply are printed within 16 MiB"
measure "$CHANCAT" -n all big
assert_status 0
assert_lines out "$MESSAGES"
assert_stream out
assert_eq "$(head -n 1 out | jq .id)" 1
assert_eq "$(tail -n 1 out | jq .id)" "$MESSAGES"
check_peak

test_case "-n with a large number, too"
measure "$CHANCAT" -n $((MESSAGES - 1)) big
assert_status 0
assert_lines out $((MESSAGES - 1))
check_peak

test_case "with -r, too, where there is no second look"
run "$CHANCAT" -r -n $((MESSAGES - 1)) big
assert_status 0
assert_lines out $((MESSAGES - 1))

test_case "a reader that does not read makes it wait, not grow"
mkfifo pipe
spawn_to pipe "$CHANCAT" -n all big 2>err
pid=$SPAWNED
exec 3<pipe
read -r _ <&3
head -n 1000 <&3 >/dev/null
PEAK=$(peak_kib "$pid")
check_peak
exec 3<&-
wait_for "$pid"
assert_status 0

test_case "-c ends in the middle of a long reply"
run "$CHANCAT" -n all -c 10 big
assert_status 0
assert_lines out 10

done_testing
