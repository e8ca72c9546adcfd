#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Whatever becomes of a POST to a server without extras: the line is stored once, in order, and
# what is not known is found out by looking.
. "$(dirname "$0")/lib.sh"
need jq curl

printf '{"id":5}' >"$WORK/odd"
printf '{"id":5,"channel":"t","sender":"s","cont' >"$WORK/half"

# The contents of channel t, in order.
stored() {
    curl -s "$URL/get?channel=t" | jq -r '.[]?.content'
}

# settled STORED ACTION...: the second of three lines meets ACTION; STORED says whether the
# server has kept it. The line is sent again only when it has not.
settled() {
    local kept=$1
    shift
    start_fault "POST /send 2 $*"
    run "$CHANCAT" --settle 0.3 -s t < <(printf 'one\ntwo\nthree\n')
    [ "$STATUS" = 0 ] || fail "$*: status $STATUS, not 0"
    assert_file <(stored) $'one\ntwo\nthree'
    [ "$(logged 'POST /send')" = $((4 - kept)) ] ||
        fail "$*: $(logged 'POST /send') requests for 3 lines"
    stop_fault
}

test_case "the connection dies after the message was stored"
settled 1 close-after
settled 1 reset-after

test_case "a connection that was used before dies under the request, nothing stored"
settled 0 close-before
settled 0 reset-before

test_case "the reply is cut"
settled 1 cut-all 9
settled 1 cut 0
settled 1 cut 20
settled 1 cut-chunked 20
settled 0 status-line-only

test_case "the server fails, before or after storing"
settled 0 status 500
settled 1 status-after 500
settled 0 status 502
settled 0 status 503 retry-after 1
settled 1 status-after 504

test_case "200 with a body that is no proof"
settled 0 html
settled 0 body "$WORK/odd"
settled 0 body "$WORK/half"
settled 1 lie-id
settled 1 wrong-echo

test_case "a reply that was whole counts, whatever becomes of the connection"
for action in close-kept reset-kept; do
    start_fault "POST /send 1 $action" "POST /send 3 $action"
    run "$CHANCAT" --settle 0.3 -s t < <(seq 4)
    assert_status 0
    assert_file <(stored) $'1\n2\n3\n4'
    stop_fault
done

test_case "every connection is closed after one reply"
start_fault 'POST /send * close-kept'
run "$CHANCAT" --settle 0.3 -s t < <(seq 20)
assert_status 0
assert_same <(stored) <(seq 20)
stop_fault

test_case "no redirect is followed"
for code in 301 302 303 307 308; do
    start_fault "POST /send 1 redirect $code /send"
    run "$CHANCAT" -s t <<<'x'
    assert_status 4
    assert_eq "$(logged /send)" 1 "requests after $code"
    assert_empty <(stored)
    stop_fault
done

test_case "the echo may be trimmed, escaped and repaired, and is recognised all the same"
start_fault
printf '  padded \t\n<b> & "q" '"'"'s'"'"' &amp;\nbad \xff\xfe\n\xe2\x80\xa8sep\xe2\x80\xa9 x\ntab\there \x7f \xc2\x85\n' >in
run "$CHANCAT" -s -S ' <me>  ' 007 <in
assert_status 0
assert_eq "$(logged 'POST /send')" 5 requests
stop_fault

test_case "lines that were sent twice by the user are two messages"
start_fault
run "$CHANCAT" -s t < <(printf 'same\nsame\nsame\n')
assert_status 0
assert_file <(stored) $'same\nsame\nsame'
stop_fault

test_case "100 equal lines become 100 messages, whatever becomes of their replies"
start_fault 'POST /send 5 close-after' 'POST /send 6 reset-before' 'POST /send 20-29 status-after 500' \
    'POST /send 40 status 500' 'POST /send 60-61 cut 10' 'POST /send 80 lie-id'
run "$CHANCAT" --settle 0.2 -s t < <(yes same | head -n 100)
assert_status 0
assert_eq "$(stored | grep -c '^same$')" 100 messages
stop_fault

test_case "an older message of the same text is not taken for the line"
start_fault 'POST /send 2 reset-before'
run "$CHANCAT" -S me -s t <<<'same'
run "$CHANCAT" -S me --settle 0.2 -s t <<<'same'
assert_status 0
assert_eq "$(stored | grep -c '^same$')" 2 messages
stop_fault

test_case "the looks go on until --settle has passed, and only then it is sent again"
start_fault 'POST /send 1 reset-before'
began=${EPOCHREALTIME/[.,]/}
run "$CHANCAT" --settle 1 -s t <<<'x'
assert_status 0
assert [ $((${EPOCHREALTIME/[.,]/} - began)) -ge 990000 ]
# How many there are is for test_deliver.c, whose clock is its own.
assert [ "$(sed -n '/POST/,/POST/p' "$FAULT_LOG" | grep -c 'GET /get')" -ge 2 ]
assert_file <(stored) x
stop_fault

test_case "a server that cannot be looked at leaves it unknown: status 5, and the line is named"
start_fault 'POST /send 2 close-after' 'GET /get * status 500'
run "$CHANCAT" --settle 0.1 --retry-for 0.3 -s t < <(printf 'one\ntwo\nthree\n')
assert_status 5
assert_has err 'line 2 may or may not be stored'
assert_has err '^chancat: 2 lines not known to be stored: 0 refused, 1 not sent, 1 unknown$'
assert_eq "$(logged 'POST /send')" 2 "requests"
stop_fault

test_case "a server that answers 500 for good is given up: not stored, status 3"
start_fault 'POST /send * status 500'
run "$CHANCAT" --settle 0.1 --retry-for 0.5 -s t <<<'x'
assert_status 3
assert_has err '^chancat: 1 line not known to be stored: 0 refused, 1 not sent, 0 unknown$'
assert_empty <(stored)
stop_fault

test_case "receipts show what a look has found"
start_fault 'POST /send 2 close-after'
run "$CHANCAT" --settle 0.2 --receipts -s t < <(seq 3)
assert_status 0
assert_file <(jq -r .content out) $'1\n2\n3'
assert_stream out
stop_fault

test_case "a signal still allows one look"
start_fault 'POST /send 1 hang'
echo x >in
spawn "$CHANCAT" --settle 30 -s t <in >out 2>err
wait_until logged 'POST /send' 1
kill -TERM "$SPAWNED"
wait_for "$SPAWNED"
assert_status 143
assert_has err 'unknown$'
wait_until logged 'GET /get' 1
stop_fault

test_case "with --no-echo a message that was found by a look is still our own"
start_fault 'POST /send 2 close-after'
run "$CHANCAT" --settle 0.2 --no-echo -i 0.1 t < <(seq 3)
assert_status 0
assert_empty out
stop_fault

test_case "one connection is kept for all lines"
start_fault
run "$CHANCAT" -s t < <(seq 50)
assert_status 0
assert_eq "$(cut -d ' ' -f 1 "$FAULT_LOG" | sort -u | wc -l)" 1 connections
stop_fault

done_testing
