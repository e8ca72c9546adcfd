#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A reply that is cut anywhere, or comes in drips, loses and doubles nothing.
. "$(dirname "$0")/lib.sh"
need jq curl

put_messages() {
    put '*' '{"id":@ID@,"channel":"x","sender":"\u00fc","content":"a\"]}\\,{[ \u0026amp;","time":"2024-01-02T03:04:05Z"}'
    put '*' '{"id":@ID@,"channel":"x","sender":"s","content":"å ] \ud83d\ude00","time":"2024-01-02T03:04:05Z"}'
}

start_fault
put_messages
"$CHANCAT" -n all any >"$WORK/wanted"
length=$(curl -s "$URL/get?channel=any" | wc -c)
whole=$(curl -si "$URL/get?channel=any" | wc -c)
stop_fault

# Sanitizers make each of these hundreds of processes slow: a prime step then hits what matters.
step=1
[ -z "$SANITIZE" ] || step=7

# every ACTION COUNT ARGUMENT...: chancat once for each N below COUNT, the first request of
# channel cN suffering ACTION N.
every() {
    local action=$1 count=$2 n rules=()
    shift 2
    for ((n = 0; n < count; n += step)); do
        rules+=("GET *?channel=c$n 1 $action $n")
    done
    start_fault "${rules[@]}"
    put_messages
    # Each pauses up to half a second before it tries again: many at a time.
    # shellcheck disable=SC2016
    seq 0 "$step" $((count - 1)) | xargs -P 32 -I '{}' bash -c \
        'n=$1; shift; "$@" "c$n" >"out.$n" 2>"err.$n"; echo $? >"status.$n"' \
        - '{}' "$CHANCAT" "$@"
    for ((n = 0; n < count; n += step)); do
        assert_file "status.$n" 0
        cmp -s "out.$n" "$WORK/wanted" ||
            fail "$action $n: $(cat "out.$n" "err.$n" | head -c 1000)"
    done
    stop_fault
}

test_case "two messages are in the reply"
assert_lines "$WORK/wanted" 2

test_case "a reply of /get cut after each of its bytes, head and all"
every cut-all "$whole" -n all

test_case "a chunked reply of /past cut after each byte of its body"
every cut-chunked "$length" -n 2

test_case "a reply that comes byte by byte"
start_fault 'GET * * drip 1'
put_messages
run "$CHANCAT" -n all any
assert_status 0
assert_same out "$WORK/wanted"
assert_empty err
stop_fault

test_case "a long chunked reply cut at odd places goes on behind the last whole message"
start_fault --fill=long:3000 'GET * 1 cut-chunked 65000' 'GET * 2 cut-chunked 65536' \
    'GET * 3 cut 1' 'GET * 4 cut 100001' 'GET * 5 reset-kept'
run "$CHANCAT" -n all long
assert_status 0
assert_stream out
assert_lines out 3000
assert_eq "$(grep -c 'last=0 \|last=0&\|/past' "$FAULT_LOG")" 1 "requests from the beginning"
stop_fault

test_case "a stall in the middle is waited out, and what came before is printed at once"
start_fault 'GET * 1 stall 150 held'
put_messages
spawn "$CHANCAT" -n all any >out 2>err
wait_until lines out 1
assert alive "$SPAWNED"
release_fault
wait_for "$SPAWNED"
assert_status 0
assert_same out "$WORK/wanted"
stop_fault

test_case "a follower survives cut replies without a gap or a double"
start_fault 'GET /get 2 cut 30' 'GET /get 4 cut 140' 'GET /get 6 close-after' \
    'GET /get 8 reset-after' 'GET /get 10 cut-chunked 5' 'GET /get 12 status-line-only'
spawn "$CHANCAT" -rf -n all -i 0.02 t >out 2>err
follower=$SPAWNED
for i in $(seq 14); do
    wait_until logged 'GET /get' "$i"
    post t s "line $i a"
    post t s "line $i b"
done
wait_until lines out 28
end_process "$follower"
assert_stream out
for i in $(seq 14); do
    printf 'line %s a\nline %s b\n' "$i" "$i"
done >wanted
jq -r .content out >got
assert_same wanted got
stop_fault

done_testing
