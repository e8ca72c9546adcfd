#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A terminal that cannot have a screen (TERM=dumb, or a chancat without readline), and how much
# style there is on one that can.
. "$(dirname "$0")/lib.sh"
. "$ROOT/tests/term/lib.sh"
start_server
start_terminals

# What a program wrote to terminal $1, byte by byte, is in the file $1.bytes.
record() {
    _tmux pipe-pane -t "$1" "cat >>'$PWD/$1.bytes'"
}

plain=(env TERM=dumb)
"$CHANCAT" --version | grep -q Readline || plain=(env NO_COLOR=1)

test_case "without a screen lines are asked for, read, sent and shown all the same"
post ops bob 'hello there'
open_terminal a 80 24 bash -c 'read -r _; "$@"' - "${plain[@]}" "$CHANCAT"
record a
press a Enter
wait_until ends_with a 'Enter channel:'
type_text a 'ops'
press a Enter
wait_until ends_with a 'Enter your name:'
type_text a 'anna'
press a Enter
wait_until shows a '^hh:mm bob: hello there$'
type_text a 'good morning'
press a Enter
press a Enter
wait_until shows a '^Nothing sent!$'
post ops bob 'good morning, too'
wait_until shows a '^hh:mm bob: good morning, too$'
# Nothing orders what is typed and what is printed here, so each is waited for.
stored() { # CHANNEL COUNT
    [ "$("$CHANCAT" -r "$1" | wc -l)" -eq "$2" ]
}
type_text a '/channel dev'
press a Enter
wait_until shows a '^-- dev --$'
type_text a '//slash'
press a Enter
wait_until stored dev 1
type_text a '/name Anna'
press a Enter
wait_until shows a '^You are Anna.$'
type_text a 'in dev'
press a Enter
wait_until stored dev 2
type_text a '/nonsense'
press a Enter
wait_until shows a '^not sent: there is no such command'
press a C-d
wait_until ends_with a 'status 0'
assert_screen a <<'END'

Enter channel: ops
Enter your name: anna
Hello, anna!
This is ops. /help shows what else can be typed here.
hh:mm bob: hello there
good morning

Nothing sent!
hh:mm bob: good morning, too
/channel dev
-- dev --
//slash
/name Anna
You are Anna.
in dev
/nonsense
not sent: there is no such command; // sends a line that begins with a slash:
  /nonsense
status 0
END
assert_eq "$("$CHANCAT" -r dev | jq -r '"\(.sender): \(.content)"')" $'anna: /slash\nAnna: in dev'
wait_until has a.bytes 'status 0'
assert_eq "$(tr -cd '\033' <a.bytes | wc -c)" 0 'escape sequences'

test_case "Ctrl-C ends it"
open_terminal b 80 24 "${plain[@]}" "$CHANCAT" -S anna ops
wait_until shows b 'hello there'
press b C-c
wait_until shows b 'status 130$'

# styled NAME VARIABLE...: what a terminal with these variables is sent for a notice.
styled() {
    local name=$1
    shift
    open_terminal "$name" 80 24 bash -c 'read -r _; "$@"' - env "$@" "$CHANCAT" -S anna ops
    record "$name"
    press "$name" Enter
    wait_until shows "$name" '^This is ops'
    press "$name" C-c
    wait_until shows "$name" 'status 130'
    wait_until has "$name.bytes" 'status 130' # that is another program's work
}

if "$CHANCAT" --version | grep -q Readline; then
    test_case "notices are dim, unless NO_COLOR is set"
    styled c NO_COLOR=
    assert_has c.bytes $'\033\\[2mHello, anna!\033\\[22m'
    # A row that is wider than was thought loses its end, rather than going on below.
    assert_has c.bytes $'\033\\[?7l.*Hello, anna!'
    assert_eq "$(grep -o $'\033\\[?7l' c.bytes | wc -l)" \
        "$(grep -o $'\033\\[?7h' c.bytes | wc -l)" 'how often that is begun and ended'
    styled d NO_COLOR=1
    assert_has d.bytes 'Hello, anna!'
    assert_not_has d.bytes $'\033\\[2m'

    test_case "whatever the locale says, text is UTF-8"
    open_terminal e 80 24 env LC_ALL=C "$CHANCAT" -S anna ops
    wait_until ends_with e 'ops>'
    type_text e 'süß 日本'
    press e Left Left Left
    type_text e '!'
    wait_until ends_with e 'ops> süß! 日本'
    press e Enter
    wait_until shows e '^hh:mm anna: süß! 日本$'

    test_case "Ctrl-Z gives the terminal back, and fg brings the line back"
    open_terminal f 80 24 env PS1='$ ' bash --norc
    type_text f "$CHANCAT -S anna ops"
    press f Enter
    wait_until ends_with f 'ops>'
    type_text f 'half'
    press f C-z
    wait_until shows f 'Stopped'
    type_text f 'echo in the shell'
    press f Enter
    wait_until shows f '^in the shell$'
    type_text f 'fg'
    press f Enter
    wait_until ends_with f 'ops> half'
    type_text f ' and whole'
    press f Enter
    wait_until shows f '^hh:mm anna: half and whole$'
    press f C-d
    wait_until ends_with f '$'
fi

close_terminals
done_testing
