#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# `make bench`: its table is whole whatever is missing, its figures are medians and ratios, and
# nothing is left behind. How fast anything is, is not judged here.
. "$(dirname "$0")/lib.sh"
need jq curl

export BENCH_BIN=${BENCH_BIN:-$ROOT/build/default/bench}
BENCH=$ROOT/tests/bench/run
PEERS='wrk mosquitto_pub mosquitto_sub hyperfine' # that not everybody has

# Prints a PATH that leads to everything but the peers.
path_without_peers() {
    local directory IFS=:
    mkdir bin
    for directory in $PATH; do
        ln -s "$directory"/* bin/ 2>/dev/null
    done
    IFS=' '
    (cd bin && rm -f $PEERS)
    echo "$PWD/bin"
}

has_postgres() {
    "$ROOT/contrib/cluster/postgres" bindir >directory 2>/dev/null &&
        [ -x "$(cat directory)/pgbench" ] && "$CHANCATD" -V | grep -q 'libpq/'
}

row_names() {
    jq -r 'select(.row).row' out
}

test_case "without the peers each row is there, and theirs are skipped by name"
run "$BENCH" --list
cut -d ' ' -f 1 out >listed
assert test -s listed
run env PATH="$(path_without_peers)" "$BENCH" --json --scale 0.001 --rounds 1
assert_status 0
row_names >rows
assert_same listed rows
jq -r 'select(.row) | "\(.row) \(.verdict)"' out >verdicts
assert_not_has verdicts ' failed'
assert_has verdicts '^send.wrk skipped: not installed: wrk$'
assert_has verdicts '^batch.mosquitto skipped: not installed: .*mosquitto_pub mosquitto_sub$'
assert_has verdicts '^announce.plain skipped: not installed: hyperfine$'
assert_has verdicts '^many.1 skipped: not installed: wrk$'
assert_has verdicts '^read.cpu m'
assert_has verdicts '^send.loop m'
assert_has verdicts '^link.curl m'
assert_has verdicts '^latency.p99 m'
assert_has verdicts '^followers.memory m'
jq -s -e 'all(.[] | select(.verdict == "met" or .verdict == "missed");
    (.ours | type) == "number" and (.against == "-" or (.ratio > 0 and .peer > 0)))' out >good
assert_file good true
jq -r 'select(.facts).facts[]' out >facts
assert_has facts '^machine: .* cores'
assert_has facts '^chancatd [0-9]'
assert_has facts '^wrk is not installed'
! has_postgres || assert_has verdicts '^apart.p99 m'

test_case "a selection has its rows only, as a table"
run "$BENCH" --scale 0.001 --rounds 2 read
assert_status 0
grep -v '^#' out >table
assert_lines table 5
assert_has table '^row  *what '
assert_has table '^read.cpu .* CPU time  *curl -s | jq .* s .* >= 3  *m'
assert_has err ' met, .* 0 skipped, 0 failed'

if command -v wrk >/dev/null; then
    test_case "wrk's rates are compared"
    run "$BENCH" --json --scale 0.001 --rounds 1 polls
    assert_status 0
    assert_eq "$(jq -r 'select(.row) | .ours > 0 and .peer > 0 and .ratio > 0' out)" true
fi

if command -v wrk >/dev/null && has_postgres; then
    test_case "one, two and three servers over PostgreSQL are compared with pgbench"
    pids=()
    for group in one many batches; do # side by side, to be done sooner
        spawn "$BENCH" --json --scale 0.001 --rounds 1 $group >"$group.out" 2>"$group.err"
        pids+=("$SPAWNED")
    done
    for pid in "${pids[@]}"; do
        wait_for "$pid"
        assert_status 0
    done
    jq -r 'select(.row and .ours > 0 and .peer > 0 and .ratio > 0) | "\(.row) \(.against)"' \
        one.out many.out batches.out >out
    assert_lines out 9
    assert_has out '^one.1 pgbench -c 4, [0-9]* rows each$'
    assert_has out '^batches.3 pgbench -c 12, [0-9]* rows each$'
    assert [ "$(sed -n 's/^batches.1 .*, \([0-9]*\) rows each$/\1/p' out)" -ge 100 ]
fi

test_case "what cannot be measured is a failure and has no figures"
mkdir empty
run env BENCH_BIN="$PWD/empty" "$BENCH" --json --scale 0.001 --rounds 1 latency
assert_status 1
assert_eq "$(jq -r 'select(.row).ours' out | sort -u)" null
assert_eq "$(jq -r 'select(.row).verdict' out | cut -d : -f 1 | sort -u)" failed

test_case "an interrupted run leaves nothing behind"
mkdir tmp
TMPDIR=$PWD/tmp spawn "$BENCH" --scale 0.2 read >out 2>err
assert wait_until has err 'read_jq'
kill -TERM "$SPAWNED"
wait_for "$SPAWNED"
assert [ "$STATUS" != 0 ]
assert_eq "$(ls tmp)" '' 'what is left in tmp'
none_is_left() {
    ! grep -lsz "^TMPDIR=$PWD/tmp$" /proc/[0-9]*/environ >left
}
wait_until none_is_left

test_case "wrong usage has status 2"
for arguments in --what 'nothing' '--scale x' '--rounds 0'; do
    # shellcheck disable=SC2086
    run "$BENCH" $arguments
    assert_status 2
done

test_case "figures are medians, ratios say how many times better, what is shown is judged"
SCALE=1
. "$ROOT/tests/bench/lib.sh"
for value in 5 1 100 3 2; do
    sample odd $value x
    [ $value = 5 ] || sample even x $value
done
assert_eq "$(median odd)" 3 'the median of 5'
assert_eq "$(median even 2)" 2.5 'the median of 4'
define a.less s less '>= 2' - peer what
define a.more s more '>= 2' - peer what
define a.near s more '>= 2' - peer what
define a.bare s - '<= 20' - - what
result a.less 1 3
result a.more 1 3
result a.near 1.996 1
result a.bare 21
assert_eq "${RESULT[a.less]}" '1.00 3.00 3.00 met'
assert_eq "${RESULT[a.more]}" '1.00 3.00 0.33 missed'
assert_eq "${RESULT[a.near]}" '2.00 1.00 2.00 met'
assert_eq "${RESULT[a.bare]}" '21.0 - - missed'

test_case "a program that is missing is named, and the server of PostgreSQL wherever it is looked for"
PG_TOOL=true
assert_eq "$(missing bash,postgres,none-such)" 'none-such '
PG_TOOL=false
assert_eq "$(missing bash,postgres)" 'postgres '

test_case "the long line delays without making anything wait for anything else"
start_server
start_daemon "$WORK/delay.err" "$BENCH_BIN/delay" "$PORT" 200
began=$(date +%s%N)
for i in {1..40}; do
    spawn curl -sS --fail -o "reply.$i" -w '%{time_total}\n' "$URL/get?channel=c" >"time.$i"
    pids[i]=$SPAWNED
done
for i in {1..40}; do
    wait_for "${pids[i]}"
    assert_status 0
    assert awk '{ exit !($1 >= 0.8) }' "time.$i"
done
assert [ $(($(date +%s%N) - began)) -lt 30000000000 ] # one after the other they take 32 s

done_testing
