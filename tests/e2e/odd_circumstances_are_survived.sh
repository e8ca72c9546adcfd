#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A wall clock that jumps between two runs, system calls that are interrupted all the time, too few
# files, no memory: it is said in a line, the status is one that the manual names, and the next run
# makes it good. See tests/harm/lib.sh.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/../harm/lib.sh"
need jq curl
need_strace

declare -A SWEEP

# start_sweep TAG JOB CALLS FAULT...
start_sweep() {
    spawn sweep "$@"
    SWEEP[$1]=$SPAWNED
}

start_server --plain
PLAIN=$URL
start_server
KEYS=$URL

# The address sanitizer has an allocator of its own, and must come before every other library.
odd=yes
if [ -n "$SANITIZE" ] || [ ! -e "$ODD" ] || ! LD_PRELOAD=$ODD ODD_CLOCK=86400 date >/dev/null; then
    odd=
fi

test_case "sweeps start"
seq -f "files %g" 3 20 >files
start_sweep files-both both "$PWD/files" files
start_sweep files-flush flush "$PWD/files" files
start_sweep files-receive receive "$PWD/files" files
if [ -n "$odd" ]; then
    # Where there is no memory any more: a few places in the start of the libraries, and then every
    # twentieth or so. (One that fails alone is for test_memory.c: libraries do not all survive it.)
    LD_PRELOAD=$ODD ODD_COUNT=first "$CHANCAT" --version >out 2>err
    LD_PRELOAD=$ODD ODD_COUNT=last "$CHANCAT" -n all --outbox outbox -C cur count <<<'one' >out 2>err
    awk '{ n[NR] = $1 } END {
        for (i = 1; i < n[1]; i += int(n[1] / 5)) print "memory", i
        for (i = n[1]; i < n[2]; i += 19) print "memory", i
    }' first last >memory
    HARM_RETRY=0.1
    start_sweep memory-flush flush "$PWD/memory" memory-all
    start_sweep memory-receive receive "$PWD/memory" memory-all
    HARM_RETRY=10
    for shift in -86400 86400 1000000; do
        HARM_SECOND=(env "LD_PRELOAD=$ODD" "ODD_CLOCK=$shift")
        HARM_STRIDE=7
        for kind in keys plain; do
            CHANCAT_URL=$KEYS
            [ $kind = keys ] || CHANCAT_URL=$PLAIN
            start_sweep "clock$shift-$kind" flush "$CALLS_KILL" signal=KILL
        done
        CHANCAT_URL=$KEYS
    done
fi

for job in both flush receive; do
    test_case "too few files: $job"
    assert_sweep files-$job 30
done

if [ -n "$odd" ]; then
    for tag in memory-flush memory-receive; do
        test_case "memory runs out: $tag"
        assert_sweep $tag 30
    done
    for shift in -86400 86400 1000000; do
        for kind in keys plain; do
            test_case "the clock is shifted by $shift s after a crash ($kind)"
            assert_sweep "clock$shift-$kind" 50
        done
    done
fi

test_case "system calls are interrupted all the time, in client and server"
start_server
lines=300
seq -f 'interrupted %g' $lines >sent
mkfifo in
exec {FEED}<>in
cat sent >&"$FEED"
spawn "$CHANCAT" -q -n all --outbox outbox -C cur interrupted <in >out 2>err {FEED}>&-
client=$SPAWNED
interrupt_all 200 "$client" "$SERVER_PID"
wait_for "$client"
assert_status 0
assert_empty err
assert [ "$INTERRUPTS" -ge 200 ]
"$CHANCAT" -r -n all interrupted >stored
assert_eq "$("$ROOT/tests/soak/oracle" sent stored)" \
    "lines=$lines lost=0 duplicated=0 reordered=0 strange=0" verdict
assert_same out stored
stop_server
assert_status 0

done_testing
