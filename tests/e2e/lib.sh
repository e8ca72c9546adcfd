# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# lib.sh: what every end-to-end script begins with:
#
#   . "$(dirname "$0")/lib.sh"
#   start_server
#   test_case "one line goes in and comes out"
#   run "$CHANCAT" -s t <<<'hello'
#   assert_status 0
#   done_testing
#
# test_case begins a case in a fresh directory; an assertion that fails is reported and the case
# goes on. done_testing ends the script with 0 or 1; a script that ends in any other way has
# failed. Whatever was started is ended and every file is removed at the end.
#
# Programs: CHANCAT, CHANCATD, FAULTD, FAULTPROXY (else those in build/default). Nothing of the
# caller's configuration reaches them: HOME and XDG_* are private, CHANCAT_* and proxies are unset.

set -u

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
: "${CHANCAT:=$ROOT/build/default/chancat}"
: "${CHANCATD:=$ROOT/build/default/chancatd}"
: "${FAULTD:=$ROOT/build/default/faultd}"
: "${FAULTPROXY:=$ROOT/build/default/faultproxy}"
CHANCAT=$(readlink -f "$CHANCAT")
CHANCATD=$(readlink -f "$CHANCATD")
FAULTD=$(readlink -f "$FAULTD")
FAULTPROXY=$(readlink -f "$FAULTPROXY")
SANITIZE=${SANITIZE:-}

WORK=$(mktemp -d "${TMPDIR:-/tmp}/e2e.XXXXXX") || exit 1
export HOME=$WORK/home LC_ALL=C.UTF-8 TZ=UTC LOGNAME=${LOGNAME:-tester}
mkdir "$HOME"
for _name in ${!CHANCAT_@} ${!XDG_@}; do
    unset "$_name"
done
unset _name http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY

# The longest anything is waited for; only what is broken takes so long, on the slowest machine.
WAIT_SECS=100
[ -z "$SANITIZE" ] || WAIT_SECS=250

STATUS=0 # of the last run or wait_for
CASE=
cases=0
failed_cases=0
case_failed=0
finished=0
server_number=0
at_end=() # functions that end what is no child of the script

# ---- processes ---------------------------------------------------------------------------------

# Runs "$@" in the background, its process id in $! and SPAWNED. Unlike a plain `&` in a script it
# keeps stdin and does not ignore SIGINT. Redirect the call: spawn prog <in >out 2>err
spawn() {
    set -m
    "$@" &
    SPAWNED=$!
    set +m
}

# The same with stdout going to the fifo $1; its reader opens it later.
spawn_to() {
    local fifo=$1
    shift
    # shellcheck disable=SC2016
    spawn bash -c 'fifo=$1; shift; exec "$@" >"$fifo"' - "$fifo" "$@"
}

# Runs "$@" to its end: stdout to the file out, stderr to err, the status to STATUS.
run() {
    timeout -k 5 "$((WAIT_SECS * 2))" "$@" >out 2>err
    STATUS=$?
}

# A zombie is gone: whoever should ask for its status may never do so.
alive() {
    local stat
    kill -0 "$1" 2>/dev/null && { read -r stat <"/proc/$1/stat"; } 2>/dev/null &&
        [[ ${stat##*) } != [ZX]* ]]
}

gone() {
    ! alive "$1"
}

# For wait_until: no signal is on its way to process $1 any more.
signals_taken() {
    ! grep -qs '^S[hi][dg]Pnd:.*[1-9a-f]' "/proc/$1/status"
}

# Waits until "$@" succeeds, looking every 20 ms. 1 when WAIT_SECS were not enough.
wait_until() {
    local until=$((SECONDS + WAIT_SECS))
    until "$@"; do
        if [ "$SECONDS" -ge "$until" ]; then
            fail "still waiting after $WAIT_SECS s for: $*"
            return 1
        fi
        sleep 0.02
    done
}

# Waits for the end of a spawned process and puts its status into STATUS. One that does not
# end is killed: status 137.
wait_for() {
    wait_until gone "$1" || kill -KILL "$1"
    wait "$1" 2>/dev/null
    STATUS=$?
}

# Ends a spawned process, quietly; what it had started is killed.
end_process() {
    local until=$((SECONDS + 30))
    kill -TERM -- "-$1" 2>/dev/null
    kill -CONT -- "-$1" 2>/dev/null
    while alive "$1"; do
        [ "$SECONDS" -lt "$until" ] || kill -KILL -- "-$1" 2>/dev/null
        sleep 0.02
    done
    kill -KILL -- "-$1" 2>/dev/null
    wait "$1" 2>/dev/null
}

# shellcheck disable=SC2317 # called by the trap
cleanup() {
    local status=$? pid hook
    trap - EXIT
    trap '' INT TERM HUP
    for pid in $(jobs -p); do
        end_process "$pid"
    done
    for hook in "${at_end[@]}"; do
        "$hook"
    done
    cd / || exit 1
    rm -rf "$WORK"
    if [ "$finished" = 0 ] && [ "$status" = 0 ]; then
        echo "FAIL: the script ended early, in: $CASE"
        status=1
    fi
    exit "$status"
}
exec </dev/null
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

# ---- servers -----------------------------------------------------------------------------------

# The two that fail on demand end while threads of theirs still do, which LeakSanitizer now and then
# waits for in vain.
FAULT_ENV=(env "ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0")

# Prints the URL after "listening on" once it is in file $2 and process $1 lives.
listening_url() {
    sed -n 's/^.*listening on \([^ ]*\).*$/\1/p' "$2" | head -n 1 | grep .
}

# shellcheck disable=SC2317 # called by wait_until
ready_or_gone() {
    gone "$1" || listening_url "$1" "$2" >/dev/null
}

# start_daemon ERRFILE PROG ARG...: URL and SPAWNED, or the end of the script.
start_daemon() {
    local log=$1
    shift
    : >"$log"
    spawn "$@" </dev/null >/dev/null 2>>"$log"
    wait_until ready_or_gone "$SPAWNED" "$log"
    if ! URL=$(listening_url "$SPAWNED" "$log"); then
        echo "FAIL: this does not start: $*"
        cat "$log"
        exit 1
    fi
    URL=${URL%/}
    # shellcheck disable=SC2034 # for the scripts
    PORT=${URL##*:}
    export CHANCAT_URL=$URL
}

# A chancatd on a free port with a database of its own, unless -l or -d say otherwise.
# Sets URL, PORT, SERVER_PID, SERVER_LOG, DATABASE (unless -d) and CHANCAT_URL.
start_server() {
    local listen=(-l 127.0.0.1:0) database=() argument
    server_number=$((server_number + 1))
    SERVER_LOG=$WORK/server.$server_number.log
    for argument in "$@"; do
        case $argument in
        -l* | --listen*) listen=() ;;
        -d* | --database*) database=(given) ;;
        esac
    done
    if [ ${#database[@]} = 0 ]; then
        DATABASE=$WORK/server.$server_number.db
        database=(-d "$DATABASE")
    else
        database=()
    fi
    start_daemon "$SERVER_LOG" "$CHANCATD" "${listen[@]}" "${database[@]}" "$@"
    SERVER_PID=$SPAWNED
}

# Ends it with SIGTERM, or signal $1.
stop_server() {
    kill -"${1:-TERM}" "$SERVER_PID" 2>/dev/null
    wait_for "$SERVER_PID"
}

# For wait_until: at least $1 requests wait for a message there.
server_waits() {
    [ "$(curl -sS "$URL/metrics" | sed -n 's/^chancatd_waiters //p')" -ge "$1" ]
}

# A fault server: arguments that begin with "-" are its options, the others the lines of
# its script (see faultd.c). Sets URL, PORT, FAULT_PID, FAULT_LOG and CHANCAT_URL.
start_fault() {
    local options=() argument
    server_number=$((server_number + 1))
    FAULT_LOG=$WORK/fault.$server_number.log
    : >"$FAULT_LOG"
    : >"$WORK/fault.$server_number.script"
    for argument in "$@"; do
        case $argument in
        -*) options+=("$argument") ;;
        *) printf '%s\n' "$argument" >>"$WORK/fault.$server_number.script" ;;
        esac
    done
    start_daemon "$WORK/fault.$server_number.err" "${FAULT_ENV[@]}" "$FAULTD" --log "$FAULT_LOG" \
        --script "$WORK/fault.$server_number.script" "${options[@]}"
    FAULT_PID=$SPAWNED
}

stop_fault() {
    end_process "$FAULT_PID"
}

# What the fault server holds back goes on.
release_fault() {
    curl -sS -X POST -o /dev/null --fail "$URL/fault/release"
}

# A fault proxy in front of the server on 127.0.0.1:$1; the other arguments are its options (see
# faultproxy.c). Sets URL, PORT, PROXY_PID, PROXY_LOG and CHANCAT_URL.
start_proxy() {
    local upstream=$1
    shift
    server_number=$((server_number + 1))
    PROXY_LOG=$WORK/proxy.$server_number.log
    : >"$PROXY_LOG"
    start_daemon "$WORK/proxy.$server_number.err" "${FAULT_ENV[@]}" "$FAULTPROXY" --upstream "127.0.0.1:$upstream" \
        --log "$PROXY_LOG" "$@"
    PROXY_PID=$SPAWNED
}

stop_proxy() {
    end_process "$PROXY_PID"
}

# For wait_until: no request is parked any more in the proxy with this URL.
none_parked() {
    [ "$(curl -sS "$1/proxy/parked")" = 0 ]
}

# How many requests of the fault server's log match the pattern; with a second one: at least N?
logged() {
    local n
    n=$(grep -c -e "$1" "$FAULT_LOG")
    if [ $# -gt 1 ]; then
        [ "$n" -ge "$2" ]
    else
        echo "$n"
    fi
}

# post CHANNEL SENDER CONTENT: one message straight to the server.
post() {
    curl -sS -o /dev/null --fail "$CHANCAT_URL/send" --data-urlencode "channel=$1" \
        --data-urlencode "sender=$2" --data-urlencode "content=$3"
}

# put CHANNEL [ELEMENT]: the bytes (or stdin's) become an element of the fault server's replies.
put() {
    if [ $# -gt 1 ]; then
        printf '%s' "$2"
    else
        cat
    fi | curl -sS -o /dev/null --fail --data-binary @- "$CHANCAT_URL/fault/put?channel=$1"
}

# ---- skipping ----------------------------------------------------------------------------------

skip() {
    echo "SKIP: $*"
    finished=1
    exit 77
}

# Programs that the script cannot do without.
need() {
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || skip "$program is not installed"
    done
}

# ---- cases and assertions ----------------------------------------------------------------------

end_case() {
    [ -n "$CASE" ] || return 0
    if [ "$case_failed" = 0 ]; then
        echo "PASS: $CASE"
    else
        echo "FAIL: $CASE"
        failed_cases=$((failed_cases + 1))
    fi
    CASE=
}

# Begins a case named by a sentence; the working directory is a fresh one.
test_case() {
    end_case
    CASE=$1
    cases=$((cases + 1))
    case_failed=0
    mkdir "$WORK/case.$cases"
    cd "$WORK/case.$cases" || exit 1
    : >out
    : >err
}

# Prints the detail and where the script stood.
fail() {
    local i line=
    for ((i = 1; i < ${#BASH_SOURCE[@]}; i++)); do
        if [ "${BASH_SOURCE[i]##*/}" != lib.sh ]; then
            line=${BASH_LINENO[i - 1]}
            break
        fi
    done
    case_failed=1
    echo "  line $line: $*" | head -c 2000
    echo
    if [ -s err ]; then
        echo "  the end of stderr:"
        tail -n 5 err | cat -v | cut -c 1-300 | sed 's/^/    /'
    fi
}

# Ends the script: 0 when every case passed.
done_testing() {
    end_case
    finished=1
    echo "$cases cases, $failed_cases failed"
    [ "$failed_cases" = 0 ] && [ "$cases" -gt 0 ]
    exit
}

# assert CMD...: the command succeeds.
assert() {
    "$@" || fail "does not hold: $*"
}

# assert_eq GOT WANTED [WHAT]
assert_eq() {
    [ "$1" = "$2" ] || fail "${3:-value} is '$1', not '$2'"
}

# assert_status N: of the last run or wait_for.
assert_status() {
    [ "$STATUS" = "$1" ] || fail "status $STATUS, not $1"
}

# assert_file FILE WANTED: the whole text, but for newlines at its end.
assert_file() {
    local got
    got=$(cat "$1")
    [ "$got" = "$2" ] || fail "$1 holds '${got:0:600}', not '${2:0:600}'"
}

assert_same() {
    cmp -s "$1" "$2" || fail "$(diff "$1" "$2" | head -n 10)"
}

assert_empty() {
    [ ! -s "$1" ] || fail "$1 is not empty: $(head -c 300 "$1" | cat -v)"
}

assert_lines() {
    assert_eq "$(wc -l <"$1" | tr -d ' ')" "$2" "number of lines in $1"
}

# assert_has FILE REGEX: some line matches.
assert_has() {
    grep -q -e "$2" "$1" || fail "nothing in $1 matches '$2': $(head -c 300 "$1" | cat -v)"
}

assert_not_has() {
    ! grep -q -e "$2" "$1" || fail "$1 has '$2': $(grep -e "$2" "$1" | head -n 3 | cat -v)"
}

# For wait_until: file $1 has at least $2 lines; some line of file $1 matches $2.
lines() {
    [ -e "$1" ] && [ "$(wc -l <"$1")" -ge "$2" ]
}

has() {
    grep -q -e "$2" "$1" 2>/dev/null
}

# Every line is one JSON object, ids strictly ascending.
assert_stream() {
    jq -e -n 'reduce inputs as $m ({last: 0, good: true};
        if ($m | type) == "object" and ($m.id > .last) then .last = $m.id
        else .good = false end) | .good' "$1" >/dev/null 2>&1 ||
        fail "$1 is no stream of messages with ascending ids: $(head -c 300 "$1")"
    assert_eq "$(jq -c . "$1" | wc -l)" "$(wc -l <"$1")" "objects against lines in $1"
}

# The most memory (KiB resident) that process $1 has used so far; nothing when it is gone.
peak_kib() {
    sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB$/\1/p' "/proc/$1/status" 2>/dev/null
}
