# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# cluster.sh: one, two and three chancatd over one PostgreSQL, whose commits are durable.
#
# one, many, batches: messages that are stored in a second, of plain POSTs to one channel, of plain
# POSTs to CLUSTER_CHANNELS, and of POSTs of CLUSTER_LINES lines each to as many (wrk; the connections
# are in all, shared out among the servers). pgbench does the same in transactions of the same size
# over as many connections as these servers write through (4 each), in turn with them, in the same
# table: settings; the locks; as many numbers of the sequence; one insert of all rows; commit. As
# chancatd it waits for what the server answers as seldom as it can (with its pipelines three times
# for a transaction, chancatd twice), and it leaves nothing prepared from one transaction to the next
# (-M prepared). The size is the mean of chancatd's in the same round, from its /metrics.
#
# apart: from the reply of one chancatd, which says that a message is stored, to its line in the pipe
# behind a chancat -rf, which long-polls another one (latency.c, see follow.sh).

CLUSTER_CHANNELS=500
CLUSTER_LINES=100
CLUSTER_WRITERS=4 # of each chancatd
CLUSTER_SIZES='1 2 3'
# How long pgbench runs. In a quick look, which is not about figures, nothing waits for the disk.
PGBENCH_RUN=(-T "$WRK_SECS")
PG_SETTINGS=()
if [ "$(calculate "$SCALE < 0.1")" = 1 ]; then
    PGBENCH_RUN=(-t 5)
    PG_SETTINGS=(-c fsync=off)
fi
APART_MESSAGES=$(scaled 300 20)

# define_shared GROUP WHAT
define_shared() {
    local servers
    for servers in $CLUSTER_SIZES; do
        define "$1.$servers" /s more '>= 0.8' wrk,curl,pgbench,postgres \
            "pgbench -c $((CLUSTER_WRITERS * servers))" "$2, $servers chancatd"
    done
}

define_shared one 'POSTs, one channel, PostgreSQL'
define_shared many "POSTs, $CLUSTER_CHANNELS channels, PostgreSQL"
define_shared batches "lines in batches of $CLUSTER_LINES, PostgreSQL"
define apart.p50 ms - '<= 15' postgres - "stored to line behind another chancatd: p50"
define apart.p99 ms - '<= 100' postgres - "stored to line behind another chancatd: p99"

# start_cluster N: sets cluster_urls and cluster_ports.
start_cluster() {
    local i
    "$CHANCATD" -V | grep -q 'libpq/' || skipped 'chancatd was built without libpq' || return
    cluster_urls=() cluster_ports=()
    start_postgres "${PG_SETTINGS[@]}"
    for ((i = 0; i < $1; i++)); do
        start_server -d "$PG_URI"
        cluster_urls+=("$URL") cluster_ports+=("$PORT")
    done
}

# with_cluster N FUNCTION...: with N servers, which then are ended, and PostgreSQL after them.
with_cluster() {
    local cluster_urls cluster_ports status=0
    start_cluster "$1" || return
    shift
    "$@" || status=1
    end_all
    "$PG_TOOL" stop "$PG_DIR" && rm -rf "${PG_DIR:?}"/* # its next start makes an empty one
    return "$status"
}

# ---- chancatd ----------------------------------------------------------------------------------

# write_cluster_script FILE PATH TYPE LUA: each thread of wrk posts to a server of its own. LUA sets
# body, of message or messages to the channel `name`.
write_cluster_script() {
    cat >"$1" <<EOF
local ports, threads, requests = {${cluster_ports[*]/%/,}}, 0, {}
function setup(thread)
    threads = threads + 1
    thread.addr = wrk.lookup("127.0.0.1", tostring(ports[threads]))[1]
    thread:set("seed", threads)
end
function init(args)
    math.randomseed(seed)
    for i = 1, $channels do
        local name, body = "c" .. i
        $4
        requests[i] = wrk.format("POST", "$2", {["Content-Type"] = "$3"}, body)
    end
end
function request()
    return requests[math.random($channels)]
end
EOF
}

write_posts_script() {
    write_cluster_script "$1" /send application/x-www-form-urlencoded \
        'body = "channel=" .. name .. "&sender=bench&content=line+0000001+of+a+benchmark"'
}

write_batches_script() {
    # shellcheck disable=SC2028
    write_cluster_script "$1" /batch application/x-ndjson '
        local form = [[{"channel":"%s","sender":"bench","content":"line 0000001 of a benchmark"}]]
        body = (form:format(name) .. "\n"):rep('"$each)"
}

# Prints how many messages the first $servers have stored and in how many transactions.
cluster_counts() {
    local url
    for url in "${cluster_urls[@]:0:servers}"; do
        curl -sS "$url/metrics"
    done | awk '
        $1 == "chancatd_messages_stored_total" { messages += $2 }
        $1 == "chancatd_commit_seconds_count" { commits += $2 }
        END { printf "%d %d\n", messages, commits }'
}

# shared_chancatd: samples the messages a second and the mean size of a transaction.
shared_chancatd() {
    local before size name=$group.$servers.chancatd
    before=$(cluster_counts)
    WRK_THREADS=$servers wrk_rate "$name.requests" "$connections" "${cluster_urls[0]}" \
        "$WORK/cluster.lua" || return
    size=$(awk '{ if ($4 > $2) printf "%.0f", ($3 - $1) / ($4 - $2) }' \
        <<<"$before $(cluster_counts)")
    [ -n "$size" ] || failed 'chancatd has stored nothing' || return
    sample "$name" "$(calculate "$(tail -n 1 "$SAMPLES/$name.requests") * $each")" "$size"
}

# ---- pgbench -----------------------------------------------------------------------------------

# write_pgbench_script FILE SIZE: a transaction as chancatd's, $each rows of a channel. The channels
# are those of the writer's share, as in chancatd, of which writers do not wait for each other.
write_pgbench_script() {
    local size=$2 step=$CLUSTER_WRITERS most=$((channels / CLUSTER_WRITERS)) locked
    locked=$(((size + each - 1) / each))
    [ "$locked" -le "$most" ] || locked=$most
    if [ "$channels" = 1 ]; then
        locked=1
        echo '\set first 0'
    else
        echo "\\set first mod(:client_id, $step) + $step * random(0, $((most - locked)))"
    fi >"$1"
    cat >>"$1" <<EOF
\\set last :first + $((step * (locked - 1)))
\\startpipeline
BEGIN;
SELECT set_config('lock_timeout', '5000', true),
    set_config('idle_in_transaction_session_timeout', '10s', true);
SELECT pg_advisory_xact_lock_shared(7163082334259211379);
SELECT pg_advisory_xact_lock(k) FROM generate_series(:first::bigint, :last::bigint, $step) AS k;
\\endpipeline
SELECT array_agg(nextval('chancat.message_id')) AS ids,
    array_agg(:first::bigint + $step * (i / $each % $locked)) AS keys,
    max(floor(extract(epoch FROM clock_timestamp()))::bigint) AS now
    FROM generate_series(0, $((size - 1))) AS i
\\gset
\\startpipeline
INSERT INTO chancat.message (channel_key, id, channel, sender, content, time)
    SELECT r.k, r.i, r.c, r.s, r.t, :now::bigint
    FROM unnest(:keys::bigint[], :ids::bigint[], :channels::bytea[], :senders::bytea[],
        :contents::bytea[]) AS r (k, i, c, s, t);
COMMIT;
\\endpipeline
EOF
}

# array N TEXT: as PostgreSQL reads it.
array() {
    awk -v n="$1" -v text="$2" 'BEGIN {
        printf "{"
        for (i = 1; i <= n; i++) printf "%s\"%s\"", (i > 1 ? "," : ""), text
        printf "}"
    }'
}

# shared_pgbench: samples the rows a second, in transactions of the size that chancatd had just now.
shared_pgbench() {
    local size tps
    size=$(tail -n 1 "$SAMPLES/$group.$servers.chancatd" | cut -d ' ' -f 2)
    write_pgbench_script "$WORK/pgbench.sql" "$size"
    attend pgbench -n -M prepared -f "$WORK/pgbench.sql" "${PGBENCH_RUN[@]}" \
        -c $((CLUSTER_WRITERS * servers)) -j "$servers" -D channels="$(array "$size" c100)" \
        -D senders="$(array "$size" bench)" \
        -D contents="$(array "$size" 'line 0000001 of a benchmark')" \
        "$PG_URI" >"$WORK/pgbench.out" 2>"$WORK/pgbench.err" ||
        failed "pgbench: $(tail -n 1 "$WORK/pgbench.err")" || return
    tps=$(sed -n 's/^tps = \([0-9.]*\) .*/\1/p' "$WORK/pgbench.out")
    [ -n "$tps" ] || failed 'pgbench has no figure' || return
    sample "$group.$servers.pgbench" "$(calculate "$tps * $size")"
}

# compare_shared KIND: with `group`, `channels`, `connections`, `each` (messages of a request).
compare_shared() {
    local servers name size
    "write_$1_script" "$WORK/cluster.lua"
    for servers in $CLUSTER_SIZES; do
        rounds shared_chancatd shared_pgbench || return
        name=$group.$servers
        size=$(median "$name.chancatd" 2)
        PEER["$name"]+=", ${size%.*} rows each"
        result "$name" "$(median "$name.chancatd")" "$(median "$name.pgbench")"
    done
}

bench_one() {
    local group=one channels=1 connections=64 each=1
    with_cluster 3 compare_shared posts
}

bench_many() {
    local group=many channels=$CLUSTER_CHANNELS connections=64 each=1
    with_cluster 3 compare_shared posts
}

bench_batches() {
    local group=batches channels=$CLUSTER_CHANNELS connections=16 each=$CLUSTER_LINES
    with_cluster 3 compare_shared batches
}

# ---- followers ---------------------------------------------------------------------------------

apart_round() {
    local channel=c$RANDOM$RANDOM # an empty one
    attend "$BENCH_BIN/latency" "${cluster_ports[0]}" "$channel" "$APART_MESSAGES" "$CHANCAT" \
        -u "${cluster_urls[1]}" -rf -n all "$channel" >"$WORK/latency.out" 2>"$WORK/latency.err" ||
        failed "$(tail -n 1 "$WORK/latency.err")" || return
    # shellcheck disable=SC2046
    sample apart $(sed -n 's/^stored //p' "$WORK/latency.out")
}

compare_apart() {
    rounds apart_round || return
    result apart.p50 "$(median apart)"
    result apart.p99 "$(median apart 2)"
}

bench_apart() {
    with_cluster 2 compare_apart
}
