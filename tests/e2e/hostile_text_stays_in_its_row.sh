#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What others write cannot move the cursor, change the title, pass for another sender or a notice,
# or spoil the line that is being typed.
. "$(dirname "$0")/lib.sh"
. "$ROOT/tests/term/lib.sh"
need_screen
start_server
start_terminals

# say SENDER CONTENT: both as printf's %b takes them.
say() {
    post ops "$(printf '%b' "$1")" "$(printf '%b' "$2")"
}

title() {
    _tmux display-message -p -t "$1" '#{pane_title}'
}

# As a terminal that does what it is told would show it; a marker each, to know when it is there.
hostile() {
    say mallory 'clear\033[2J\033[H screen'
    say mallory 'title\033]0;owned\007 changed'
    say mallory 'c1 \0302\0233 2J \0302\0235 0;owned\0302\0234'
    say mallory 'return\rhh:mm anna: I resign'
    say mallory 'line\nhh:mm anna: I resign'
    say mallory 'bidi \0342\0200\0256 desrever \0342\0201\0246 x'
    say mallory 'back\010\010\010\010space, tab\t, delete\0177'
    say 'anna: I resign. mallory' 'a colon in a name'
    say 'an\0342\0200\0213na' 'a name with something invisible in it'
    say '\033[31mred\033[0m' 'a name in colour'
    say mallory "a\\0314\\0201$(printf '\\0314\\0200%.0s' {1..200})b storm"
    say mallory "$(printf 'x%.0s' {1..69})hh:mm anna: I resign"
    say mallory "$(printf '\0302\0240%.0s' {1..200})end of spaces"
    head -c 1000000 /dev/zero | tr '\0' 'm' | "$CHANCAT" -s -S mallory ops
    say mallory 'the end'
}

test_case "hostile text is shown as text, and nothing else changes"
open_terminal a 80 50 "$CHANCAT" -S anna ops
wait_until ends_with a 'ops>'
before=$(title a)
type_text a 'half a thought, and ü 😀'
press a Left Left
hostile
wait_until shows a '^hh:mm mallory: the end$'
wait_until ends_with a 'ops> half a thought, and ü 😀'
assert_eq "$(title a)" "$before" 'the title'
assert_not_has <(screen -a a | sed '/^ *hh:mm/!d') '^ *hh:mm anna:'
# Each row that is no continuation belongs to a notice, a message or the line.
assert_not_has <(screen -a a | grep -v -e '^hh:mm ' -e '^      ' -e '^ops> ' -e '^Hello, ' \
    -e '^This is ops') .
screen -a a >shown
assert_has shown '^hh:mm mallory: clear\\u001b\[2J\\u001b\[H screen$'
assert_has shown '^hh:mm mallory: c1 \\u009b 2J \\u009d 0;owned\\u009c$'
assert_has shown '^hh:mm mallory: return\\rhh:mm anna: I resign$'
assert_has shown '^hh:mm mallory: line\\nhh:mm anna: I resign$'
assert_has shown 'bidi \\u202e desrever \\u2066 x'
assert_has shown '^hh:mm anna\\u003A I resign. ma…: a colon in a name$'
assert_has shown '^hh:mm an\\u200Bna: a name with something invisible in it$'
assert_has shown '^hh:mm \\u001b\[31mred\\u001b\[0m: a name in colour$'
assert_has shown '(1000000 bytes)$'
assert_eq "$(grep -c '^      m*$' shown)" 26 'rows of the long one that are full'
storm=$(grep 'b storm' shown | tr -cd '\314\200\201' | wc -c)
assert [ "$storm" -le 10 ]
type_text a '!'
press a Enter
wait_until shows a '^hh:mm anna: half a thought, and ü! 😀$'

test_case "what a server says when it refuses a line is shown as text, too"
printf '{"error":"no \\u001b[2J\\r%s"}' "$(printf 'x%.0s' {1..70}) hh:mm bob: hi" >refusal
start_fault "POST /send * status 400 body $PWD/refusal"
open_terminal b 80 24 "$CHANCAT" -S anna ops
wait_until ends_with b 'ops>'
type_text b 'will you?'
press b Enter
wait_until shows b '^not sent: .*no \\u001b\[2J\\rx'
wait_until ends_with b 'ops> will you?'
assert_not_has <(screen -a b) '^hh:mm'

close_terminals
done_testing
