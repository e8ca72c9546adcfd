#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Lines that wait on stdin go as one batch where the server takes batches; a single one goes at
# once; and all that is promised for lines holds for those in a batch.
. "$(dirname "$0")/lib.sh"
need jq curl

stored() {
    curl -s "$URL/get?channel=$1" | jq -r '.[]?.content'
}

start_server

test_case "many lines need few requests, and stay in order"
seq 5000 >in # a file, of which all is there at once
run "$CHANCAT" -v -s a <in
assert_status 0
assert [ "$(grep -c 'POST /batch: status 200' err)" -le 10 ]
assert_eq "$(grep -c 'POST /send' err)" 1 'single lines' # before the server was known
assert_same <(stored a) <(seq 5000)

test_case "a single line is not held back for others"
mkfifo in
exec 4<>in
spawn "$CHANCAT" -v -s b <in 2>err 4>&-
chancat=$SPAWNED
for i in 1 2 3; do
    echo "$i" >&4
    wait_until eval "stored b | grep -qx $i"
done
exec 4>&-
wait_for "$chancat"
assert_status 0
assert_eq "$(grep -c 'POST /send: status 200' err)" 3 'single lines'

test_case "receipts come for each line, in order"
run "$CHANCAT" -s --receipts c < <(seq 3000)
assert_status 0
assert_stream out
assert_same <(jq -r .content out) <(seq 3000)

test_case "lines that are refused by a rule are told with their number, the others are sent"
{
    seq 3
    head -c 1100000 /dev/zero | tr '\0' x
    printf '\n\n  \n'
    seq 7 9
} >in
run "$CHANCAT" -s d <in
assert_status 4
assert_has err '^chancat: line 4 is refused: it is longer than 1 MiB$'
assert_same <(stored d) <(seq 3; seq 7 9)

test_case "long lines and odd characters fit, or go alone"
{
    echo one
    head -c 1000000 /dev/zero | tr '\0' '"'
    echo
    printf 'bad \377 <&> \342\200\250 x\n'
    head -c 600000 /dev/zero | tr '\0' y
    echo
    head -c 600000 /dev/zero | tr '\0' z
    echo
    echo last
} >in
run "$CHANCAT" -s e <in
assert_status 0
run "$CHANCAT" -r -n all e
assert_eq "$(jq -r .content out | md5sum)" \
    "$(LC_ALL=C sed 's/\xff/\xef\xbf\xbd/' in | md5sum)" contents

test_case "JSON lines for several channels keep their order in each"
for i in $(seq 200); do
    printf '{"channel":"f%d","sender":"s%d","content":"%d"}\n' $((i % 2)) $((i % 3)) "$i"
done >in
run "$CHANCAT" -sj <in
assert_status 0
assert_same <(stored f0) <(seq 2 2 200)
assert_same <(stored f1) <(seq 1 2 199)

test_case "own lines of a duplex run are printed, and with --no-echo they are not"
run "$CHANCAT" -n 0 g < <(seq 500)
assert_status 0
assert_same <(jq -r .content out) <(seq 500)
seq 5000 >in
run "$CHANCAT" -v -n 0 --no-echo h <in
assert_status 0
assert_empty out
assert_same <(stored h) <(seq 5000)
assert [ "$(grep -c 'POST /batch: status 200' err)" -le 10 ]

test_case "with --no-echo what looks like a line of a batch on its way waits for the ids"
# The batches are stored at once and can be read, but their replies are late, or never come.
SERVER_URL=$URL
start_proxy "$PORT" --mix forward-hang:2,pass:1 --hang 0.4 --seed 7
run "$CHANCAT" -n 0 -c 3 --no-echo -S me i < <(
    seq 3000
    wait_until eval 'curl -s "$SERVER_URL/past?channel=i&count=1" | grep -q "\"3000\""'
    for i in 1 17 3000; do
        CHANCAT_URL=$SERVER_URL post i you "$i"
    done
)
assert_status 0
assert_file <(jq -r '.sender + .content' out) $'you1\nyou17\nyou3000'
assert_has "$PROXY_LOG" 'fault=forward-hang .*target=/batch'
assert_eq "$(stored i | wc -l)" 3003 messages
assert_eq "$(stored i | sort -u | wc -l)" 3000 'different messages'
stop_proxy
stop_server

test_case "a server without batches gets single lines"
start_server --plain
run "$CHANCAT" -v -s a < <(seq 50)
assert_status 0
assert_not_has err '/batch'
assert_same <(stored a) <(seq 50)
stop_server

test_case "a server that goes plain under a run gets the lines all the same, once each"
start_server
mkfifo in
exec 4<>in
spawn "$CHANCAT" -s b <in 2>err 4>&-
chancat=$SPAWNED
seq 10 >&4
wait_until eval 'stored b | grep -qx 10'
stop_server
start_server -l "${URL#http://}" -d "$DATABASE" --plain 4>&-
seq 11 30 >&4
wait_until eval 'stored b | grep -qx 30'
exec 4>&-
wait_for "$chancat"
assert_status 0
assert_same <(stored b) <(seq 30)
stop_server

done_testing
