#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# timeout: 240
#
# Whatever becomes of a POST: no line is ever stored twice, and a line that may have been
# stored is not sent again.
. "$(dirname "$0")/lib.sh"
need jq curl

printf '{"id":5}' >"$WORK/odd"
printf '{"id":5,"channel":"t","sender":"s","cont' >"$WORK/half"

# The contents of channel t, in order.
stored() {
    curl -s "$URL/get?channel=t" | jq -r '.[]?.content'
}

# unknown STORED ACTION...: the second of three lines meets ACTION; STORED says whether the
# server has kept it.
unknown() {
    local kept=$1
    shift
    start_fault "POST /send 2 $*"
    run "$CHANCAT" -s t < <(printf 'one\ntwo\nthree\n')
    [ "$STATUS" = 5 ] || fail "$*: status $STATUS, not 5"
    stored >stored
    assert_eq "$(grep -c one stored)" 1 "$*: stored first lines"
    assert_eq "$(grep -c two stored)" "$kept" "$*: stored second lines"
    [ "$(logged 'POST /send')" -le 3 ] || fail "$*: $(logged 'POST /send') requests for 3 lines"
    [ "$(grep -c three stored)" -le 1 ] || fail "$*: third line stored more than once"
    assert_has err 'line 2[^0-9]'
    stop_fault
}

test_case "the connection dies after the message was stored"
unknown 1 close-after
unknown 1 reset-after

test_case "a connection that was used before dies under the request, nothing stored"
unknown 0 close-before
unknown 0 reset-before

test_case "the reply is cut"
unknown 1 cut-all 9
unknown 1 cut 0
unknown 1 cut 20
unknown 1 cut-chunked 20
unknown 0 status-line-only

test_case "the server fails, before or after storing"
unknown 0 status 500
unknown 1 status-after 500
unknown 0 status 502
unknown 0 status 503 retry-after 1
unknown 1 status-after 504

test_case "200 with a body that is no proof"
unknown 0 html
unknown 0 body "$WORK/odd"
unknown 0 body "$WORK/half"
unknown 1 lie-id
unknown 1 wrong-echo

test_case "a reply that was whole counts, whatever becomes of the connection"
for action in close-kept reset-kept; do
    start_fault "POST /send 1 $action" "POST /send 3 $action"
    run "$CHANCAT" -s t < <(seq 4)
    case $STATUS in
    0) assert_file <(stored) $'1\n2\n3\n4' ;;
    5) ;; # the next request was already under way
    *) fail "$action: status $STATUS" ;;
    esac
    assert_empty <(stored | sort | uniq -d)
    assert [ "$(logged 'POST /send')" -le 4 ]
    stop_fault
done

test_case "every connection is closed after one reply"
start_fault 'POST /send * close-kept'
run "$CHANCAT" -s t < <(seq 20)
case $STATUS in
0 | 5) ;;
*) fail "status $STATUS" ;;
esac
assert_empty <(stored | sort | uniq -d)
stop_fault

test_case "no redirect is followed"
for code in 301 302 303 307 308; do
    start_fault "POST /send 1 redirect $code /send"
    run "$CHANCAT" -s t <<<'x'
    assert_status 4
    assert_eq "$(wc -l <"$FAULT_LOG")" 1 "requests after $code"
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

test_case "one connection is kept for all lines"
start_fault
run "$CHANCAT" -s t < <(seq 50)
assert_status 0
assert_eq "$(cut -d ' ' -f 1 "$FAULT_LOG" | sort -u | wc -l)" 1 connections
stop_fault

done_testing
