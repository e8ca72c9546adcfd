#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Lines that wait in an outbox go as one batch where the server takes batches, and what is promised
# for each line holds. batches_are_killed_at_every_step.sh goes further.
. "$(dirname "$0")/lib.sh"
need jq curl

stored() {
    curl -s "$SERVER_URL/past?channel=$1&count=100000" | jq -r '.[]?.content'
}

empty_outbox() {
    assert_eq "$(find outbox -type f ! -name lock ! -name spare)" '' 'what is left in the outbox'
}

# enqueue CHANNEL <LINES: into the outbox, without a server.
enqueue() {
    http_proxy=http://127.0.0.1:9 "$CHANCAT" -q -u "$SERVER_URL" -s --outbox outbox --retry-for 0 "$1" \
        2>err.0
}

start_server
SERVER_URL=$URL

test_case "a backlog needs few requests, and stays in order"
enqueue a < <(seq 2500)
run "$CHANCAT" -v --flush --outbox outbox
assert_status 0
assert_eq "$(grep -c 'POST /batch: status 200' err)" 3 batches
assert_eq "$(grep -c 'POST /send' err)" 1 'single lines' # before the server was known
assert_same <(stored a) <(seq 2500)
empty_outbox

test_case "so do lines that wait on stdin, and each has its receipt"
"$CHANCAT" -s --outbox outbox b </dev/null
exec 5>>outbox/lock # as if another process sent, until all of them wait
wait_until flock -n 5
spawn "$CHANCAT" -v -s --receipts --outbox outbox b < <(seq 2000) >out 2>err 5>&-
all_wait() { [ "$(find outbox/new -type f | wc -l)" -ge 2000 ]; }
wait_until all_wait
exec 5>&-
wait_for "$SPAWNED"
assert_status 0
assert [ "$(grep -c 'POST /batch: status 200' err)" -le 3 ]
assert_same <(stored b) <(seq 2000)
assert_stream out
assert_same <(jq -r .content out) <(seq 2000)
empty_outbox

test_case "a single line is not held back for others"
mkfifo in
exec 4<>in
spawn "$CHANCAT" -v -s --outbox outbox c <in 2>err 4>&-
chancat=$SPAWNED
for i in 1 2 3; do
    echo "$i" >&4
    wait_until eval "stored c | grep -qx $i"
done
exec 4>&-
wait_for "$chancat"
assert_status 0
assert_eq "$(grep -c 'POST /send: status 200' err)" 3 'single lines'

test_case "few open files are enough"
(ulimit -n 16 && exec "$CHANCAT" -s --outbox outbox d) < <(seq 300) >out 2>err
assert_eq $? 0 status
assert_empty err
assert_same <(stored d) <(seq 300)
empty_outbox

test_case "lines of several runs, channels and servers keep their order"
enqueue e < <(seq 100)
http_proxy=http://127.0.0.1:9 "$CHANCAT" -q -u http://127.0.0.1:9 -s --outbox outbox --retry-for 0 x \
    2>err.0 < <(seq 3)
enqueue f < <(seq 101 200)
enqueue e < <(seq 201 300)
run "$CHANCAT" -v --flush --outbox outbox
assert_status 3 # of the other server's
assert_eq "$(grep -c 'POST /batch: status 200' err)" 1 batches
assert_same <(stored e) <(seq 100; seq 201 300)
assert_same <(stored f) <(seq 101 200)
assert_eq "$(find outbox/new -type f | wc -l)" 3 'waiting lines'

test_case "a damaged record keeps its lines from being sent, and no others"
enqueue g < <(seq 5)
printf 'nonsense\n' >outbox/batch-00000000000000000002-00000000000000000004
run "$CHANCAT" --flush --outbox outbox
assert_status 5
assert_eq "$(grep -c '^chancat: outbox line [234] may or may not be stored' err)" 3 'lines told of'
assert_same <(stored g) <(printf '1\n5\n')
assert_eq "$(find outbox/failed -name '*.reason' | wc -l)" 3 'lines in failed/'
assert_eq "$(find outbox/new -type f | wc -l)" 0 'waiting lines'
run "$CHANCAT" --flush --outbox outbox
assert_status 0
assert_empty err
stop_server

done_testing
