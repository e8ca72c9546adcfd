#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# --json and --receipts.
. "$(dirname "$0")/lib.sh"
need jq

start_server

test_case "a JSON line gives the content"
printf '%s\n' '{"content":"one"}' '{"content":"two\nlines","other":[1,{"x":null}]}' >in
run "$CHANCAT" -s --json -S anna t <in
assert_status 0
assert_file <("$CHANCAT" -n all t | jq -c '[.channel, .sender, .content]') \
    $'["t","anna","one"]\n["t","anna","two\\nlines"]'

test_case "without CHANNEL and -S each line may name its own"
printf '%s\n' '{"channel":"c1","sender":"x","content":"1"}' '{"channel":"c2","content":"2"}' >in
run env CHANCAT_SENDER=envy "$CHANCAT" -sj <in
assert_status 0
assert_file <("$CHANCAT" c1 | jq -c '[.sender, .content]') '["x","1"]'
assert_file <("$CHANCAT" c2 | jq -c '[.sender, .content]') '["envy","2"]'

test_case "what the command line names wins over the line"
printf '%s\n' '{"channel":"wrong","sender":"wrong","content":"3"}' >in
run "$CHANCAT" -s -j -S right c3 <in
assert_status 0
assert_file <("$CHANCAT" c3 | jq -c '[.sender, .content]') '["right","3"]'
assert_empty <("$CHANCAT" wrong)

test_case "the program's own output is valid input"
"$CHANCAT" -n all t >in
run "$CHANCAT" -s --json copy <in
assert_status 0
assert_same <("$CHANCAT" -n all copy | jq -c '[.sender, .content]') \
    <("$CHANCAT" -n all t | jq -c '[.sender, .content]')

test_case "a bad line is reported by its number, and the rest goes on"
printf '%s\n' '{"content":"good 1"}' '{bad' '{"content":"good 3"}' '[1]' '{"content":7}' \
    '{"sender":"s"}' '"text"' '{"content":"good 8"} trailing' '{"content":"good 9"}' >in
run "$CHANCAT" -s --json bad <in
assert_status 4
assert_file <("$CHANCAT" bad | jq -r .content) $'good 1\ngood 3\ngood 9'
for n in 2 4 5 6 7 8; do
    assert_has err "line ${n}[^0-9]"
done
for n in 1 3 9; do
    assert_not_has err "line ${n}[^0-9]"
done
assert_has err '^chancat: .*6'

test_case "a line without a channel, where none is given, is a bad line"
printf '%s\n' '{"content":"x"}' '{"channel":"ch","content":"y"}' >in
run "$CHANCAT" -s --json <in
assert_status 4
assert_has err 'line 1[^0-9]'
assert_file <("$CHANCAT" ch | jq -r .content) y

test_case "-0 and --json work together"
printf '{"content":\n"z"}\0{"content":"zz"}\0' >in
run "$CHANCAT" -s0j zero <in
assert_status 0
assert_file <("$CHANCAT" zero | jq -r .content) $'z\nzz'

test_case "--receipts prints every stored message as a line"
seq 5 >in
run "$CHANCAT" -s --receipts -S r rec <in
assert_status 0
assert_stream out
assert_file <(jq -r '.sender + .content' out) $'r1\nr2\nr3\nr4\nr5'
assert_same out <("$CHANCAT" -n all rec)

test_case "--receipts leaves out what was refused"
printf '%s\n' '{"content":"a"}' '{' '{"content":"b"}' >in
run "$CHANCAT" -s --json --receipts rec <in
assert_status 4
assert_file <(jq -r .content out) $'a\nb'

done_testing
