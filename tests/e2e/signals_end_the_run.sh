#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# SIGINT, SIGTERM and SIGHUP.
. "$(dirname "$0")/lib.sh"
need jq curl

start_server
post t anna hello

declare -A number=([HUP]=1 [INT]=2 [TERM]=15)

# Is the process really ended by the signal (and does not only give the status of one)? The shell
# says so for these two.
test_case "the process dies by the signal"
for signal in TERM HUP; do
    : >out
    # shellcheck disable=SC2016
    spawn bash -c '"$@"; exit $?' - bash -c 'echo $$ >pid; exec "$@"' - "$CHANCAT" -rf t >out 2>err
    wait_until lines out 1
    kill -"$signal" "$(cat pid)"
    wait_for "$SPAWNED"
    assert_status $((128 + number[$signal]))
    case $signal in
    TERM) assert_has err Terminated ;;
    HUP) assert_has err Hangup ;;
    esac
done

test_case "a follower that waits ends at once"
for signal in HUP INT TERM; do
    : >out
    spawn "$CHANCAT" -rf -i 3600 t >out 2>err
    wait_until lines out 1
    kill -"$signal" "$SPAWNED"
    wait_for "$SPAWNED"
    assert_status $((128 + number[$signal]))
    assert_empty err
done

test_case "one that waits for a line of stdin, too"
mkfifo in
exec 4<>in
for signal in HUP INT TERM; do
    : >out
    spawn "$CHANCAT" t <in >out 2>err 4>&-
    wait_until lines out 1
    kill -"$signal" "$SPAWNED"
    wait_for "$SPAWNED"
    assert_status $((128 + number[$signal]))
done
exec 4>&-

test_case "the POST in flight is finished first"
start_fault 'POST /send 2 held normal'
mkfifo in
exec 4<>in
spawn "$CHANCAT" -s --receipts t <in >out 2>err 4>&-
seq 3 >&4
wait_until logged 'POST /send' 2
kill -TERM "$SPAWNED"
wait_until signals_taken "$SPAWNED"
release_fault
wait_for "$SPAWNED"
assert_status 143
assert_file <(jq -r .content out) $'1\n2' # its receipt came, and the third line was not sent
assert_eq "$(logged 'POST /send')" 2 requests
exec 4>&-
stop_fault

test_case "but no longer than a few seconds"
start_fault 'POST /send * hang'
spawn "$CHANCAT" -s t <<<'x' >out 2>err
wait_until logged 'POST /send' 1
kill -INT "$SPAWNED"
wait_for "$SPAWNED"
assert_status 130

test_case "a second signal ends it at once"
spawn "$CHANCAT" -s t <<<'x' >out 2>err
wait_until logged 'POST /send' 2
kill -TERM "$SPAWNED"
wait_until signals_taken "$SPAWNED"
kill -TERM "$SPAWNED"
wait_for "$SPAWNED"
assert_status 143
stop_fault

test_case "a signal ends the wait between two tries"
start_fault '* * * status 503 retry-after 3000'
spawn "$CHANCAT" -rf t >out 2>err
wait_until logged 'GET' 1
kill -TERM "$SPAWNED"
wait_for "$SPAWNED"
assert_status 143
stop_fault
start_fault 'POST /send * status 429 retry-after 3000'
spawn "$CHANCAT" -s --retry-for inf t <<<'x' >out 2>err
wait_until logged 'POST' 1
kill -TERM "$SPAWNED"
wait_for "$SPAWNED"
assert_status 143
stop_fault

test_case "a signal ends a request that hangs"
start_fault 'GET * * hang'
spawn "$CHANCAT" -rf t >out 2>err
wait_until logged 'GET' 1
kill -TERM "$SPAWNED"
wait_for "$SPAWNED"
assert_status 143
stop_fault

test_case "a signal ends a run whose reader does not read"
start_fault --fill=long:20000
mkfifo pipe
spawn_to pipe "$CHANCAT" -rf -n all long 2>err
exec 3<pipe
wait_until logged 'GET' 1
kill -TERM "$SPAWNED"
wait_for "$SPAWNED"
assert_status 143
exec 3<&-
stop_fault

start_server
seq -f "%g $(printf '%0300d' 0)" 3000 >"$WORK/many"
for reader in none slow; do
    test_case "a signal while receipts wait to be read: each stored line has one, or it is told ($reader)"
    stored() {
        curl -sS "$URL/get?channel=$reader" | jq -r '.[]?.content'
    }
    more_than_a_pipe() { [ "$(stored | wc -l)" -ge 400 ]; }
    mkfifo pipe
    spawn_to pipe "$CHANCAT" -s --receipts $reader <"$WORK/many" 2>err
    chancat=$SPAWNED
    exec 3<pipe
    wait_until more_than_a_pipe
    kill -TERM "$chancat"
    wait_until signals_taken "$chancat"
    if [ $reader = slow ]; then
        head -c 100 <&3 >out # the first of them
        cat <&3 >>out
        wait_for "$chancat"
    else
        wait_for "$chancat"
        cat <&3 >out
    fi
    exec 3<&-
    assert_status 143
    sed -n '/}$/p' out | jq -r .content >receipts # without what may have been cut
    stored | head -n "$(wc -l <receipts)" >first
    assert test -s receipts
    assert_same receipts first
    assert_has err '^chancat: [0-9]* lines not known to be stored: 0 refused, [0-9]* not sent, 0 unknown$'
    [ "$(stored | wc -l)" = "$(wc -l <receipts)" ] || assert_has err 'stored, but nobody read all receipts in time$'
    [ $reader = slow ] || assert_has err '^chancat: lines [0-9]* to [0-9]*: stored, but nobody read'
done
stop_server

test_case "an ignored SIGHUP stays ignored"
start_server
post t anna hello
# shellcheck disable=SC2016
spawn bash -c 'trap "" HUP; exec "$@"' - "$CHANCAT" -rf -i 0.05 t >out 2>err
wait_until lines out 1
kill -HUP "$SPAWNED"
post t anna more
wait_until lines out 2
assert alive "$SPAWNED"
kill -TERM "$SPAWNED"
wait_for "$SPAWNED"
assert_status 143

test_case "so does SIGINT of a background job"
# shellcheck disable=SC2016
spawn bash -c 'trap "" INT; exec "$@"' - "$CHANCAT" -rf -n 1 t >out 2>err
wait_until lines out 1
kill -INT "$SPAWNED"
post t anna 'still there'
wait_until lines out 2
kill -TERM "$SPAWNED"
wait_for "$SPAWNED"
assert_status 143

test_case "what was printed before the signal are whole lines"
seq 300 | "$CHANCAT" -s whole
spawn "$CHANCAT" -rf -n all whole >out 2>err
wait_until lines out 1
kill -TERM "$SPAWNED"
wait_for "$SPAWNED"
assert_stream out

done_testing
