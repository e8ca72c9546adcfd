#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What counts as a line of stdin.
. "$(dirname "$0")/lib.sh"
need jq

start_server

# What channel $1 holds, one content a line, as JSON strings.
contents() {
    "$CHANCAT" -n all "$1" | jq -c .content
}

test_case "a last line without newline counts"
printf 'one\ntwo' >in
run "$CHANCAT" -s last <in
assert_status 0
assert_file <(contents last) $'"one"\n"two"'

test_case "CR before LF is dropped, elsewhere it stays"
printf 'a\r\nb\rc\r\nd\r' >in
run "$CHANCAT" -s cr <in
assert_status 0
assert_file <(contents cr | head -n 2) $'"a"\n"b\\rc"'
assert_eq "$(contents cr | tail -n 1)" '"d"' # trimmed by the server, if not by us

test_case "blank lines are skipped"
printf '\n  \na\n\t\n\r\n\n\xc2\xa0\xe2\x80\x83\nb\n\n' >in
run "$CHANCAT" -s blank <in
assert_status 0
assert_file <(contents blank) $'"a"\n"b"'

test_case "no input at all is fine"
run "$CHANCAT" -s none
assert_status 0
assert_empty out
assert_empty err
run "$CHANCAT" -s none < <(printf '\n')
assert_status 0
assert_empty <(contents none)

test_case "NUL and invalid UTF-8 become U+FFFD, with one warning"
printf 'a\0b\nc\xff\xfed\n\xc3\ne\xed\xa0\x80f\ngood\n' >in
run "$CHANCAT" -s bytes <in
assert_status 0
assert_file <(contents bytes) $'"a\uFFFDb"\n"c\uFFFD\uFFFDd"\n"\uFFFD"\n"e\uFFFD\uFFFD\uFFFDf"\n"good"'
assert_lines err 1
assert_has err '^chancat: '

test_case "a line of exactly 1 MiB passes"
head -c 1048576 /dev/zero | tr '\0' x >in
echo >>in
run "$CHANCAT" -s mib <in
assert_status 0
assert_eq "$(contents mib | jq length)" 1048576

test_case "a line of more than 1 MiB is refused by its number, the rest goes on"
{
    echo before
    head -c 2097152 /dev/zero | tr '\0' y
    echo
    echo after
} >in
run "$CHANCAT" -s big <in
assert_status 4
assert_file <(contents big) $'"before"\n"after"'
assert_has err 'line 2[^0-9]'
assert_has err '^chancat: '
head -c 1048577 /dev/zero | tr '\0' z >in
run "$CHANCAT" -s big <in
assert_status 4
assert_has err 'line 1[^0-9]'

test_case "a long line that never ends does not grow the program"
if [ -n "$SANITIZE" ]; then
    echo "  (memory is not measured under a sanitizer)"
else
    mkfifo in
    exec 4<>in
    spawn "$CHANCAT" -s endless <in >out 2>err 4>&-
    pid=$SPAWNED
    head -c 40000000 /dev/zero | tr '\0' x >&4
    peak=$(peak_kib "$pid")
    exec 4>&-
    wait_for "$pid"
    assert_status 4
    assert [ "$peak" -le 20480 ]
fi

test_case "with -0 records end with NUL and may hold newlines"
printf 'two\nlines\0crlf\r\nkept\0last' >in
run "$CHANCAT" -s0 zero <in
assert_status 0
assert_file <(contents zero) $'"two\\nlines"\n"crlf\\r\\nkept"\n"last"'
seq 3 >in
run "$CHANCAT" -s --null zero <in
assert_eq "$(contents zero | tail -n 1)" '"1\n2\n3"'

# Does channel $1 hold the line $2?
stored() {
    contents "$1" >stored
    has stored "\"$2\""
}

test_case "lines that come in pieces are put together"
mkfifo in
exec 4<>in
spawn "$CHANCAT" -s pieces <in >out 2>err 4>&-
pid=$SPAWNED
printf 'a first\nhalf ' >&4
wait_until stored pieces 'a first'
printf 'and ' >&4
printf 'half\nrest' >&4
exec 4>&-
wait_for "$pid"
assert_status 0
assert_file <(contents pieces) $'"a first"\n"half and half"\n"rest"'

test_case "a line is sent at once, not when the buffer is full"
mkfifo in
exec 4<>in
spawn "$CHANCAT" -s prompt <in >out 2>err 4>&-
pid=$SPAWNED
echo one >&4
wait_until stored prompt one
echo two >&4
wait_until stored prompt two
exec 4>&-
wait_for "$pid"
assert_status 0

test_case "a stdin that cannot be read is a local failure"
run "$CHANCAT" -s broken </
assert_status 1
assert_lines err 1

done_testing
