#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# --outbox and --flush: a line is on disk before it is sent, and leaves when the server has it.
. "$(dirname "$0")/lib.sh"
need jq curl

# The contents of channel $1 (t), in order.
stored() {
    curl -s "$URL/get?channel=${1:-t}" | jq -r '.[]?.content'
}

# The lines in directory $1 of the outbox: without .try and .reason.
kept() {
    find "outbox/$1" -type f ! -name '*.*try' ! -name '*.reason' 2>/dev/null | sort
}

# How many lines wait.
waiting() {
    kept new | wc -l
}

empty_outbox() {
    assert_eq "$(find outbox -type f ! -name lock ! -name spare)" '' 'what is left in the outbox'
}

# Starts a server anew at the URL it had.
start_again() {
    start_server -l "${URL#http://}" -d "$DATABASE"
}

test_case "a line is sent at once, and nothing of it stays"
start_server
run "$CHANCAT" -s --outbox outbox t <<<'hello'
assert_status 0
assert_empty err
assert_empty out
assert_file <(stored) hello
empty_outbox
assert_eq "$(stat -c %a outbox)" 700 mode
stop_server

test_case "with the server down every line of stdin is kept; a later run sends them first, in order"
run "$CHANCAT" -s --outbox outbox --retry-for 0.2 t < <(seq 5)
assert_status 3
assert_has err '^chancat: the outbox keeps what waits: '
assert_has err '^chancat: 5 lines wait in the outbox$'
assert_eq "$(waiting)" 5 'waiting lines'
assert_eq "$(find outbox/new -type f -perm /077)" '' 'files that others may read'
start_again
run "$CHANCAT" -s --outbox outbox t <<<'6'
assert_status 0
assert_file <(stored) $'hello\n1\n2\n3\n4\n5\n6'
empty_outbox
stop_server

test_case "a run that prints, too, keeps lines before the server was ever there, and sends them when it is"
three_wait() { [ "$(waiting)" = 3 ]; }
for follow in -f --retry-for=inf; do
    spawn "$CHANCAT" $follow --outbox outbox p < <(seq 3) >out 2>err
    wait_until three_wait
    kill -TERM "$SPAWNED"
    wait_for "$SPAWNED"
    assert_status 143
    assert_has err '^chancat: 3 lines wait in the outbox$'
    assert_empty out
    rm -r outbox
done
mkfifo in
exec 4<>in
spawn "$CHANCAT" -f -n 0 --outbox outbox p <in >out 2>err 4>&-
follower=$SPAWNED
seq 3 >&4
wait_until three_wait
start_again 4>&-
wait_until lines out 3
echo 4 >&4
exec 4>&-
wait_until lines out 4
assert_same <(jq -r .content out) <(seq 4)
assert_file <(stored p) $'1\n2\n3\n4'
empty_outbox
end_process "$follower"
stop_server

test_case "--flush sends what waits, whatever channel and sender it has"
run "$CHANCAT" -s -S ann --outbox outbox --retry-for 0 d <<<'for d'
run "$CHANCAT" -sj --outbox outbox --retry-for 0 <<<'{"channel":"e","sender":"bob","content":"for e"}'
run "$CHANCAT" --flush --outbox outbox --retry-for 0
assert_status 3
assert_has err '^chancat: 2 lines wait in the outbox$'
start_again
run "$CHANCAT" --flush --outbox outbox
assert_status 0
assert_empty err
assert_file <(curl -s "$URL/get?channel=d" | jq -r '.[]|.sender+" "+.content') 'ann for d'
assert_file <(curl -s "$URL/get?channel=e" | jq -r '.[]|.sender+" "+.content') 'bob for e'
empty_outbox
run "$CHANCAT" --flush --outbox outbox
assert_status 0
assert_empty err

test_case "receipts and printing work as without an outbox"
run "$CHANCAT" -s --receipts --outbox outbox r < <(seq 3)
assert_status 0
assert_file <(jq -r .content out) $'1\n2\n3'
run "$CHANCAT" -n 0 --outbox outbox r < <(seq 4 6)
assert_status 0
assert_file <(jq -r .content out) $'4\n5\n6'
stop_server

test_case "a line that the server refuses is kept in failed/ with the reason, and the next is sent"
start_fault 'POST /send 2 status 400'
run "$CHANCAT" -s --outbox outbox t < <(printf 'one\ntwo\nthree\n')
assert_status 4
assert_has err 'is refused: the server answers 400'
assert_file <(stored) $'one\nthree'
assert_eq "$(kept failed | wc -l)" 1 'lines in failed/'
assert_has "$(kept failed)" two
assert_has "$(kept failed).reason" 'the server answers 400'
assert_eq "$(waiting)" 0 'waiting lines'

test_case "a damaged file is set aside and reported, and the others are sent"
run "$CHANCAT" -u http://127.0.0.1:9 -s --outbox outbox --retry-for 0 u < <(seq 3)
sed -i "s|$(printf 'http%%3A%%2F%%2F127.0.0.1%%3A9')|x|" "$(kept new | sed -n 1p)"
run "$CHANCAT" -u http://127.0.0.1:9 --flush --outbox outbox --retry-for 0
assert_status 1
assert_has err 'outbox.*failed'
assert_eq "$(kept failed | wc -l)" 1 'lines in failed/'
assert_eq "$(waiting)" 2 'waiting lines'

test_case "lines for another server are left alone, and --flush says so"
run "$CHANCAT" -u http://127.0.0.1:9 -s --outbox outbox --retry-for 0 other <<<'not here'
run "$CHANCAT" -s --outbox outbox mine <<<'here'
assert_status 0
assert_file <(stored mine) here
run "$CHANCAT" --flush --outbox outbox
assert_status 3
assert_has err 'for another server'
assert_eq "$(waiting)" 1 'waiting lines'
assert_empty <(stored other)
stop_fault

test_case "what cannot be put on disk is not accepted and not sent"
start_fault
printf 'short\n%s\n' "$(head -c 5000 /dev/zero | tr '\0' x)" >in
(ulimit -f 4 && exec "$CHANCAT" -s --outbox outbox t) <in >out 2>err
assert_eq $? 1 status
assert_has err 'line 2 is not sent'
assert_file <(stored) short
empty_outbox

test_case "an outbox on a full disk refuses lines, and can be emptied"
stop_fault
start_fault 'GET /past 1 status 503'
mkdir disk
# shellcheck disable=SC2016
unshare -m bash -c '
    mount -t tmpfs -o size=256k none disk || exit 99
    cd disk || exit 99
    seq 2000 | "$0" -s --outbox outbox --retry-for 0 t
    echo "filled $?"
    find outbox/new -type f | wc -l
    "$0" --flush --outbox outbox
    echo "emptied $?"' "$CHANCAT" >out 2>err
if [ $? != 99 ]; then # may be, in a place where nothing can be mounted
    assert_has err 'is not sent: cannot'
    assert_has out '^filled 1$'
    assert_has out '^emptied 0$'
    assert [ "$(sed -n 2p out)" -gt 10 ]
    assert_same <(stored) <(seq "$(sed -n 2p out)")
fi

test_case "a directory that is no outbox is not touched"
mkdir outbox
echo mine >outbox/precious
run "$CHANCAT" -s --outbox outbox t <<<'x'
assert_status 1
assert_file <(ls outbox) precious
stop_fault

test_case "a run that is killed between the reply and its end leaves no second message"
# The server stores, and the client dies before it learns of it.
start_fault 'POST /send 1 stall-before 30'
spawn "$CHANCAT" -s --outbox outbox t <<<'once' >out 2>err
wait_until logged 'POST /send' 1
assert_eq "$(find outbox/new -name '*.try' | wc -l)" 1 '.try files'
kill -KILL "$SPAWNED"
wait_for "$SPAWNED"
run "$CHANCAT" --flush --outbox outbox
assert_status 0
assert_eq "$(logged 'POST /send')" 1 requests
assert_file <(stored) once
empty_outbox
stop_fault

test_case "a run that is killed before the server stored the line leaves it to the next one"
start_fault 'POST /send 1 hang'
spawn "$CHANCAT" -s --outbox outbox t <<<'once' >out 2>err
wait_until logged 'POST /send' 1
kill -KILL "$SPAWNED"
wait_for "$SPAWNED"
run "$CHANCAT" --flush --outbox outbox --settle 0.3
assert_status 0
assert_file <(stored) once
empty_outbox
stop_fault

test_case "a line that never left is not looked for by the next run"
run "$CHANCAT" -s --outbox outbox --retry-for 0 t <<<'x'
assert_status 3
assert_eq "$(find outbox/new -name '*.try' | wc -l)" 0 '.try files'

test_case "SIGTERM leaves the line in the outbox, and says so"
start_fault 'POST /send 1 hang'
spawn "$CHANCAT" -s --outbox outbox t <<<'x' >out 2>err
wait_until logged 'POST /send' 1
kill -TERM "$SPAWNED"
wait_for "$SPAWNED"
assert_status 143
assert_has err '^chancat: 1 line waits in the outbox$'
assert_eq "$(waiting)" 1 'waiting lines'

test_case "while one process sends, others put their lines in and wait for them to be stored"
stop_fault
start_fault 'POST /send 1 stall-before 1'
spawn "$CHANCAT" -s --outbox outbox t < <(printf 'slow\n') 2>err.1
first=$SPAWNED
wait_until logged 'POST /send' 1
run "$CHANCAT" -s --outbox outbox t < <(seq 3)
assert_status 0
wait_for "$first"
assert_status 0
assert_same <(stored | sort) <(printf '1\n2\n3\nslow\n')
empty_outbox
stop_fault

test_case "a line that another process could not get stored is told to be refused all the same"
start_fault 'POST /send 1 stall-before 1' 'POST /send 2 status 400'
spawn "$CHANCAT" -s --outbox outbox t < <(printf 'slow\n') 2>err.1
first=$SPAWNED
wait_until logged 'POST /send' 1
run "$CHANCAT" -s --outbox outbox t <<<'bad'
assert_status 4
wait_for "$first"
stop_fault

test_case "a run without a line of its own sends what waits as well"
start_server
run "$CHANCAT" -u "$URL" -s --outbox outbox --retry-for 0 t <<<'x'
stop_server
run "$CHANCAT" -s --outbox outbox --retry-for 0 t < <(seq 3)
start_again
run "$CHANCAT" -s --outbox outbox t </dev/null
assert_status 0
assert_file <(stored) $'x\n1\n2\n3'
empty_outbox

test_case "a run whose stdin is idle sends what it could not send, when the other one is gone"
mkfifo in
exec 4<>in
spawn "$CHANCAT" -s --outbox outbox t <in 2>err 4>&-
idle=$SPAWNED
wait_until test -e outbox/lock
exec 5>>outbox/lock
wait_until flock -n 5
echo mine >&4
wait_until test -e outbox/new/00000000000000000001
assert_not_has <(stored) mine
exec 5>&- # as if the other one had died
wait_until eval 'stored | grep -q mine'
exec 4>&-
wait_for "$idle"
assert_status 0
assert_empty err
empty_outbox

test_case "a run ends when its own lines are stored, however busy another one is"
mkfifo busy
exec 4<>busy
spawn "$CHANCAT" -s --outbox outbox t <busy 2>err.busy 4>&-
other=$SPAWNED
spawn bash -c 'while echo more; do sleep 0.005; done' >busy 4>&-
feeder=$SPAWNED
exec 4>&-
wait_until eval 'stored | grep -q more'
run "$CHANCAT" -s --outbox outbox t <<<'short'
assert_status 0
assert_empty err
end_process "$feeder"
wait_for "$other"
assert_status 0

test_case "more lines than fit into any list are kept while another process sends"
run "$CHANCAT" -s --outbox outbox t </dev/null
exec 5>>outbox/lock
wait_until flock -n 5
run "$CHANCAT" -s --outbox outbox --retry-for 0 t < <(seq 3000)
assert_status 3
assert_has err '^chancat: 3000 lines wait in the outbox$'
exec 5>&-
run "$CHANCAT" --flush --outbox outbox
assert_status 0
assert_same <(stored | tail -n 3000) <(seq 3000)
stop_server

test_case "what refuses the request, not the line, leaves the line in the outbox"
for code in 401 403 404 302; do
    start_fault "POST /send 1 status $code"
    run "$CHANCAT" -s --outbox outbox t < <(seq 2)
    assert_status 4
    assert_has err "the outbox keeps what waits: the server answers $code"
    assert_eq "$(waiting)" 2 "waiting lines after $code"
    run "$CHANCAT" --flush --outbox outbox
    assert_status 0
    assert_file <(stored) $'1\n2'
    stop_fault
    rm -r outbox
done

test_case "a line that no run can ever settle does not hold up those behind it"
start_fault 'POST /send 1 close-after' 'GET * * status 403'
run "$CHANCAT" -s --outbox outbox --retry-for 0.5 t < <(seq 2)
assert_status 5
assert_has err 'outbox line 1 may or may not be stored'
assert_has "$(kept failed).reason" 'may or may not be stored'
assert_eq "$(waiting)" 0 'waiting lines'
stop_fault

done_testing
