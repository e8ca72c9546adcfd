#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# However chancat ends, the shell behind it finds the terminal as it was.
. "$(dirname "$0")/lib.sh"
. "$ROOT/tests/term/lib.sh"
need_screen
start_fault
start_terminals
ulimit -c 0

# shellcheck disable=SC2016 # for the shell in there
with_pid='(echo $BASHPID >"$0"; exec "$@"); echo "ended $?"; stty -a'

# It has used no processor time since the last look.
stands_still() {
    local last=${used:-}
    used=$(awk '{ print $14 + $15 }' "/proc/$1/stat" 2>/dev/null)
    sleep 0.1
    [ "$used" = "$last" ]
}

test_case "Ctrl-\\ ends it at once"
open_terminal a 80 24 bash -c "$with_pid" "$PWD/pid" "$CHANCAT" -S anna ops
wait_until ends_with a 'ops>'
type_text a 'half'
wait_until ends_with a 'ops> half'
press a 'C-\'
wait_until shows a 'ended 131'
wait_until shows a ' icanon '
assert shows a ' echo '

test_case "a signal from elsewhere does, too"
open_terminal b 80 24 bash -c "$with_pid" "$PWD/pid" "$CHANCAT" -S anna ops
wait_until ends_with b 'ops>'
kill -QUIT "$(cat pid)"
wait_until shows b 'ended 131'
wait_until shows b ' icanon '

test_case "a second signal ends it while its terminal takes nothing"
open_terminal c 80 24 bash -c "$with_pid" "$PWD/pid" "$CHANCAT" -S anna ops
wait_until ends_with c 'ops>'
pid=$(cat pid)
kill -STOP "$TMUX_PID"
seq -f 'line %g of more than it holds' 8000 | "$CHANCAT" -s -S flood ops
wait_until stands_still "$pid"
kill -TERM "$pid"
kill -TERM "$pid"
wait_until gone "$pid"
kill -CONT "$TMUX_PID"
wait_until shows c 'ended 143'
wait_until shows c ' icanon '

close_terminals
done_testing
