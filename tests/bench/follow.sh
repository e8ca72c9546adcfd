# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# follow.sh: followers, which wait for messages.
#
# latency: from the reply that says a message is stored to its line in the pipe behind
# chancat -rf, which long-polls chancatd (latency.c); the line is often there first. The last row is
# the whole way of the message. Percentiles of each round, the medians of these.
#
# followers: many long polls on one chancatd, and one message to all (followers.c). Percentiles of
# each message, from before it is sent; the medians of these.
#
# idle: requests of a chancat -rf to which nothing comes, counted on the way through faultproxy:
# against chancatd (two long polls of 25 seconds are timed, and the hour is calculated) and for the
# same time against a plain server, where it asks every 2 seconds (the default). 150 requests an hour
# are 12 times less than 1,800.

LATENCY_MESSAGES=$(scaled 400 20)
FOLLOWERS=$(scaled 10000 20)
IDLE_SECS=$(scaled 5 1)
[ "$IDLE_SECS" -le 15 ] || IDLE_SECS=15

define latency.p50 ms - '<= 2' - - "message stored to line on a follower's stdout: p50"
define latency.p99 ms - '<= 20' - - "message stored to line on a follower's stdout: p99"
define latency.sent ms - '<= 20' - - "message sent to line on a follower's stdout: p99"

latency_round() {
    local channel=c$RANDOM$RANDOM # an empty one
    attend "$BENCH_BIN/latency" "$PORT" "$channel" "$LATENCY_MESSAGES" "$CHANCAT" -rf \
        -n all "$channel" >"$WORK/latency.out" 2>"$WORK/latency.err" || failed "$(tail -n 1 "$WORK/latency.err")" || return
    # shellcheck disable=SC2046
    sample latency $(sed -n 's/^stored //p' "$WORK/latency.out") \
        $(sed -n 's/^sent //p' "$WORK/latency.out")
}

bench_latency() {
    start_server
    rounds latency_round || return
    result latency.p50 "$(median latency)"
    result latency.p99 "$(median latency 2)"
    result latency.sent "$(median latency 5)"
}

define followers.p99 ms - '<= 250' - - "$FOLLOWERS followers, one message to all: p99"
define followers.memory kB - '<= 40' - - "$FOLLOWERS followers: memory of chancatd for each"
define followers.idle % - '<= 0.2' - - "$FOLLOWERS followers: CPU of chancatd while idle"

bench_followers() {
    start_server --max-connections $((FOLLOWERS + 64))
    attend "$BENCH_BIN/followers" "$PORT" "$SERVER_PID" c "$FOLLOWERS" "$ROUNDS" "$IDLE_SECS" \
        >"$WORK/followers.out" 2>"$WORK/followers.err" ||
        failed "$(tail -n 1 "$WORK/followers.err")" || return
    local followers row
    followers=$(sed -n 's/^followers //p' "$WORK/followers.out")
    if [ "$followers" -lt "$FOLLOWERS" ]; then
        say "only $followers followers: the limit of open files (ulimit -Hn)"
        for row in p99 memory idle; do
            WHAT[followers.$row]=${WHAT[followers.$row]/$FOLLOWERS/$followers}
        done
    fi
    sed -n 's/^fanout //p' "$WORK/followers.out" >"$SAMPLES/followers"
    result followers.p99 "$(median followers 2)"
    result followers.memory "$(calculate "$(sed -n 's/^memory //p' "$WORK/followers.out") * 1.024")"
    result followers.idle "$(sed -n 's/^idle //p' "$WORK/followers.out")"
}

define idle.wait /h less '>= 12' - 'a poll every 2 s' \
    'requests of an idle follower, chancatd'
define idle.plain /poll - '<= 1' - - 'requests of an idle follower, plain server: in 2 s'
define idle.connections '' - '<= 1' - - 'connections of an idle follower, either server'

# poll_times LOG PATTERN: when each poll began; the first GETs only look where to start.
poll_times() {
    grep ' get=' "$1" | grep -e "$2" | cut -d ' ' -f 1
}

# per_second FILE: how often, from the first to the last of the times in it.
per_second() {
    awk 'NR == 1 { first = $1 } { last = $1 }
        END { if (last > first) printf "%.6f", (NR - 1) / (last - first) }' "$1"
}

connections() {
    sed -n 's/.* conn=\([0-9]*\) .*/\1/p' "$1" | sort -u | wc -l
}

# shellcheck disable=SC2317 # called by wait_until
two_waits_are_over() {
    [ "$(poll_times "$1" 'wait=' | wc -l)" -ge 2 ]
}

bench_idle() {
    local wait_log plain_log a b
    [ "$(calculate "$SCALE >= 0.5")" = 1 ] || skipped 'it takes 51 s at any scale' || return
    start_server
    start_proxy "$PORT"
    wait_log=$PROXY_LOG
    spawn "$CHANCAT" -u "$URL" -rf c >/dev/null
    start_plain
    start_proxy "$PORT"
    plain_log=$PROXY_LOG
    spawn "$CHANCAT" -u "$URL" -rf c >/dev/null
    say 'counting for 51 s'
    WAIT_SECS=70 wait_until two_waits_are_over "$wait_log" || failed 'no long polls' || return
    poll_times "$wait_log" 'wait=' >"$WORK/waits"
    poll_times "$plain_log" 'last=' >"$WORK/polls"
    result idle.wait "$(calculate "3600 * $(per_second "$WORK/waits")")" \
        "$(calculate "3600 * $(per_second "$WORK/polls")")"
    result idle.plain "$(calculate "2 * $(per_second "$WORK/polls")")"
    a=$(connections "$wait_log") b=$(connections "$plain_log")
    result idle.connections $((a > b ? a : b))
}
