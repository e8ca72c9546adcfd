#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A line that is typed and cannot be stored comes back to be edited, with the reason; a server that
# fails is told about once, and nothing that was typed meanwhile is lost.
. "$(dirname "$0")/lib.sh"
. "$ROOT/tests/term/lib.sh"
need_screen
start_terminals

test_case "a refused line comes back on the input line and can be sent after it was changed"
printf '{"error":"not in this tone"}' >refusal
start_fault "POST /send 1 status 400 body $PWD/refusal"
open_terminal a 160 24 "$CHANCAT" -S anna -i 0.05 ops
wait_until ends_with a 'ops>'
type_text a 'damn it'
press a Enter
wait_until shows a '^not sent: .*not in this tone'
wait_until ends_with a 'ops> damn it'
press a C-a
type_text a 'well, '
press a Enter
wait_until shows a '^hh:mm anna: well, damn it$'
wait_until ends_with a 'ops>'
press a C-d
wait_until ends_with a 'status 0'
stop_fault

test_case "what was meant for one channel does not come back on the prompt of another"
start_fault 'POST /send 1 held status 400'
open_terminal away 160 24 "$CHANCAT" -S anna -i 0.05 ops
wait_until ends_with away 'ops>'
type_text away 'only for ops'
press away Enter
type_text away '/channel dev'
press away Enter
wait_until shows away '^-- dev --'
release_fault
wait_until shows away '^not sent: to ops: .*: only for ops$'
wait_until ends_with away 'dev>'
press away C-d
wait_until ends_with away 'status 0'
stop_fault

test_case "a terminal that control-S has stopped does not keep the run from its end"
start_fault
# shellcheck disable=SC2016
open_terminal held 80 24 bash -c 'echo $$ >"$0"; exec "$@"' "$PWD/pid" "$CHANCAT" -S anna -i 0.05 ops
wait_until ends_with held 'ops>'
press held C-s
post ops bob 'into the void'
kill -TERM "$(cat pid)"
wait_until ends_with held 'status 143'
stop_fault

test_case "it goes to the history when something else is being typed"
start_fault 'POST /send 1 held normal' 'POST /send 2 status 400'
open_terminal b 160 24 "$CHANCAT" -S anna -i 0.05 ops
wait_until ends_with b 'ops>'
type_text b 'first'
press b Enter
type_text b 'second'
press b Enter
type_text b 'third, half'
wait_until ends_with b 'ops> third, half'
release_fault
wait_until shows b '^not sent: .*up arrow brings it back): second$'
wait_until ends_with b 'ops> third, half'
type_text b ' done'
press b Enter
wait_until shows b '^hh:mm anna: third, half done$'
press b Up Up
wait_until ends_with b 'ops> second'
press b Enter
wait_until shows b '^hh:mm anna: second$'
press b C-d
wait_until ends_with b 'status 0'
stop_fault

test_case "a line that is perhaps stored is told about, and is only in the history"
printf '{"id":1,"channel":"ops","sender":"x","content":"y","time":"2026-01-01T00:00:00Z"}' >other
start_fault "POST /send 1 body $PWD/other"
open_terminal c 160 24 "$CHANCAT" -S anna -i 0.05 --settle 0.2 ops
wait_until ends_with c 'ops>'
type_text c 'in doubt'
press c Enter
wait_until shows c '^perhaps sent: .*up arrow brings it back): in doubt$'
wait_until ends_with c 'ops>'
press c Up
wait_until ends_with c 'ops> in doubt'
press c C-u C-d
wait_until ends_with c 'status 0'
stop_fault

test_case "a server that is away is told about once, and once more when it is back"
start_server
port=$PORT
open_terminal d 160 24 "$CHANCAT" -S anna ops
wait_until ends_with d 'ops>'
stop_server
wait_until shows d '^chancat: .*trying again$'
type_text d 'one'
press d Enter
type_text d 'two'
press d Enter
type_text d 'thr'
start_server -l "127.0.0.1:$port" -d "$DATABASE"
wait_until shows d '^hh:mm anna: two$'
wait_until shows d 'answers again'
wait_until ends_with d 'ops> thr'
assert_eq "$("$CHANCAT" -r ops | jq -r .content | tr '\n' ' ')" 'one two '
assert_eq "$(screen -a d | grep -c '^chancat: [^"].*trying again$')" 1 'how often it is said'

test_case "the end with lines that cannot be sent tells how many, and keeps them in the history"
stop_server
wait_until shows_times d '^chancat: [^"].*trying again$' 2
press d C-u
type_text d 'too late'
press d Enter
press d C-d
wait_until shows_not d '^ops>'
press d C-c
wait_until ends_with d 'status 130'
assert shows d '1 line not known to be stored'
assert_has "$HOME/.local/state/chancat/history/ops" '^too late$'

test_case "with an outbox a line is safe as soon as it was typed, and goes when it can"
open_terminal e 160 24 bash -c 'echo $$ >"$0"; exec "$@"' "$PWD/pid" "$CHANCAT" -S anna \
    --outbox "$PWD/outbox" ops
wait_until shows e 'trying again'
for line in one two; do
    type_text e "outbox $line"
    press e Enter
done
both_wait() {
    [ "$(find outbox/new -type f ! -name '*.try' | wc -l)" = 2 ]
}
wait_until both_wait
start_server -l "127.0.0.1:$port" -d "$DATABASE"
wait_until shows e '^hh:mm anna: outbox two$'
press e C-d
wait_until ends_with e 'status 0'
assert_eq "$(find outbox/new -type f | wc -l)" 0 'what waits'
assert_eq "$("$CHANCAT" -r ops | jq -r .content | grep -c outbox)" 2

close_terminals
done_testing
