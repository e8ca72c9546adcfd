# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# siege.sh: servers, their connections and PostgreSQL are killed while a crowd, two chancats that
# send and one that follows go on; after lib.sh of this directory.
#
# What is killed:
#
#   server       a chancatd gets kill -9, and is started again as by a service manager
#   connections  PostgreSQL ends some of the connections of all servers (pg_terminate_backend)
#   backend      a process of PostgreSQL that works for a server gets kill -9; PostgreSQL then ends
#                all others, and recovers
#   postgres     all processes of PostgreSQL get kill -9 at one moment; it is started again when
#                every server has said that it is unwell
#
# Nobody starts a chancatd again whose database was killed.

SIEGE=$WORK/siege # the files of the last siege
# shellcheck disable=SC2034 # for the scripts
KINDS=(server connections backend postgres)

url_of() {
    echo "http://127.0.0.1:${PORTS[$1]}"
}

# health_is STATUS: of every server.
health_is() {
    local i arguments=()
    for ((i = 1; i <= SERVERS; i++)); do
        arguments+=(-o /dev/null "$(url_of $i)/healthz")
    done
    [ "$(curl -s -Z -m 10 -w '%{http_code}\n' "${arguments[@]}" 2>/dev/null | uniq)" = "$1" ]
}

strike_server() {
    local i=$((RANDOM % SERVERS + 1))
    kill -KILL "${SERVER_PIDS[i]}"
    wait_for "${SERVER_PIDS[i]}"
    start_one $i
}

strike_connections() {
    pg_sql "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE application_name = 'chancatd' AND random() < 0.7" >/dev/null
}

strike_backend() {
    kill -KILL "$(pg_sql "SELECT pid FROM pg_stat_activity WHERE application_name = 'chancatd'
        ORDER BY query NOT ILIKE '%insert%' AND query NOT ILIKE 'commit', random() LIMIT 1")"
}

strike_postgres() {
    kill_postgres
    wait_until health_is 503
    "$PG_TOOL" start "$PG_DIR" || fail 'PostgreSQL does not start again'
}

# Lines for a chancat, some 50 a second, until the file $SIEGE/stop is there.
lines_until_stop() {
    local n=0
    until [ -e "$SIEGE/stop" ]; do
        n=$((n + 1))
        printf '%s-%07d some text\n' "$1" $n
        printf '%s-%07d some text\n' "$1" $n >&3
        sleep 0.02
    done 3>"$SIEGE/$1.sent"
}

# siege_sender NAME SERVER OPTION...: to the channel NAME.
siege_sender() {
    set +m
    lines_until_stop "$1" | "$CHANCAT" -q -u "$(url_of "$2")" -s --receipts --retry-for inf "${@:3}" \
        "$1" >"$SIEGE/$1.receipts" 2>"$SIEGE/$1.err"
}

so_far() {
    local n
    n=$(grep '^so far' "$SIEGE/crowd" | tail -n 1)
    echo "${n:-so far 0}" | cut -d ' ' -f 3
}

# For wait_until: the crowd has got on, so many messages more than $1.
got_on() {
    [ "$(so_far)" -ge $(($1 + 300)) ]
}

# sender_judge NAME: what became of its lines is in $SIEGE/NAME.verdict.
sender_judge() {
    "$CHANCAT" -q -u "$(url_of 1)" -r -n all "$1" >"$SIEGE/$1.stored"
    "$ROOT/tests/soak/oracle" "$SIEGE/$1.sent" "$SIEGE/$1.stored" >"$SIEGE/$1.verdict"
}

# siege KILLS KIND...: so many in turn, each after all has got on. STATUS 0: nobody ended badly;
# $SIEGE has crowd (its output), and of the senders $DIRECT and $OUTBOX sent, receipts, stored,
# verdict, and printed of the follower of $DIRECT.
siege() {
    local kills=$1 worst=0 i kind pids=() crowd follower
    shift
    rm -rf "$SIEGE"
    mkdir "$SIEGE"
    crowds=$((crowds + 1))
    DIRECT=direct$crowds OUTBOX=outbox$crowds
    spawn "$CROWD" -v -p "crowd$crowds-" -c 20 -b 20 "${PORTS[@]}" >"$SIEGE/crowd" 2>"$SIEGE/crowd.err"
    crowd=$SPAWNED
    spawn siege_sender "$DIRECT" 1
    pids+=("$SPAWNED")
    spawn siege_sender "$OUTBOX" 2 --outbox "$SIEGE/outbox"
    pids+=("$SPAWNED")
    spawn "$CHANCAT" -q -u "$(url_of 3)" -r -f -n all --retry-for inf "$DIRECT" \
        >"$SIEGE/$DIRECT.printed" 2>"$SIEGE/follower.err"
    follower=$SPAWNED
    wait_until got_on 0
    for ((i = 0; i < kills; i++)); do
        kind=$((i % $# + 1))
        "strike_${!kind}"
        wait_until got_on "$(so_far)" || break
    done
    : >"$SIEGE/stop"
    for i in "${pids[@]}"; do
        wait_for "$i"
        [ "$STATUS" -le "$worst" ] || worst=$STATUS
    done
    kill -TERM "$crowd"
    wait_for "$crowd"
    [ "$STATUS" -le "$worst" ] || worst=$STATUS
    sender_judge "$DIRECT"
    sender_judge "$OUTBOX"
    wait_until lines "$SIEGE/$DIRECT.printed" "$(wc -l <"$SIEGE/$DIRECT.stored")"
    kill -TERM "$follower"
    wait_for "$follower"
    STATUS=$worst
}
