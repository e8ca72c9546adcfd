# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# lib.sh: a crowd of writers and followers around many chancatd over one PostgreSQL (crowd.c), for
# the scripts that have read tests/e2e/lib.sh and tests/e2e/pg.sh.

: "${CROWD:=$ROOT/build/default/crowd}"
: "${UNLOCKED:=$ROOT/build/default/chancatd-without-locks}"
CROWD=$(readlink -f "$CROWD")
UNLOCKED=$(readlink -f "$UNLOCKED")
SERVERS=4 # of WRITERS connections each, store_pg.c: 16 transactions at a time
# Of server i, from 1 on.
PORTS=()
SERVER_PIDS=()
crowds=0 # the names of their channels differ

# start_one I: the server, on a free port or where it was before.
start_one() {
    start_server -d "$PG_URI" -l "127.0.0.1:${PORTS[$1]:-0}"
    PORTS[$1]=$PORT SERVER_PIDS[$1]=$SERVER_PID
}

start_servers() {
    local i
    PORTS=()
    for ((i = 1; i <= SERVERS; i++)); do
        start_one "$i"
    done
}

stop_servers() {
    local pid
    for pid in "${SERVER_PIDS[@]}"; do
        kill -TERM "$pid"
    done
    for pid in "${SERVER_PIDS[@]}"; do
        wait_for "$pid"
        [ "$STATUS" = 0 ] || fail "a chancatd ends with $STATUS"
    done
    SERVER_PIDS=()
}

# hold_open PERCENT MS: so many of the transactions that store messages stay open for up to MS
# milliseconds before they commit, behind the insert; it is the owner of the table who says so.
hold_open() {
    pg_sql "SET ROLE chancat;
        CREATE OR REPLACE FUNCTION chancat.hold_open() RETURNS trigger LANGUAGE plpgsql AS \$\$
        BEGIN
            IF random() * 100 < $1 THEN
                PERFORM pg_sleep(random() * $2 / 1000.0);
            END IF;
            RETURN NULL;
        END \$\$;
        CREATE OR REPLACE TRIGGER hold_open AFTER INSERT ON chancat.message
            FOR EACH STATEMENT EXECUTE FUNCTION chancat.hold_open()"
}

# run_crowd CHANNELS MESSAGES [OPTION...]: through all servers; out has what it found.
run_crowd() {
    crowds=$((crowds + 1))
    "$CROWD" -p "crowd$crowds-" -c "$1" -n "$2" "${@:3}" "${PORTS[@]}" >out 2>err
    STATUS=$?
}

# found WHAT [FILE]: a number in what a crowd found, in its output (out).
found() {
    grep '^acked' "${2:-out}" | grep -o "$1 [0-9]*" | cut -d ' ' -f 2
}
