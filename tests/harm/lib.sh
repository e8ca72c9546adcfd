# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# lib.sh: chancat is killed, or a system call of it fails, at every step of a job; for the scripts
# that have read tests/e2e/lib.sh.
#
# A sweep runs a job once undisturbed under strace, which gives its steps: the k-th call of each
# system call that matters. Then it runs it anew for each step and fault, in a directory and a
# channel of its own, lets a second run finish it, and compares the end with what was promised:
#
#   - each accepted line is on the server once and in order, and nothing else is: the oracle;
#   - the outbox is empty;
#   - the status is one of those that the manual names, and a failure is told;
#   - what was printed is complete, and only what was not saved is repeated: the reader's oracle.
#
# A line is accepted when the kernel has made its name in new/ (kill -9 takes nothing back that was
# given to the kernel), and, where a call failed, when chancat did not say that it is not sent.
#
# The jobs; victim and second are the two runs:
#
#   send     the lines of stdin with --outbox; the second run is --flush
#   flush    --flush of lines that wait; again
#   repeat   --flush when a batch is stored that an earlier run has not come to the end of; again
#   apart    the same a week later, when the server does not know its key any more
#   apart-new  the same, and the batch is not stored
#   receive  -r -f with a cursor file that is there already; the second run has no -f
#   both     send and receive, with an outbox and a new cursor file; again, without stdin
#
# The files of a sweep are in $HARM/TAG: steps, problems (one line each), sent, stored, verdict,
# numbers (points struck longest), and N/ for point N, when something was wrong with it.

HARM=$WORK/harm
HONEST=$CHANCAT # prepares and looks; CHANCAT is what is tried
HARM_LINES=2  # of each point
HARM_STRIDE=1 # only every n-th point
HARM_SETTLE=0.3
HARM_IDLE=0.3 # how long a reader waits for more
HARM_RETRY=10
HARM_SECOND=()
: "${ODD:=$ROOT/build/default/odd.so}"
ODD=$(readlink -f "$ODD")
mkdir "$HARM"

# Those that change something, or that another process can see.
CALLS_CHANGE='open openat creat write fsync fdatasync link linkat rename renameat renameat2 unlink
    unlinkat mkdir mkdirat'
# shellcheck disable=SC2034 # for the scripts
CALLS_KILL="$CALLS_CHANGE flock sendto sendmsg recvfrom exit_group"

# strace does not get along with LeakSanitizer.
without_leak_check() {
    export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"
}

need_strace() {
    need strace
    without_leak_check
    # shellcheck disable=SC2016 # the shell around it says "Killed"
    bash -c 'strace "$@"; true' - -f -qq -o "$WORK/strace" -e trace=openat \
        -e inject=openat:signal=KILL:when=1 true >"$WORK/strace.err" 2>&1
    grep -q 'killed by SIGKILL' "$WORK/strace" || skip 'strace cannot inject faults here'
}

# The list of calls for strace; those that this machine does not have are passed over.
set_of() {
    # shellcheck disable=SC2086
    printf ',?%s' $1 | cut -c 2-
}

# steps TRACE: "CALL K" for each call that counts. strace counts for each thread; so does this.
# Files with absolute names are libraries and the like.
steps() {
    awk 'match($2, /^[a-z0-9_]+\(/) {
            call = substr($2, 1, RLENGTH - 1)
            k = ++count[$1, call]
            if (call ~ /^(open|creat)/ && $0 ~ /"\//) next
            if (!seen[call, k]++) print call, k
        }' "$1"
}

# strike FAULT CALL K TRACE COMMAND...: FAULT is for strace, or one of these:
#
#   files        no more than K files may be open
#   memory       the K-th allocation fails
#   memory-all   so do all after it
strike() {
    local fault=$1 k=$3 with=(strace -f -qq -o "$4" -e "trace=?link,?linkat")
    case $fault in
    files)
        # shellcheck disable=SC2016
        with+=(bash -c 'ulimit -n "$1" && exec "${@:2}"' - "$k")
        ;;
    memory*)
        [ "$fault" = memory ] || k+=+
        with+=(-E "LD_PRELOAD=$ODD" -E "ODD_MEMORY=$k")
        ;;
    *)
        with+=(-e "trace=$(set_of "link linkat $2")" -e "inject=$2:$1:when=$k")
        ;;
    esac
    timeout -k 5 "$WAIT_SECS" "${with[@]}" "${@:5}"
}

# ---- the jobs, in the directory of a point; `channel` is the point's ----------------------------

# Puts the lines of the file `in` into the outbox, without a server.
enqueue_only() {
    http_proxy=http://127.0.0.1:9 "$HONEST" -q -s --outbox ob --retry-for 0 "$channel" <in 2>err.0
    [ $? = 3 ] || problem "enqueueing: $(cat err.0)"
}

# A run has sent the first line and made the record of a batch; kill -9 came at the step $1 $2.
leave_batch() {
    enqueue_only
    strike signal=KILL "$1" "$2" trace.0 "$HONEST" --flush --outbox ob >/dev/null 2>err.0
    [ -n "$(find ob -name "batch-*2-*")" ] || problem "no batch was left: $(cat err.0)"
}

# Sets victim, second and statuses (what the victim may end with).
prepare() {
    local sending=(--outbox ob --settle "$HARM_SETTLE" --retry-for "$HARM_RETRY")
    seq -f "$channel-%g" "$HARM_LINES" >in
    statuses='0 1'
    case $1 in
    send)
        victim=("$CHANCAT" -s "${sending[@]}" "$channel")
        second=("$CHANCAT" --flush "${sending[@]}")
        ;;
    flush)
        enqueue_only
        victim=("$CHANCAT" --flush "${sending[@]}")
        second=("${victim[@]}")
        ;;
    repeat | apart | apart-new)
        case $1 in
        apart-new) leave_batch sendto 4 ;;
        *) leave_batch rename 3 ;;
        esac
        victim=("$CHANCAT" --flush "${sending[@]}")
        [ "$1" = repeat ] || victim=(env "LD_PRELOAD=$ODD" ODD_CLOCK=604800 "${victim[@]}")
        second=("${victim[@]}")
        ;;
    receive)
        "$HONEST" -s "$channel" <in 2>err.0 || problem 'no first message'
        "$HONEST" -r -n all -C cur "$channel" >out.0 2>err.0 || problem 'no first run'
        "$HONEST" -s "$channel" < <(seq -f "$channel-more-%g" "$HARM_LINES") 2>err.0
        victim=("$CHANCAT" -r -f --idle "$HARM_IDLE" --retry-for "$HARM_RETRY" -C cur "$channel")
        second=("$CHANCAT" -r -n all -C cur "$channel")
        statuses='6 1'
        ;;
    both)
        victim=("$CHANCAT" -n all -C cur "${sending[@]}" "$channel")
        second=("${victim[@]}")
        statuses='0 1 2' # the configuration is opened by it, too
        ;;
    esac
}

# How many lines have got their name in new/. Nobody saw the return of a link() that another thread
# was in just then: the line is there or not.
linked() {
    local n
    n=$(awk '
        $2 ~ /^link(at)?\(/ && /\/new\// { n += / = 0$/; inside[$1] = /<unfinished/ }
        / link(at)? resumed>/ && inside[$1] { n += / = 0$/; inside[$1] = 0 }
        END { print n + 0 }' trace)
    ! grep -qs "$channel-$((n + 1))\$" ob/new/* || n=$((n + 1))
    echo "$n"
}

# What the victim, which ended with $2, accepted.
accepted() {
    local n=$HARM_LINES refused
    case $1 in
    send | both)
        [ "$2" = 0 ] || n=$(linked)
        refused=$(sed -n 's/^chancat: line \([0-9]*\) is not sent.*/\1/p' err.1 | head -n 1)
        [ -z "$refused" ] || [ "$n" -lt "$refused" ] || n=$((refused - 1))
        ;;
    esac
    head -n "$n" in
}

problem() {
    echo "$tag: $call $k $fault: $*" >>"$HARM/$tag/problems"
    bad=1
}

# A line each, all of chancat; the loader speaks for itself.
check_told() {
    [ "$1" = 0 ] || [ -s "$2" ] || problem "status $1, and nothing said"
    ! grep -qv '^chancat: ' "$2" || problem "it says: $(grep -v '^chancat: ' "$2" | head -n 1)"
}

check_first() {
    local status=$1
    if [ "$status" = 137 ] && [ "$fault" = signal=KILL ]; then
        struck=$((struck + 1))
        return
    fi
    if [ "$status" != "${statuses%% *}" ] || grep -q 'INJECTED' trace; then
        struck=$((struck + 1))
    fi
    if [ "$status" = 127 ] && grep -q 'error while loading shared libraries' err.1; then
        return # that was not chancat yet
    fi
    case $fault in
    memory*) statuses+=' 1 3' ;; # 3: libcurl had no memory for a connection, until the end of patience
    esac
    [[ " $statuses " == *" $status "* ]] || problem "status $status: $(head -n 1 err.1)"
    [ "$status" = 6 ] || check_told "$status" err.1
}

check_second() {
    [ "$1" = 0 ] || problem "the second run ends with $1: $(head -n 1 err.2)"
    [ ! -d ob ] || [ -z "$(find ob -type f ! -name lock ! -name spare)" ] ||
        problem "left in the outbox: $(cd ob && find . -type f ! -name lock ! -name spare | head -n 3)"
}

check_printed() {
    local saved=0
    [ ! -e cur.1 ] || saved=$(cut -d ' ' -f 2 cur.1)
    "$HONEST" -q -r -n all "$channel" >stored
    cat out.0 out.1 >first 2>/dev/null
    "$ROOT/tests/harm/reader-oracle" stored first "$saved" out.2 >verdict ||
        problem "printed: $(cat verdict)"
    saved=$(tail -n 1 stored | sed 's/{"id":\([0-9]*\).*/\1/')
    [ "$(cut -d ' ' -f 2 cur)" = "${saved:-0}" ] ||
        problem "the cursor file has $(cut -d ' ' -f 2 cur), not ${saved:-0}"
}

# One point of a sweep; call, k and fault are set.
point() {
    local job=$1 channel=$tag-$points bad=0 victim second statuses began status
    mkdir "$HARM/$tag/$points"
    cd "$HARM/$tag/$points" || exit 1
    prepare "$job"
    strike "$fault" "$call" "$k" trace "${victim[@]}" <in >out.1 2>err.1
    status=$?
    check_first $status
    [ ! -e cur ] || cp cur cur.1
    accepted "$job" $status >>"$HARM/$tag/sent"
    [ "$job" != receive ] || seq -f "$channel-more-%g" "$HARM_LINES" >>"$HARM/$tag/sent"
    began=${EPOCHREALTIME/./}
    timeout -k 5 "$WAIT_SECS" "${HARM_SECOND[@]}" "${second[@]}" </dev/null >out.2 2>err.2
    status=$?
    began=$(((${EPOCHREALTIME/./} - began) / 1000))
    [ "$began" -le "$longest" ] || longest=$began
    check_second "$status"
    case $job in
    receive | both) check_printed ;;
    esac
    cd "$HARM/$tag" || exit 1
    [ "$bad" = 1 ] || rm -rf "${HARM:?}/$tag/$points"
}

# sweep TAG JOB CALLS FAULT...: against the server CHANCAT_URL. Each fault at each step, or with
# HARM_STRIDE s at every s-th one, the faults taking turns. CALLS are system calls, or the name of
# a file of steps. HARM_SECOND is what the second run's command begins with.
sweep() {
    local tag=$1 job=$2 calls=$3 points=0 struck=0 longest=0 i=0 f call k fault
    local channel=$tag-0 victim second statuses bad
    set +m
    shift 3
    mkdir -p "$HARM/$tag/0"
    cd "$HARM/$tag/0" || exit 1
    : >../problems
    : >../sent
    call=none k=0 fault=none
    HARM_IDLE=3 prepare "$job" # enough for every step
    timeout -k 5 "$WAIT_SECS" strace -f -qq -o trace -e "trace=$(set_of "$CALLS_KILL")" \
        "${victim[@]}" <in >out.1 2>err.1
    [ $? = "${statuses%% *}" ] || problem "undisturbed: $(cat err.1)"
    if [ -f "$calls" ]; then
        cp "$calls" ../steps
    else
        steps trace | grep -E "^(${calls//[[:space:]]/|}) " >../steps
    fi
    while read -r call k; do
        f=0
        for fault; do
            f=$((f + 1))
            [ $(((i + f) % HARM_STRIDE)) = 0 ] || continue
            points=$((points + 1))
            point "$job"
        done
        i=$((i + 1))
    done <"$HARM/$tag/steps"
    echo "$points $struck $longest" >"$HARM/$tag/numbers"
    curl -sS -w '\n' "$CHANCAT_URL/get?channel=$tag-[1-$points]" 2>"$HARM/$tag/curl.err" |
        grep '^\[' | jq -c '.[]' >"$HARM/$tag/stored"
    "$ROOT/tests/soak/oracle" "$HARM/$tag/sent" "$HARM/$tag/stored" >"$HARM/$tag/verdict"
    i=$?
    : >"$HARM/$tag/verdict.done"
    return $i
}

# For wait_until. A shell forgets the status of a process that ended long ago, so the file counts.
has_ended() {
    [ -e "$HARM/$1/verdict.done" ] || gone "${SWEEP[$1]}"
}

# assert_sweep TAG LEAST: waits for the sweep with the process id ${SWEEP[TAG]}, of which at least
# LEAST percent of the points must have been struck.
assert_sweep() {
    local tag=$1 saved=$WAIT_SECS points struck
    WAIT_SECS=600
    wait_until has_ended "$tag"
    WAIT_SECS=$saved
    read -r points struck _ <"$HARM/$tag/numbers"
    assert_empty "$HARM/$tag/problems"
    assert_has "$HARM/$tag/verdict" ' lost=0 duplicated=0 reordered=0 strange=0$'
    assert [ "$points" -ge 3 ]
    assert [ "$struck" -ge $((points * $2 / 100)) ]
    echo "  $tag: $points points, $struck struck; $(cat "$HARM/$tag/verdict" 2>/dev/null)"
}

# ---- a server that is killed --------------------------------------------------------------------

# Lines for a sender, more than it can send, until the file $HARM/stop is there.
endless_lines() {
    local n=0
    until [ -e "$HARM/stop" ]; do
        n=$((n + 1))
        printf '%s-%07d some text\n' "$1" $n
        printf '%s-%07d some text\n' "$1" $n >&3
    done 3>"$HARM/$1.sent"
}

# endless_sender NAME: to the channel NAME; its status is chancat's.
endless_sender() {
    set +m
    endless_lines "$1" |
        "$CHANCAT" -q -s --receipts --retry-for inf "$1" >"$HARM/$1.receipts" 2>"$HARM/$1.err"
}

# For wait_until: each file has more lines than when its number in GROWN was taken.
take_sizes() {
    local file
    declare -gA GROWN=()
    for file; do
        GROWN[$file]=$(wc -l <"$file")
    done
}

all_have_grown() {
    local file
    for file in "${!GROWN[@]}"; do
        [ "$(wc -l <"$file")" -gt "${GROWN[$file]}" ] || return 1
    done
}

# kill_server TIMES SENDER...: so often, each time after every sender got on; then all come to
# their end. One reader follows the first channel. STATUS is the worst sender's.
kill_server() {
    local times=$1 name i worst=0 reader
    local -A running
    shift
    local receipts=("${@/#/$HARM/}")
    start_server
    rm -f "$HARM/stop"
    for name; do
        : >"$HARM/$name.receipts"
        spawn endless_sender "$name"
        running[$name]=$SPAWNED
    done
    spawn "$CHANCAT" -q -r -f -n all --retry-for inf "$1" >"$HARM/$1.printed" 2>"$HARM/$1.reader"
    reader=$SPAWNED
    for ((i = 0; i < times; i++)); do
        take_sizes "${receipts[@]/%/.receipts}"
        wait_until all_have_grown || break
        stop_server KILL
        start_server -l "127.0.0.1:$PORT" -d "$DATABASE"
    done
    : >"$HARM/stop"
    for name; do
        wait_for "${running[$name]}"
        [ "$STATUS" -le "$worst" ] || worst=$STATUS
        "$HONEST" -r -n all "$name" >"$HARM/$name.stored"
        "$ROOT/tests/soak/oracle" "$HARM/$name.sent" "$HARM/$name.stored" >"$HARM/$name.verdict"
    done
    wait_until lines "$HARM/$1.printed" "$(wc -l <"$HARM/$1.stored")"
    kill -TERM "$reader"
    wait_for "$reader"
    stop_server
    STATUS=$worst
}

# start_sweeps CALLS FAULT...: a sweep of every job, side by side, against a server with keys and a
# plain one; SWEEP has their processes, for assert_sweep. Where there are keys, the first line goes
# alone and the others as a batch.
declare -A SWEEP
start_sweeps() {
    local kind job lines=$HARM_LINES
    for kind in keys plain; do
        case $kind in
        keys) start_server ;;
        plain) start_server --plain ;;
        esac
        for job in send flush receive both; do
            [ $job$kind != receiveplain ] || continue
            case $kind-$job in
            keys-send | keys-flush) HARM_LINES=$((lines + 2)) ;;
            *) HARM_LINES=$lines ;;
            esac
            spawn sweep "$job-$kind" "$job" "$@"
            SWEEP[$job-$kind]=$SPAWNED
        done
    done
    HARM_LINES=$lines
}

# The same of batches that an earlier run has left behind. Lines that are looked for take their time.
BATCH_JOBS=(repeat apart apart-new)
[ -z "$SANITIZE" ] || BATCH_JOBS=(repeat) # a sanitizer lets nobody preload odd.c, the other clock
start_batch_sweeps() {
    local job lines=$HARM_LINES stride=$HARM_STRIDE
    HARM_LINES=$((lines + 1))
    start_server
    for job in "${BATCH_JOBS[@]}"; do
        [ "$job" != apart-new ] || HARM_STRIDE=$((stride * 3))
        spawn sweep "$job" "$job" "$@"
        SWEEP[$job]=$SPAWNED
    done
    HARM_LINES=$lines
    HARM_STRIDE=$stride
}

# ---- many that share an outbox ------------------------------------------------------------------

# enqueuer NAME LINES: the even ones have a run for each line, and send like everybody, and they go on
# until $HARM/enough is there; the odd ones cannot reach the server, so they only put their lines
# there, twenty times as many, all in one run. What they put there is in $HARM/NAME.sent, too.
enqueuer() {
    local n=0 bad=0 arguments=(-q -s --retry-for 0 --settle "$HARM_SETTLE" --outbox outbox shared)
    set +m
    if [[ $1 == *[13579] ]]; then
        seq -f "$1-%04g" $(($2 * 20)) | tee "$HARM/$1.sent" |
            http_proxy=http://127.0.0.1:9 "$CHANCAT" "${arguments[@]}"
        return
    fi
    until [ $n -ge "$2" ] && [ -e "$HARM/enough" ]; do
        n=$((n + 1))
        printf '%s-%04d\n' "$1" $n | tee -a "$HARM/$1.sent" | "$CHANCAT" "${arguments[@]}"
        [[ $? == [035] ]] || bad=1
    done
    return $bad
}

# For share_outbox: does anybody of them run? (What waits then is for the last flush: one that is
# killed after some milliseconds never gets past a line that must be looked for.)
is_shared() {
    local pid
    for pid in "${pids[@]}"; do
        ! alive "$pid" || return 0
    done
    return 1
}

# share_outbox ENQUEUERS LINES KILLS: all at once into ./outbox, while a sender is killed again and
# again, KILLS times at least. Sets KILLED; the files are $HARM/shared.*. STATUS is the last flush's.
share_outbox() {
    local i name pids=() life=0.1
    local flush=("$CHANCAT" -q --flush --settle "$HARM_SETTLE" --outbox outbox)
    KILLED=0
    rm -f "$HARM"/e[0-9]* "$HARM/enough"
    for ((i = 0; i < $1; i++)); do
        printf -v name 'e%02d' $i
        spawn enqueuer "$name" "$2" 2>"$HARM/$name.err"
        pids+=("$SPAWNED")
    done
    while is_shared; do
        # The shell in between does not say "Killed".
        if ! (
            timeout -s KILL "$life" "${flush[@]}" 2>>err
            [ $? != 137 ]
        ) 2>/dev/null; then
            KILLED=$((KILLED + 1))
            printf -v life '0.%02d' $((RANDOM % 7 + 1))
        else # so quick a machine needs less time
            life=0.00$((RANDOM % 9 + 1))
        fi
        [ "$KILLED" -lt "$3" ] || : >"$HARM/enough"
    done
    for i in "${pids[@]}"; do
        wait_for "$i"
        # 5: the killed sender had tried a line, and this run could not ask what became of it
        [[ $STATUS == [035] ]] || fail "an enqueuer ends with $STATUS: $(cat "$HARM"/e*.err)"
    done
    run "${flush[@]}"
    # Whose line comes first is nobody's promise, only the order of each one's own.
    cat "$HARM"/e*.sent >"$HARM/shared.sent"
    "$HONEST" -r -n all shared | jq -s -c 'sort_by(.content[0:3])[]' >"$HARM/shared.stored"
    "$ROOT/tests/soak/oracle" "$HARM/shared.sent" "$HARM/shared.stored" >"$HARM/shared.verdict"
}

# ---- interrupted system calls -------------------------------------------------------------------

# For wait_until: process $1 has a handler for SIGALRM, or is gone.
handles_alarm() {
    local caught
    caught=$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null)
    [ -z "$caught" ] || [ $((0x$caught >> 13 & 1)) = 1 ]
}

# interrupt_all LEAST PROCESS...: as often as it goes, until the first is gone; its stdin, the
# descriptor FEED, is closed after LEAST of them. chancat and chancatd have
# a handler for SIGALRM (stop.c) that interrupts system calls; SIGSTOP and SIGCONT interrupt some
# others. Sets INTERRUPTS.
interrupt_all() {
    local pid least=$1
    shift
    INTERRUPTS=0
    for pid; do
        wait_until handles_alarm "$pid"
    done
    while alive "$1"; do
        [ "$INTERRUPTS" -lt "$least" ] || exec {FEED}>&-
        for pid; do
            kill -ALRM "$pid" && kill -STOP "$pid" && kill -CONT "$pid" && kill -ALRM "$pid"
            INTERRUPTS=$((INTERRUPTS + 4))
        done 2>/dev/null
    done
}
