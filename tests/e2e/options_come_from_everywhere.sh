#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Command line, environment and configuration file; what does not go together; -q, -v, --text.
. "$(dirname "$0")/lib.sh"
need jq

start_server
config=$HOME/.config/chancat

# The sender that a line sent with these arguments has.
sender_of() {
    "$@" -s --receipts t <<<x | jq -r .sender
}

test_case "the sender is the login name by default"
assert_eq "$(sender_of "$CHANCAT")" "$(id -un)"

test_case "flag beats environment beats file"
mkdir -p "$config"
printf '# a comment\n\nsender from-file\n' >"$config/config"
assert_eq "$(sender_of "$CHANCAT")" from-file
assert_eq "$(sender_of env CHANCAT_SENDER=from-env "$CHANCAT")" from-env
assert_eq "$(sender_of env CHANCAT_SENDER=from-env "$CHANCAT" -S from-flag)" from-flag
assert_eq "$(sender_of "$CHANCAT" --sender=from-flag)" from-flag

test_case "XDG_CONFIG_HOME, CHANCAT_CONFIG and --config say where the file is"
mkdir -p xdg/chancat
echo 'sender xdg' >xdg/chancat/config
echo 'sender own file' >own
echo 'sender other' >other
assert_eq "$(sender_of env "XDG_CONFIG_HOME=$PWD/xdg" "$CHANCAT")" xdg
assert_eq "$(sender_of env "CHANCAT_CONFIG=$PWD/own" "$CHANCAT")" 'own file'
assert_eq "$(sender_of env "CHANCAT_CONFIG=$PWD/own" "$CHANCAT" --config other)" other
rm "$config/config"

test_case "the URL comes from the file, too, and flags are lines of their own"
printf 'url %s\nreceive\nlines 1\n' "$URL" >conf
run env -u CHANCAT_URL "$CHANCAT" --config conf t
assert_status 0
assert_lines out 1

test_case "a flag of the command line replaces its opposite in the file"
printf 'receive\n' >conf
run "$CHANCAT" --config conf -s t <<<'stored all the same'
assert_status 0
assert_has <("$CHANCAT" -n 1 t) 'stored all the same'

test_case "a wrong file is told by name and line"
printf 'sender x\nno-such-option 1\n' >conf
run "$CHANCAT" --config conf t
assert_status 2
assert_lines err 1
assert_has err 'conf.*2'
printf 'lines many\n' >conf
run "$CHANCAT" --config conf t
assert_status 2
run "$CHANCAT" --config missing t
assert_status 2
assert_lines err 1

test_case "the default file need not be there"
run "$CHANCAT" -n 1 t
assert_status 0
assert_empty err

test_case "what does not go together is one line and status 2"
while read -r -a arguments; do
    run "$CHANCAT" "${arguments[@]}"
    [ "$STATUS" = 2 ] || fail "status $STATUS, not 2: ${arguments[*]}"
    assert_lines err 1
    assert_has err '^chancat: '
    assert_empty out
done <<END
-r -s t
--receipts t
-r --receipts t
--idle 5 t
-s --idle 5 t
-s -f t
-s --no-echo t
-r -0 t
-r --json t
-s -n 5 t
-s -a 5 t
-s -c 5 t
-q -v t
--key $CHANCAT t
-n -1 t
-n 1.5 t
-n 99999999999999999999 t
-c 0 t
-a -1 t
-a x t
-i -1 t
-i x t
--idle 0 -f t
--retry-for never t
-n
-u
--lines= t
--follow=yes t
one two
-r
-s
-rf
--cacert /nowhere/file t
--cert /nowhere/file t
--token-file /nowhere/file t
END

test_case "an empty or wrong name is usage, not a request"
run "$CHANCAT" ''
assert_status 2
run "$CHANCAT" '   '
assert_status 2
run "$CHANCAT" -S ' ' -s t <<<'x'
assert_status 2
run "$CHANCAT" -s $'bad\xff' <<<'x'
assert_status 2

test_case "--help and --version print on stdout and end with 0"
run "$CHANCAT" --help
assert_status 0
assert_empty err
assert_has out '--retry-for'
run "$CHANCAT" -h
assert_status 0
run "$CHANCAT" --version
assert_status 0
assert_has <(head -n 1 out) '^chancat [0-9]'
run "$CHANCAT" -V
assert_status 0

test_case "a channel may follow -- and begin with a dash"
run "$CHANCAT" -s -- -dash <<<'x'
assert_status 0
run "$CHANCAT" -n 1 -- -dash
assert_lines out 1

test_case "-q silences warnings, not errors; -v says more"
printf 'bad \xff\n' >in
run "$CHANCAT" -s t <in
assert_lines err 1
run "$CHANCAT" -s -q t <in
assert_status 0
assert_empty err
run "$CHANCAT" -q -u http://127.0.0.1:1 --retry-for 0 t
assert_status 3
assert [ -s err ]
for level in -q --null -v; do # --null does nothing here
    start_fault 'GET * 1 status 500'
    run "$CHANCAT" $level t
    assert_status 0
    wc -l <err >"lines.$level"
    stop_fault
done
assert_file lines.-q 0
assert [ "$(cat lines.-v)" -gt "$(cat lines.--null)" ]
start_server
assert_not_has <(grep -v '^chancat: ' err) .

test_case "--text is for people, one line a message, nothing raw"
printf 'plain\0two\nlines\0esc \x1b[31m del \x7f c1 \xc2\x85 sep \xe2\x80\xa8 bidi \xe2\x80\xae x\0' >in
run "$CHANCAT" -s0 -S 'a<b>' text <in
run "$CHANCAT" --text text
assert_status 0
assert_lines out 3
assert_eq "$(head -n 1 out)" 'a<b>: plain'
assert_eq "$(sed -n 2p out)" 'a<b>: two\nlines'
assert_has out 'esc \\u001b\[31m del \\u007f c1 \\u0085 sep \\u2028 bidi \\u202e x'

test_case "hostile text never reaches stderr raw"
run "$CHANCAT" -s -j <<<$'{"channel":"\x1b[31m", oops \x1b[2J \xe2\x80\xae'
assert_status 4
assert_eq "$(tr -d '\n' <err | grep -c '[[:cntrl:]]')" 0 "control characters"
run "$CHANCAT" --config $'\x1b[31m' t
assert_status 2
assert_eq "$(tr -d '\n' <err | grep -c '[[:cntrl:]]')" 0 "control characters"

done_testing
