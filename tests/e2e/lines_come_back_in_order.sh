#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The main job: lines go in at one end and come out at the other, and the options that say where
# reading starts and ends.
. "$(dirname "$0")/lib.sh"
need jq

start_server

test_case "a thousand lines come back in order"
seq 1000 >in
run "$CHANCAT" -s t <in
assert_status 0
assert_empty out
assert_empty err
run "$CHANCAT" -n all t
assert_status 0
assert_stream out
jq -r .content out >got
assert_same in got

test_case "without -n the last 50 are printed"
run "$CHANCAT" t
assert_status 0
assert_eq "$(jq -r .content out | head -n 1)" 951 "first line"
assert_lines out 50

test_case "-n says how many"
run "$CHANCAT" -n 3 t
assert_status 0
assert_file <(jq -r .content out) $'998\n999\n1000'
run "$CHANCAT" -r --lines=2 t
assert_file <(jq -r .content out) $'999\n1000'
run "$CHANCAT" -n 0 t
assert_status 0
assert_empty out

test_case "-a starts after an id"
run "$CHANCAT" -n 5 t
first=$(jq -r .id out | head -n 1)
run "$CHANCAT" -a "$first" t
assert_status 0
assert_file <(jq -r .content out) $'997\n998\n999\n1000'
run "$CHANCAT" -a 0 t
assert_lines out 1000
run "$CHANCAT" -a 9223372036854775807 t
assert_status 0
assert_empty out

test_case "-c ends the run after so many messages"
run "$CHANCAT" -n all -c 7 t
assert_status 0
assert_file <(jq -r .content out) $'1\n2\n3\n4\n5\n6\n7'
run "$CHANCAT" -rf -n 2 -c 2 t
assert_status 0
assert_lines out 2

test_case "an empty channel prints nothing"
run "$CHANCAT" nothing-here
assert_status 0
assert_empty out
assert_empty err
run "$CHANCAT" -n all nothing-here
assert_status 0
assert_empty out

test_case "without -s, what was sent is printed"
run "$CHANCAT" -n 0 -S anna duplex < <(printf 'one\ntwo\n')
assert_status 0
assert_file <(jq -r '.sender + ":" + .content' out) $'anna:one\nanna:two'

test_case "a line has the fields of the server in its order"
run "$CHANCAT" -n 1 duplex
assert_has out '^{"id":[0-9]*,"channel":"duplex","sender":"anna","content":"two","time":"[0-9]\{4\}-[0-9-]*T[0-9:]*Z"}$'

test_case "a sender with many lines ends only when all are stored"
seq 300 | "$CHANCAT" -s many
assert_eq "$("$CHANCAT" -n all many | wc -l)" 300

test_case "channel and sender may hold any text"
run "$CHANCAT" -s -S "o'neil <b>&amp; \"q\"" '<b> & ä' <<<'x'
assert_status 0
run "$CHANCAT" '<b> & ä'
assert_file <(jq -r '.channel + "|" + .sender' out) "<b> & ä|o'neil <b>&amp; \"q\""

test_case "content comes back as it was typed"
cat >in <<'END'
<b>bold</b> & "double" 'single'
&amp; &lt; &#34; already escaped
back\slash /slash \u0041
åäö 漢字 😀
END
run "$CHANCAT" -s typed <in
run "$CHANCAT" typed
jq -r .content out >got
assert_same in got

test_case "-f goes on after stdin has ended, and prints what comes"
spawn "$CHANCAT" -f -n all follow >out 2>err <<<'first'
wait_until lines out 1
post follow bob second
wait_until lines out 2
assert alive "$SPAWNED"
end_process "$SPAWNED"
assert_file <(jq -r .content out) $'first\nsecond'

done_testing
