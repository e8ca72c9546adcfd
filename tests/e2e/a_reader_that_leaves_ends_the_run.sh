#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# stdout: readers that leave, that are slow, and descriptors that are closed or broken.
. "$(dirname "$0")/lib.sh"
need jq curl

start_server
seq 200 | "$CHANCAT" -s t

# Ends the script's part of a pipeline with chancat's status in the file `status`.
reads() {
    timeout -k 5 "$WAIT_SECS" "$CHANCAT" "$@" 2>err
    echo $? >status
}

test_case "chancat -rf t | head -1 ends by itself"
reads -rf t | head -n 1 >out
assert_lines out 1
assert_file status 0
assert_empty err

test_case "a reader that leaves while nothing arrives ends the run"
mkfifo pipe
spawn_to pipe "$CHANCAT" -rf -n 1 -i 3600 t 2>err
pid=$SPAWNED
exec 3<pipe
read -r line <&3
assert_eq "$(jq -r .content <<<"$line")" 200
exec 3<&-
wait_for "$pid"
assert_status 0
assert_empty err

test_case "so does one on a socket"
if command -v socat >/dev/null; then
    printf '#!/bin/sh\necho $$ >pid\nexec "%s" -rf -n 1 -i 3600 t\n' "$CHANCAT" >run
    chmod +x run
    spawn socat -u EXEC:./run STDOUT >out 2>err
    wait_until lines out 1
    assert_eq "$(readlink "/proc/$(cat pid)/fd/1" | cut -d : -f 1)" socket
    kill -KILL "$SPAWNED"
    wait_until gone "$(cat pid)"
fi

test_case "one that leaves before the first message"
reads -rf -n 0 -i 3600 t | true
assert_file status 0

test_case "one that leaves in the middle of a long reply"
start_fault --fill=long:20000
reads -rf -n all long | head -n 3 >out
assert_lines out 3
assert_file status 0
stop_fault
start_server
seq 200 | "$CHANCAT" -s t

test_case "the same with SIGPIPE ignored, and not"
(
    trap '' PIPE
    reads -rf -n all t | head -n 1 >out
)
assert_lines out 1
assert_file status 0
if env --default-signal=PIPE true 2>/dev/null; then
    timeout "$WAIT_SECS" env --default-signal=PIPE bash -c '"$1" -rf -n all t; echo $? >status' - "$CHANCAT" |
        head -n 1 >out
    assert_lines out 1
    assert_file status 0
fi

test_case "lines that were read are still delivered when the reader has left"
mkfifo pipe in
exec 4<>in
spawn_to pipe "$CHANCAT" -n 1 -i 3600 t <in 2>err 4>&-
pid=$SPAWNED
exec 3<pipe
read -r _ <&3
seq -f 'late %g' 20 >&4
late_is_stored() {
    curl -s "$URL/past?channel=t&count=20" >last
    has last "late $1\""
}
wait_until late_is_stored 1
exec 3<&-
wait_for "$pid"
exec 4>&-
assert_status 0
wait_until late_is_stored 20

test_case "a slow reader does not stop the sender"
seq -f "$(head -c 3000 /dev/zero | tr '\0' x) %g" 300 >in
mkfifo pipe
spawn_to pipe "$CHANCAT" -f -n 0 -i 0.05 slow <in 2>err
pid=$SPAWNED
exec 3<pipe # 900 KB are more than a pipe holds; nobody reads them yet
last_is() {
    curl -s "$URL/past?channel=slow&count=1" >last
    has last " $1\""
}
wait_until last_is 300
head -n 300 <&3 >out
exec 3<&-
wait_for "$pid"
assert_status 0
assert_stream out
jq -r .content out >got
assert_same in got

test_case "a full disk under stdout is status 1"
"$CHANCAT" -r t >/dev/full 2>err
assert_eq $? 1 status
assert_has err '^chancat: '
"$CHANCAT" t >/dev/full 2>err <<<'goes out all the same'
assert_eq $? 1 status
"$CHANCAT" -s t >/dev/full 2>err <<<'prints nothing'
assert_eq $? 0 status

test_case "stdout closed"
"$CHANCAT" -r t >&- 2>err
assert_eq $? 1 status
"$CHANCAT" -rf t >&- 2>err
assert_eq $? 1 status
"$CHANCAT" -s t >&- 2>err <<<'needs no stdout'
assert_eq $? 0 status
assert_eq "$("$CHANCAT" -n 1 t | jq -r .content)" 'needs no stdout'

test_case "stdin closed"
run "$CHANCAT" -r -n 1 t <&-
assert_status 0
assert_lines out 1
run "$CHANCAT" -s t <&-
case $STATUS in
0 | 1) ;;
*) fail "status $STATUS" ;;
esac

test_case "stderr closed"
"$CHANCAT" -r -n 1 t >out 2>&-
assert_eq $? 0 status
assert_lines out 1
printf 'bad \xff\n' | "$CHANCAT" -s t 2>&-
assert_eq $? 0 status
"$CHANCAT" --no-such-option 2>&-
assert_eq $? 2 status

test_case "all three closed"
"$CHANCAT" -rf --idle 0.2 -n 0 t <&- >&- 2>&-
case $? in
1 | 6) ;;
*) fail "status $?" ;;
esac

test_case "stdout and stderr in one file: whole lines of both"
start_fault
for i in $(seq 50); do
    put t '{"id":@ID@,"channel":"t","sender":"s","content":"good","time":"2024-01-02T03:04:05Z"}'
    put t "{\"id\":@ID@,\"bad $i"'":"\ud800"}'
done
"$CHANCAT" -n all t >both 2>&1
assert_eq "$(grep -c '^{"id":.*Z"}$' both)" 50
assert_eq "$(grep -vc '^{"id":.*Z"}$\|^chancat: ' both)" 0
stop_fault

done_testing
