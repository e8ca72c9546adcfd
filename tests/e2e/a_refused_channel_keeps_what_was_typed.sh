#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A channel that the server refuses a moment after it was asked for is left again. What was begun
# for it goes to no other one unless whoever typed it has been told so.
. "$(dirname "$0")/lib.sh"
. "$ROOT/tests/term/lib.sh"
start_terminals

late_refusal() {
    start_fault 'GET /past?channel=secret 1 status 503 retry-after 1' \
        'GET /past?channel=secret * status 403' 'POST /send?channel=secret * status 403'
}

# Nobody who reads is quicker.
read_it() {
    sleep 0.6
}

stored() { # CHANNEL COUNT
    [ "$("$CHANCAT" -r -i 0.05 "$1" | wc -l)" -eq "$2" ]
}

test_case "on a plain terminal the next line is not sent, and said where it would go"
late_refusal
open_terminal p 100 24 env TERM=dumb "$CHANCAT" -S anna -i 0.05 ops
wait_until shows p '^This is ops'
type_text p '/channel secret'
press p Enter
wait_until shows p 'trying again'
type_text p 'for the few'
wait_until shows p '^-- ops --$'
type_text p ' who know'
press p Enter
wait_until shows p '^not sent: this is ops now; what is typed again is sent here: '
assert stored ops 0
read_it
type_text p 'for all'
press p Enter
wait_until stored ops 1
press p C-d
wait_until ends_with p 'status 0'
stop_fault

if ! "$CHANCAT" --version | grep -q Readline; then
    close_terminals
    done_testing
fi

test_case "a half-typed line stays, and Return alone does not send it to the channel before"
late_refusal
open_terminal a 100 24 "$CHANCAT" -S anna -i 0.05 ops
wait_until ends_with a 'ops>'
type_text a '/channel secret'
press a Enter
wait_until shows a 'trying again'
type_text a 'for the few'
wait_until shows a '^-- ops --$'
wait_until ends_with a 'ops> for the few'
type_text a ' who know'
press a Enter Enter
wait_until shows_times a '^not sent: this is ops now; Return sends it here$' 2
wait_until ends_with a 'ops> for the few who know'
assert stored ops 0
read_it
press a Enter
wait_until shows a '^hh:mm anna: for the few who know$'
type_text a 'and this at once'
press a Enter
wait_until shows a '^hh:mm anna: and this at once$'
press a C-d
wait_until ends_with a 'status 0'
stop_fault

test_case "what is begun afterwards goes where the prompt says, and the history is that channel's"
late_refusal
open_terminal b 100 24 "$CHANCAT" -S anna -i 0.05 ops
wait_until ends_with b 'ops>'
type_text b 'one'
press b Enter
wait_until shows b ': one$'
type_text b 'two'
press b Enter
wait_until shows b ': two$'
type_text b '/channel secret'
press b Enter
wait_until shows b '^-- ops --$'
wait_until ends_with b 'ops>'
press b Up Up Up
wait_until ends_with b 'ops> one'
post ops bob 'in between'
wait_until shows b 'in between'
press b Down
wait_until ends_with b 'ops> two'
press b Enter
wait_until shows_times b '^hh:mm anna: two$' 2
press b C-d
wait_until ends_with b 'status 0'
stop_fault

test_case "a search that goes on meanwhile ends, with what it had found to be edited"
late_refusal
echo 'typed for it once' >"$HOME/.local/state/chancat/history/secret"
open_terminal c 100 24 "$CHANCAT" -S anna -i 0.05 ops
wait_until ends_with c 'ops>'
type_text c '/channel secret'
press c Enter
wait_until shows c 'trying again'
press c C-r
type_text c 'once'
wait_until shows c '^(reverse-i-search)'
wait_until ends_with c 'ops> typed for it once'
press c C-u
type_text c 'free again'
press c Enter
wait_until ends_with c 'ops> free again'
press c C-u C-d
wait_until ends_with c 'status 0'
stop_fault

close_terminals
done_testing
