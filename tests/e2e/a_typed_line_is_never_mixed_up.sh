#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What is typed is what is sent, once and by itself: also when lines come back while somebody types,
# when a paste holds what looks like a command, and with keys that accept a line in other ways.
. "$(dirname "$0")/lib.sh"
. "$ROOT/tests/term/lib.sh"
need_screen
start_terminals

test_case "a line that comes back while somebody types on goes to the history"
start_fault
open_terminal a 100 24 "$CHANCAT" -S anna -i 0.05 ops
wait_until ends_with a 'ops>'
type_text a $'/nonsense\rnext'
wait_until shows a '^the line that came back is in the history'
wait_until ends_with a 'ops> next'
press a Enter
wait_until shows a '^hh:mm anna: next$'
press a Up Up
wait_until ends_with a 'ops> /nonsense'
press a C-u

test_case "and so it does when he pastes"
type_text a $'/nonsense\r\e[200~pasted\e[201~'
wait_until shows_times a '^the line that came back is in the history' 2
wait_until ends_with a 'ops> pasted'
press a C-u

test_case "but one can go on writing on it after having seen it"
type_text a '/nonsense'
press a Enter
wait_until ends_with a 'ops> /nonsense'
press a C-a C-d
type_text a 'much '
press a Enter
wait_until shows a '^hh:mm anna: much nonsense$'

test_case "Ctrl-O accepts a line as Return does, and a line is not sent as a comment"
type_text a 'shown once'
press a C-o
wait_until shows a '^hh:mm anna: shown once$'
wait_until ends_with a 'ops>'
assert_eq "$(screen -a a | grep -c 'shown once')" 1 'how often it is shown'
type_text a 'kept'
press a 'M-#'
type_text a ' here'
wait_until ends_with a 'ops> kept here'
press a C-u C-d
wait_until ends_with a 'status 0'
stop_fault

test_case "a pasted line that comes back does not become a command"
start_fault 'POST /send 1 status 400' 'POST /send 3 status 400'
open_terminal b 100 24 "$CHANCAT" -S anna -i 0.05 ops
wait_until ends_with b 'ops>'
paste_text b $'/quit\n'
press b Enter
wait_until ends_with b 'ops> //quit'
press b Enter
wait_until shows b '^hh:mm anna: /quit$'
paste_text b $'//two slashes\n'
press b Enter
wait_until ends_with b 'ops> ///two slashes'
press b Enter
wait_until shows b '^hh:mm anna: //two slashes$'
press b C-d
wait_until ends_with b 'status 0'

test_case "what was half typed when the terminal went away is kept, without a signal, too"
open_terminal c 80 24 bash -c 'trap "" HUP; echo $$ >"$0"; exec "$@"' "$PWD/pid" \
    "$CHANCAT" -S anna ops
wait_until ends_with c 'ops>'
paste_text c $'half a thought\nand half of another'
wait_until ends_with c 'and half of another'
close_terminal c
wait_until gone "$(cat pid)"
assert_eq "$(tail -n 2 "$HOME/.local/state/chancat/history/ops")" \
    $'half a thought\nand half of another'

test_case "a paste of 2,000 lines is sent whole and in order"
open_terminal d 80 24 "$CHANCAT" -S anna -i 0.05 big
wait_until ends_with d 'big>'
seq -f 'pasted line %g' 2000 >pasted
paste_text d "$(cat pasted)"
wait_until ends_with d 'pasted line 2000'
press d Enter
wait_until shows d '^hh:mm anna: pasted line 2000$'
"$CHANCAT" -r -n all big | jq -r .content >stored
assert_same stored pasted
wait_until ends_with d 'big>'
press d C-d
wait_until ends_with d 'status 0'

close_terminals
done_testing
