# shellcheck shell=bash disable=SC2034 # run and the others use what is set here
# SPDX-License-Identifier: MIT
#
# lib.sh: rows, samples and programs, for `run` and the files with the rows.
#
# A file with rows (read.sh, send.sh ...) defines each row once,
#
#   define GROUP.NAME UNIT BETTER TARGET NEEDS PEER WHAT
#
# BETTER is `less` or `more`, of the figures, or `-` when there is no peer; TARGET is for the ratio
# (how many times better than the peer), without a peer for the figure; NEEDS names programs the row
# cannot do without, joined by commas, or `-`. It has a function bench_GROUP that measures what is
# wanted() and calls result(), or returns 1 after skipped() or failed(). Each thing
# is measured by a small function that adds a sample; rounds() calls them in turn.

SAMPLES=$WORK/samples
mkdir "$SAMPLES"

declare -A UNIT BETTER TARGET NEEDS PEER WHAT # by row
declare -A RESULT                             # by row: OURS PEER RATIO VERDICT, or `- - - skipped: ...`
ROW_NAMES=()
GROUPS_KNOWN=()
count_met=0 count_missed=0 count_skipped=0 count_failed=0
REASON=

define() {
    local group=${1%%.*}
    [[ " ${GROUPS_KNOWN[*]} " == *" $group "* ]] || GROUPS_KNOWN+=("$group")
    ROW_NAMES+=("$1")
    UNIT[$1]=$2 BETTER[$1]=$3 TARGET[$1]=$4 NEEDS[$1]=$5 PEER[$1]=$6 WHAT[$1]=$7
}

say() {
    printf 'bench: %s\n' "$*" >&2
}

# ---- numbers -----------------------------------------------------------------------------------

# N times the scale, but at least MIN.
scaled() {
    awk -v n="$1" -v least="$2" -v scale="$SCALE" \
        'BEGIN { v = int(n * scale + 0.5); printf "%d", v < least ? least : v }'
}

# calculate EXPRESSION: of numbers, as awk reads it.
calculate() {
    awk "BEGIN { printf \"%.9g\", ($1) }"
}

# Three digits that matter; nothing stays `-`.
shown() {
    awk -v x="${1:--}" 'BEGIN {
        if (x == "-") print "-"
        else if (x >= 99.95 || x <= -99.95) printf "%.0f\n", x
        else if (x >= 9.995 || x <= -9.995) printf "%.1f\n", x
        else if (x >= 0.0995 || x <= -0.0995 || x == 0) printf "%.2f\n", x
        else printf "%.4f\n", x
    }'
}

# sample NAME VALUE...
sample() {
    local name=$1
    shift
    echo "$*" >>"$SAMPLES/$name"
}

# median NAME [COLUMN]
median() {
    awk -v column="${2:-1}" '{ print $column }' "$SAMPLES/$1" | sort -g |
        awk '{ v[NR] = $1 }
            END { if (NR) printf "%.9g", (v[int((NR + 1) / 2)] + v[int((NR + 2) / 2)]) / 2 }'
}

# ---- rows --------------------------------------------------------------------------------------

# The row's programs are there.
wanted() {
    [ -z "${RESULT[$1]:-}" ]
}

# result ROW OURS [PEER]: the figures of a row that is wanted.
result() {
    local ours=${2:-} peer=${3:--} ratio=- judged=$2 verdict
    wanted "$1" || return 0
    if [ -z "$ours" ] || [ -z "$peer" ]; then
        failed "$1 has no figure"
        return
    fi
    case ${BETTER[$1]} in
    less) ratio=$(calculate "$ours > 0 ? $peer / $ours : 0") ;;
    more) ratio=$(calculate "$peer > 0 ? $ours / $peer : 0") ;;
    esac
    [ "$ratio" = - ] || judged=$ratio
    judged=$(shown "$judged") # what is shown is what is judged
    verdict=missed
    [ "$(calculate "$judged ${TARGET[$1]}")" = 0 ] || verdict=met
    RESULT[$1]="$(shown "$ours") $(shown "$peer") $(shown "$ratio") $verdict"
}

# Why the rows of this group that have no result yet will not get one.
skipped() {
    REASON="skipped: $*"
    return 1
}

failed() {
    REASON="failed: $*"
    return 1
}

# Prints the programs of the list (a,b or -) that are not there. The server of PostgreSQL is wherever
# PG_TOOL finds it (tests/e2e/pg.sh).
missing() {
    local program
    for program in ${1//,/ }; do
        case $program in
        -) ;;
        postgres) "$PG_TOOL" bindir >/dev/null 2>&1 || printf '%s ' "$program" ;;
        *) command -v "$program" >/dev/null || printf '%s ' "$program" ;;
        esac
    done
}

# run_group GROUP: measures and prints all its rows.
run_group() {
    local row some=0 lacking
    for row in "${ROW_NAMES[@]}"; do
        [ "${row%%.*}" = "$1" ] || continue
        lacking=$(missing "${NEEDS[$row]}")
        if [ -n "$lacking" ]; then
            RESULT[$row]="- - - skipped: not installed: ${lacking% }"
        else
            some=1
        fi
    done
    REASON=
    [ "$some" = 0 ] || "bench_$1" || REASON=${REASON:-failed}
    for row in "${ROW_NAMES[@]}"; do
        [ "${row%%.*}" = "$1" ] || continue
        print_row "$row" "${RESULT[$row]:-- - - ${REASON:-failed}}"
    done
    end_all
}

# Numbers for the end.
count_verdict() {
    case $1 in
    met) count_met=$((count_met + 1)) ;;
    missed) count_missed=$((count_missed + 1)) ;;
    skipped*) count_skipped=$((count_skipped + 1)) ;;
    *) count_failed=$((count_failed + 1)) ;;
    esac
}

# ---- programs ----------------------------------------------------------------------------------

# Runs "$@" to its end. Unlike a command in the foreground it ends at once when this script has to.
attend() {
    spawn "$@"
    wait "$SPAWNED"
}

# costs NAME COMMAND...: samples WALL CPU PEAK FIRST of a command (see measure.c).
costs() {
    local name=$1
    shift
    attend "$BENCH_BIN/measure" "$SAMPLES/$name" "$@" || failed "status $? of: ${*:0:150}"
}

# wrk_rate NAME CONNECTIONS URL [SCRIPT]: samples requests a second, of WRK_THREADS threads.
WRK_THREADS=1
wrk_rate() {
    attend wrk -t"$WRK_THREADS" -c"$2" -d"${WRK_SECS}s" ${4:+-s "$4"} "$3" >"$WORK/wrk.out" 2>&1
    if grep -Eq 'Non-2xx|Socket errors' "$WORK/wrk.out" || ! grep -q '^Requests/sec' "$WORK/wrk.out"; then
        failed "wrk: $(grep -E 'Non-2xx|Socket errors|unable' "$WORK/wrk.out" | head -n 1)"
        return
    fi
    sample "$1" "$(sed -n 's/^Requests\/sec: *//p' "$WORK/wrk.out")"
}

# write_post_script FILE CHANNEL: makes wrk post a line like those of write_lines.
write_post_script() {
    cat >"$1" <<EOF
wrk.method = "POST"
wrk.body = "channel=$2&sender=bench&content=line+0000001+of+a+benchmark"
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
EOF
}

# write_lines FILE N
write_lines() {
    seq -f 'line %07.0f of a benchmark' "$2" >"$1"
}

# rounds FUNCTION...: calls one after the other, and again, ROUNDS times.
rounds() {
    local i function
    for ((i = 1; i <= ROUNDS; i++)); do
        for function in "$@"; do
            say "round $i of $ROUNDS: $function"
            "$function" || return
        done
    done
}

# A plain server (faultd, in memory; its log would cost time). Sets URL and PORT.
start_plain() {
    server_number=$((server_number + 1))
    start_daemon "$WORK/plain.$server_number.err" "$FAULTD" "$@"
}

# Ends whatever a group has started and removes its files, but for those of this script.
end_all() {
    local pid
    for pid in $(jobs -p); do
        end_process "$pid"
    done
    find "$WORK" -maxdepth 1 -type f -delete
}
