# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# lib.sh: delivery through the fault proxy, for the scripts that have read tests/e2e/lib.sh.
#
# A lane is one `chancat -s` that sends its own lines to its own channel through its own proxy.
# Everything about it is in files $LANES/NAME.*:
#
#   sent       the lines, "NAME-000001 text"; or all "same" (identical lanes)
#   receipts   what chancat printed: the messages it believes stored
#   err        its stderr
#   proxy      the proxy's log
#   stored     what the server holds at the end
#   verdict    what the oracle says
#
# The scripts set SERVER (port) and SERVER_URL of the real server before start_lane, and may set:

SETTLE=2       # chancat's --settle
PARK_MAX=0.8   # the longest a parked request waits, so much before --settle is over ...
PARK_KEYS=4    # ... and with keys, which must do without such a limit
HANG=0.3       # how long a hanging reply hangs
GET_FAULTS=10  # percent
RETRY_FOR=inf
LANES=$WORK/lanes
mkdir "$LANES"
declare -A LANE_PID LANE_PROXY LANE_URL LANE_SERVER

# The mixes: name, server (keys: one that knows idempotency keys, plain: one that does not), lines
# written at a time (0: as fast as they go), weights. A server with keys is given its lines one by
# one or a few at a time, or all would be one request. What is called outbox... sends out of one.
mixes() {
    cat <<'END'
before  plain 0 pass:84,reset-before:8,error-before:8
after   plain 0 pass:80,forward-reset:5,forward-cut:5,status-only:5,error-after:5
hang    plain 0 pass:90,forward-hang:10
stale   plain 0 pass:84,stale-fin:8,stale-rst:8
parked  plain 0 pass:84,park-reset:8,park-close:8
all     plain 0 pass:78,reset-before:2,error-before:2,forward-reset:2,forward-hang:2,forward-cut:2,status-only:2,error-after:2,stale-fin:2,stale-rst:2,park-reset:2,park-close:2
keys    keys  1 pass:67,reset-before:3,error-before:3,forward-reset:3,forward-hang:3,forward-cut:3,status-only:3,error-after:3,stale-fin:3,stale-rst:3,park-reset:3,park-close:3
outbox  keys  7 pass:56,reset-before:4,error-before:4,forward-reset:4,forward-hang:4,forward-cut:4,status-only:4,error-after:4,stale-fin:4,stale-rst:4,park-reset:4,park-close:4
batches keys  7 pass:56,reset-before:4,error-before:4,forward-reset:4,forward-hang:4,forward-cut:4,status-only:4,error-after:4,stale-fin:4,stale-rst:4,park-reset:4,park-close:4
END
}

# A fresh server of the kind that a mix is for: SERVER and SERVER_URL.
start_mix_server() {
    case $1 in
    plain) start_server --plain ;;
    keys) start_server ;;
    esac
    SERVER=$PORT SERVER_URL=$URL
}

# start_mix_lane LANE MIX-LINE SEED: a lane under a line of mixes.
start_mix_lane() {
    local kind burst weights park=$PARK_MAX
    read -r _ kind burst weights <<<"$2"
    [ "$kind" = plain ] || park=$PARK_KEYS
    start_lane "$1" "$burst" "$3" "$weights" --park-max "$park"
}

# feed BURST LANE: writes the lane's lines to its fifo, BURST at a time, each time after the receipts
# of those before; keeps the receipts.
feed() {
    local burst=$1 lane=$LANES/$2 line receipt n=0
    exec 3>"$lane.in" 4<"$lane.out"
    while IFS= read -r line; do
        printf '%s\n' "$line" >&3
        n=$((n + 1))
        [ $((n % burst)) = 0 ] || continue
        for ((; n > 0; n--)); do
            IFS= read -r receipt <&4 || break 2
            printf '%s\n' "$receipt" >>"$lane.receipts"
        done
    done <"$lane.sent"
    exec 3>&-
    cat <&4 >>"$lane.receipts"
}

# start_lane NAME BURST SEED MIX [PROXY-OPTION...]: $LANES/NAME.sent is there already.
start_lane() {
    local name=$1 burst=$2 seed=$3 mix=$4 lane=$LANES/$1 arguments
    shift 4
    start_proxy "$SERVER" --seed "$seed" --mix "$mix" --hang "$HANG" --get-faults "$GET_FAULTS" "$@"
    ln -s "$PROXY_LOG" "$lane.proxy"
    LANE_PROXY[$name]=$PROXY_PID LANE_URL[$name]=$URL LANE_SERVER[$name]=$SERVER_URL
    arguments=(-u "$URL" -s --receipts --retry-for "$RETRY_FOR" --settle "$SETTLE" "$name")
    case $name in
    outbox*) arguments+=(--outbox "$lane.outbox") ;;
    esac
    # The status goes to a file: in a long run another process can get the number of one that
    # has ended, and then bash has forgotten its status.
    if [ "$burst" = 0 ]; then
        # shellcheck disable=SC2016
        spawn bash -c 'lane=$1; shift; "$@"; echo $? >"$lane.status"' - "$lane" "$CHANCAT" \
            "${arguments[@]}" <"$lane.sent" >"$lane.receipts" 2>"$lane.err"
    else
        mkfifo "$lane.in" "$lane.out"
        : >"$lane.receipts"
        spawn feed "$burst" "$name"
        # shellcheck disable=SC2016
        spawn bash -c 'lane=$1; shift; "$@" <"$lane.in" >"$lane.out"; echo $? >"$lane.status"' \
            - "$lane" "$CHANCAT" "${arguments[@]}" 2>"$lane.err"
    fi
    LANE_PID[$name]=$SPAWNED
}

# Lines that can be told apart, for start_lane.
make_lane() {
    seq -f "$1-%06g some text" "$2" >"$LANES/$1.sent"
}

# end_lane NAME [SECS]: waits for the end of chancat (SECS at most) and of every parked request, and
# asks the server what it holds. STATUS is chancat's.
end_lane() {
    local name=$1 lane=$LANES/$1 saved=$WAIT_SECS
    WAIT_SECS=${2:-$WAIT_SECS}
    wait_for "${LANE_PID[$name]}"
    WAIT_SECS=$saved
    # shellcheck disable=SC2034 # for the caller
    STATUS=$(cat "$lane.status" 2>/dev/null || echo 137)
    wait_until none_parked "${LANE_URL[$name]}"
    end_process "${LANE_PROXY[$name]}"
    "$CHANCAT" -u "${LANE_SERVER[$name]}" -r -n all "$name" >"$lane.stored"
}

# judge_lane NAME: the oracle's verdict, its status.
judge_lane() {
    "$ROOT/tests/soak/oracle" "$LANES/$1.sent" "$LANES/$1.stored" >"$LANES/$1.verdict"
}

# too_late NAME: how many requests a plain server got so late, on a machine that was too busy, that
# nothing is promised about them: --settle may have passed. With keys none is ever too late.
too_late() {
    local kind=plain
    case $1 in
    keys* | outbox* | batches*) kind=keys ;;
    esac
    sed -n 's/.* fault=unparked .* delay=\([0-9.]*\) .*/\1/p' "$LANES/$1.proxy" |
        awk -v kind=$kind -v most="$(awk -v s="$SETTLE" -v p="$PARK_MAX" 'BEGIN { print (s + p) / 2 }')" \
            'kind == "plain" && $1 > most { n++ } END { print n + 0 }'
}

# sum FIELD VERDICT...: of the oracle's numbers, such as lost.
sum() {
    local field=$1
    shift
    sed -n "s/.*$field=\([0-9]*\).*/\1/p" "$@" | awk '{ n += $1 } END { print n + 0 }'
}

# count_posts LOG...: POSTs that the proxies saw.
count_posts() {
    cat "$@" | grep ' post=' | grep -cv ' fault=unparked '
}

# longest_delay LOG...: seconds from the first POST of a line to the first of the next one, which is
# not sent before the first one's fate is known; the last line of a lane is left out.
longest_delay() {
    grep -h ' post=.* line=[^ ]' "$@" | awk '
        { line = $8; lane = line; sub(/-[0-9]*$/, "", lane) }
        !(line in seen) {
            seen[line] = 1
            if (lane in last && $1 - last[lane] > most) most = $1 - last[lane]
            last[lane] = $1
        }
        END { printf "%.1f\n", most }'
}
