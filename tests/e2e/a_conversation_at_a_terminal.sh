#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# chancat at a terminal: what is asked, shown, typed, and what the keys do.
. "$(dirname "$0")/lib.sh"
. "$ROOT/tests/term/lib.sh"
need_screen
start_server
start_terminals

stored() {
    "$CHANCAT" -r -n all "$1" | jq -r '"\(.sender): \(.content)"'
}

test_case "channel and name are asked for, then come the past messages and a line to write on"
post ops bob 'hello there'
post ops carl 'and here'
open_terminal a 80 24 "$CHANCAT"
wait_until ends_with a 'Enter channel:'
press a Enter
wait_until ends_with a 'Enter channel:'
type_text a 'ops'
press a Enter
wait_until ends_with a 'Enter your name:'
type_text a 'anna'
press a Enter
wait_until ends_with a 'ops>'
assert_screen a <<'END'
Enter channel:
Enter channel: ops
Enter your name: anna
Hello, anna!
This is ops. /help shows what else can be typed here.
hh:mm bob: hello there
hh:mm carl: and here
ops>
END

test_case "what is typed is sent, and shown once, where it was stored"
type_text a 'good morning'
press a Enter
wait_until shows a '^hh:mm anna: good morning$'
assert_eq "$(screen -a a | grep -c 'good morning')" 1 'how often it is shown'
assert_eq "$(stored ops | tail -n 1)" 'anna: good morning'

test_case "a message that comes stands above the line that is typed, whose cursor stays"
type_text a 'bring the tea'
press a Left Left Left
wait_until cursor_is a 15,8
post ops bob 'what do you bring?'
wait_until shows a '^hh:mm bob: what do you bring?$'
wait_until ends_with a 'ops> bring the tea'
wait_until cursor_is a 15,9
type_text a 'green '
press a Enter
wait_until shows a '^hh:mm anna: bring the green tea$'

test_case "UTF-8 and emoji are typed, kept and moved over"
type_text a 'süß 😀 日本'
press a Left Left Left
post ops bob 'still there?'
wait_until shows a 'still there'
wait_until ends_with a 'ops> süß 😀 日本'
type_text a '!'
press a Enter
wait_until shows a '^hh:mm anna: süß 😀! 日本$'
assert_eq "$(stored ops | tail -n 1)" 'anna: süß 😀! 日本'

test_case "a line that has wrapped stays whole while messages come"
long=$(printf 'word%d ' {1..30})end
type_text a "$long"
wait_until shows a 'word30 end$'
press a C-a
post ops bob 'the first one'
wait_until shows a 'the first one'
post ops bob 'the second one'
wait_until shows a 'the second one'
typed_is() {
    [ "$(screen a | tail -n 4 | tr -d ' \n' | sed 's/.*secondone//')" = "ops>${1// /}" ]
}
wait_until typed_is "$long"
type_text a 'begin '
press a Enter
wait_until shows a '^hh:mm anna: begin word1 '
wait_until ends_with a 'ops>'
assert_eq "$(stored ops | tail -n 1)" "anna: begin $long"
assert_eq "$(screen -a a | grep -c 'word17')" 1 'how often it is shown'

test_case "an empty line is not sent"
press a Enter
wait_until shows a '^Nothing sent!$'
type_text a '   '
press a Enter
wait_until shows_times a '^Nothing sent!$' 2

test_case "commands are obeyed, completed by Tab, and // sends a slash"
type_text a '/he'
press a Tab Enter
wait_until shows a '^/channel NAME '
type_text a '/nonsense'
press a Enter
wait_until shows a 'there is no such command'
wait_until ends_with a 'ops> /nonsense'
press a C-c
wait_until ends_with a 'ops>'
type_text a '//etc is a directory'
press a Enter
wait_until shows a '^hh:mm anna: /etc is a directory$'
type_text a '/name Anna-Lena'
press a Enter
wait_until shows a '^You are Anna-Lena.$'
type_text a 'car'
press a Tab
wait_until ends_with a 'ops> carl:'
type_text a 'it is me'
press a Enter
wait_until shows a '^hh:mm Anna-Lena: carl: it is me$'

test_case "another channel is shown, with what was typed going where it was meant to go"
post dev dora 'already here'
type_text a 'the last one'
press a Enter
type_text a '/channel dev'
press a Enter
wait_until ends_with a 'dev>' # a line that is begun before is not sent unasked
type_text a 'the first one here'
press a Enter
wait_until shows a '^hh:mm Anna-Lena: the first one here$'
assert_eq "$(stored dev | tail -n 1)" 'Anna-Lena: the first one here'
assert_eq "$(stored ops | tail -n 1)" 'Anna-Lena: the last one'
post ops bob 'while you were away'
type_text a '/channel '
type_text a 'o'
press a Tab
wait_until ends_with a 'dev> /channel ops'
press a Enter
wait_until shows a '^hh:mm bob: while you were away$'
assert_eq "$(screen -a a | grep -c 'while you were away')" 1 'how often it is shown'
assert_eq "$(screen -a a | grep -c 'the last one$')" 1 'how often the last one is shown'
assert_eq "$(screen -a a | grep -c 'hello there')" 1 'the past is not shown again'

test_case "the history belongs to the channel and is there the next time, for nobody else"
type_text a 'remember this'
press a Enter
wait_until shows a ': remember this$'
type_text a '/channel dev'
press a Enter
wait_until ends_with a 'dev>'
press a Up
wait_until ends_with a 'dev> /channel ops'
press a C-c
type_text a '/quit'
press a Enter
wait_until ends_with a 'status 0'
open_terminal b 80 24 "$CHANCAT" -S anna ops
wait_until ends_with b 'ops>'
press b Up Up
wait_until ends_with b 'ops> remember this'
assert_eq "$(stat -c %a "$HOME/.local/state/chancat/history/ops")" 600 'the mode of the file'
assert_eq "$(stat -c %a "$HOME/.local/state/chancat/history")" 700 'and of its directory'

test_case "Ctrl-C empties the line and, when it is empty, ends the run by its signal"
press b C-c
wait_until ends_with b 'ops>'
press b C-c
wait_until ends_with b 'status 130'

test_case "Ctrl-D deletes within a line and ends the run on an empty one"
open_terminal c 80 24 "$CHANCAT" -S anna ops
wait_until ends_with c 'ops>'
type_text c 'xy'
press c C-a C-d
wait_until ends_with c 'ops> y'
press c C-d
wait_until ends_with c 'ops>'
type_text c 'sent before the end'
press c Enter C-d
wait_until ends_with c 'status 0'
assert shows c '^hh:mm anna: sent before the end$'
assert_eq "$(stored ops | tail -n 1)" 'anna: sent before the end'

test_case "what was half typed when a signal ends the run is not sent, but kept in the history"
open_terminal d 80 24 bash -c 'echo $$ >"$0"; exec "$@"' "$PWD/pid" "$CHANCAT" -S anna ops
wait_until ends_with d 'ops>'
type_text d 'half a thought'
wait_until ends_with d 'ops> half a thought'
kill -TERM "$(cat pid)"
wait_until ends_with d 'status 143'
assert_eq "$(tail -n 1 "$HOME/.local/state/chancat/history/ops")" 'half a thought'
assert_eq "$(stored ops | tail -n 1)" 'anna: sent before the end'

test_case "what is typed before the program has started is sent"
open_terminal t 80 24 bash -c 'until [ -e "$0" ]; do sleep 0.05; done; exec "$@"' "$PWD/now" \
    "$CHANCAT" -S anna ops
type_text t 'typed ahead'
press t Enter
wait_until shows t '^typed ahead$'
touch now
wait_until shows t '^hh:mm anna: typed ahead$'
press t C-d
wait_until ends_with t 'status 0'

test_case "lines that are pasted wait for Enter and go one by one"
open_terminal e 80 24 "$CHANCAT" -S anna ops
wait_until ends_with e 'ops>'
paste_text e $'one\n/quit\nthree'
wait_until ends_with e 'three'
press e Enter
wait_until shows e '^hh:mm anna: three$'
assert_eq "$(stored ops | tail -n 3)" $'anna: one\nanna: /quit\nanna: three'
press e C-d
wait_until ends_with e 'status 0'

test_case "a search of the history goes on while messages come"
open_terminal s 80 24 "$CHANCAT" -S anna -n 0 ops
wait_until ends_with s 'ops>'
press s C-r
type_text s 'this'
wait_until ends_with s "(reverse-i-search)\`this': remember this"
post ops bob 'in the middle of a search'
wait_until shows s '^hh:mm bob: in the middle of a search$'
wait_until ends_with s "(reverse-i-search)\`this': remember this"
press s Enter
wait_until shows s '^hh:mm anna: remember this$'
press s C-d
wait_until ends_with s 'status 0'

test_case "a terminal that goes away ends the run, and what was half typed is not sent"
open_terminal g 80 24 bash -c 'echo $$ >"$0"; exec "$@"' "$PWD/pid" "$CHANCAT" -S anna ops
wait_until ends_with g 'ops>'
type_text g 'not sent'
wait_until ends_with g 'ops> not sent'
close_terminal g
wait_until gone "$(cat pid)"
assert_eq "$(stored ops | tail -n 1)" 'anna: remember this'

test_case "a cursor file goes on being about the channel it was made for"
open_terminal h 80 24 "$CHANCAT" -S anna --cursor-file "$PWD/cursor" ops
wait_until ends_with h 'ops>'
type_text h '/channel dev'
press h Enter
wait_until shows h '^-- dev --$'
type_text h 'only in dev'
press h Enter
wait_until shows h '^hh:mm anna: only in dev$'
type_text h '/quit'
press h Enter
wait_until ends_with h 'status 0'
post ops bob 'after that'
run "$CHANCAT" -r --cursor-file cursor ops
assert_status 0
assert_eq "$(jq -r .content out)" 'after that'
stop_server

test_case "a channel that the server refuses is left again"
start_fault 'GET /past?channel=secret * status 403' 'POST /send?channel=secret * status 403'
open_terminal i 80 24 "$CHANCAT" -S anna -i 0.05 ops
wait_until ends_with i 'ops>'
type_text i '/channel secret'
press i Enter
wait_until shows i '403'
wait_until ends_with i 'ops>'
type_text i 'still here'
press i Enter
wait_until shows i '^hh:mm anna: still here$'
press i C-d
wait_until ends_with i 'status 0'

close_terminals
done_testing
