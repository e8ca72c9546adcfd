# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# lib.sh: chancat at terminals that a tmux server makes; for the scripts that have read
# tests/e2e/lib.sh.
#
#   start_terminals
#   open_terminal one 80 24 "$CHANCAT" -S anna ops     # `one` is its name from then on
#   type_text one 'hello'; press one Enter
#   wait_until shows one '^hh:mm anna: hello$'
#
# What a terminal shows is compared without what depends on the clock: times are written hh:mm, and
# date lines are left out. When its program has ended, "status N" stands below.

need tmux

_tmux() {
    tmux -u -S "$WORK/tmux" "$@"
}

start_terminals() {
    printf '%s\n' 'set -g exit-empty off' 'set -g status off' 'set -g escape-time 0' \
        'set -g history-limit 20000' 'set -g set-titles off' 'set -g allow-rename off' \
        'set -g remain-on-exit on' >"$WORK/tmux.conf"
    spawn tmux -D -u -f "$WORK/tmux.conf" -S "$WORK/tmux" >"$WORK/tmux.log" 2>&1
    # shellcheck disable=SC2034 # for scripts
    TMUX_PID=$SPAWNED
    wait_until test -S "$WORK/tmux"
}

# Scripts about the screen say so.
need_screen() {
    "$CHANCAT" --version | grep -q Readline || skip "this chancat has no readline"
}

# open_terminal NAME COLUMNS ROWS PROGRAM ARG...
open_terminal() {
    local name=$1 columns=$2 rows=$3
    shift 3
    # shellcheck disable=SC2016 # for the shell in there
    # LeakSanitizer may hang when a signal comes while a program ends; others look for leaks.
    _tmux new-session -d -s "$name" -x "$columns" -y "$rows" -e "CHANCAT_URL=${CHANCAT_URL:-}" \
        -e "ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0" \
        bash -c 'trap : INT; "$@"; echo "status $?"; exec cat' - "$@"
}

close_terminal() {
    _tmux kill-session -t "$1"
}

# The last thing in a script: all of them, and their programs may take a moment to end.
close_terminals() {
    local ttys
    ttys=$(_tmux list-panes -a -F '#{pane_tty}' | sed 's|^/dev/||' | paste -s -d ,)
    _programs=$([ -z "$ttys" ] || ps -o pid= -t "$ttys")
    _tmux kill-server
    wait_until programs_ended
}

# shellcheck disable=SC2317 # called by wait_until
programs_ended() {
    local pid
    for pid in $_programs; do
        gone "$pid" || return 1
    done
}

# tmux lets programs know a little later, and until then nobody can print in the right place.
resize_terminal() {
    _tmux resize-window -t "$1" -x "$2" -y "$3"
    wait_until has_size "$(_tmux display-message -p -t "$1" '#{pane_tty}')" "$3 $2"
}

has_size() {
    [ "$(stty -F "$1" size)" = "$2" ]
}

# Text as it is typed, and keys by name (Enter, Left, C-c).
type_text() {
    _tmux send-keys -t "$1" -l -- "$2"
}

press() {
    local name=$1
    shift
    _tmux send-keys -t "$name" "$@"
}

# Pasted as a terminal does it.
paste_text() {
    printf '%s' "$2" | _tmux load-buffer -b pasted -
    _tmux paste-buffer -p -d -b pasted -t "$1"
}

# What it shows, down to the last row that is not empty; with -a also what was scrolled out.
screen() {
    local from=()
    if [ "$1" = -a ]; then
        from=(-S -)
        shift
    fi
    _tmux capture-pane -p "${from[@]}" -t "$1" 2>&1 |
        sed -e 's/^[0-9][0-9]:[0-9][0-9] /hh:mm /' -e '/^-- [A-Z][a-z][a-z] .*[0-9]\{4\} --$/d' \
            -e 's/ *$//' | sed -e ':a' -e '/^\n*$/{$d;N;ba' -e '}'
}

# For wait_until: some row that it shows, or that was scrolled out, matches; none does.
shows() {
    screen -a "$1" | grep -q -e "$2"
}

shows_not() {
    ! shows "$1" "$2"
}

shows_times() {
    [ "$(screen -a "$1" | grep -c -e "$2")" = "$3" ]
}

# The last row is this.
ends_with() {
    [ "$(screen "$1" | tail -n 1)" = "$2" ]
}

# Column and row of the cursor, from 0.
cursor() {
    _tmux display-message -p -t "$1" '#{cursor_x},#{cursor_y}'
}

cursor_is() {
    [ "$(cursor "$1")" = "$2" ]
}

# assert_screen NAME: all that it shows is what stands on stdin.
assert_screen() {
    local wanted got
    wanted=$(cat)
    wait_until screen_is "$1" "$wanted" 2>/dev/null >&2 && return
    got=$(screen "$1")
    fail "$1 shows:
$got
  and not:
$wanted"
}

# shellcheck disable=SC2317 # called by wait_until
screen_is() {
    [ "$(screen "$1")" = "$2" ]
}
