#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The exit statuses, one by one, and which one counts when several apply.
. "$(dirname "$0")/lib.sh"
need jq curl

start_server
post t anna hello

test_case "0: everything was done"
run "$CHANCAT" t
assert_status 0
run "$CHANCAT" -s t <<<'x'
assert_status 0

test_case "1: stdout cannot be written"
"$CHANCAT" t >/dev/full 2>err
assert_eq $? 1 status
assert_has err '^chancat: '
"$CHANCAT" -s --receipts t >/dev/full 2>err <<<'x'
assert_eq $? 1 status
"$CHANCAT" --help >/dev/full 2>err
assert_eq $? 1 status
"$CHANCAT" --version >/dev/full 2>err
assert_eq $? 1 status

test_case "2: usage"
run "$CHANCAT" --no-such-option t
assert_status 2
assert_empty out
run "$CHANCAT" -n x t
assert_status 2
run "$CHANCAT" -u 'not a url' t
assert_status 2
run "$CHANCAT" -u ftp://localhost/ t
assert_status 2

test_case "6: --idle ran out"
for idle in 0.3 3 30; do
    run "$CHANCAT" -rf -n 2 --idle $idle t
    assert_status 6
    [ ! -s out ] || break # else this machine was too slow for so short a time
done
assert_lines out 2
run "$CHANCAT" -f --idle 0.3 t <<<'mine'
assert_status 6

test_case "--idle counts from the last message"
start_fault
asks_or_is_gone() {
    logged 'GET /get' 3 || gone "$chancat"
}
for idle in 1 5 25; do
    : >"$FAULT_LOG"
    spawn "$CHANCAT" -rf -i 0.1 --idle $idle -n 0 t >out 2>err
    chancat=$SPAWNED
    wait_until asks_or_is_gone
    began=${EPOCHREALTIME/[.,]/}
    post t s x
    wait_for "$chancat"
    took=$((${EPOCHREALTIME/[.,]/} - began))
    assert_status 6
    [ ! -s out ] || break # else this machine was too slow for so short a time
done
assert_lines out 1
assert [ $took -ge $((idle * 1000000 - 10000)) ]
stop_fault

test_case "4: the server refuses a line for good, the others are sent"
for code in 400 401 403 404 413 422; do
    start_fault "POST /send 2 status $code"
    run "$CHANCAT" -s t < <(seq 3)
    assert_status 4
    assert_eq "$(logged 'POST /send')" 3 requests
    assert_has err 'line 2[^0-9]'
    assert_file <(curl -s "$URL/get?channel=t" | jq -r '.[].content') $'1\n3'
    stop_fault
done

test_case "4: the server refuses to be read"
start_fault 'GET * * status 403'
run "$CHANCAT" t
assert_status 4
assert_empty out
stop_fault

test_case "5: the outcome of a line stays unknown"
start_fault 'POST /send 1 close-after' 'GET /get * status 500'
run "$CHANCAT" -s --settle 0.1 --retry-for 0.1 t <<<'x'
assert_status 5
assert_eq "$(logged 'POST /send')" 1 requests
stop_fault
dead=$URL

test_case "3: the server cannot be reached"
run "$CHANCAT" -u "$dead" --retry-for 0.5 t
assert_status 3
assert_empty out
assert_has err '^chancat: '
run "$CHANCAT" -u "$dead" --retry-for 0.5 -s t < <(seq 3)
assert_status 3
run "$CHANCAT" -u "$dead" --retry-for 0 -s t <<<'x'
assert_status 3

test_case "3: the server keeps failing"
start_fault '* * * status 500'
run "$CHANCAT" --retry-for 0.5 t
assert_status 3
stop_fault
start_fault 'POST /send * status 429'
run "$CHANCAT" --retry-for 0.5 -s t < <(seq 2)
assert_status 3
stop_fault

test_case "3: a Retry-After beyond --retry-for gives up at once"
start_fault 'GET * * status 503 retry-after 3000'
run "$CHANCAT" --retry-for 5 t
assert_status 3
stop_fault

test_case "1 beats 4: stdout full and a line refused"
start_fault 'POST /send 1 status 400'
"$CHANCAT" -s --receipts t >/dev/full 2>err < <(seq 2)
assert_eq $? 1 status
stop_fault

test_case "5 beats 4: one refused, one unknown"
start_fault 'POST /send 1 status 400' 'POST /send 2 close-after' 'GET /get * status 500'
run "$CHANCAT" -s --settle 0.1 --retry-for 0.1 t < <(seq 2)
assert_status 5
stop_fault

test_case "7: the server's history was reset"
start_fault
post t s x
run "$CHANCAT" -r -C cursor t
assert_status 0
curl -s -X POST "$URL/fault/truncate" -o /dev/null
run "$CHANCAT" -r -C cursor t
assert_status 7
assert_has err "^chancat: the server's history was reset"
stop_fault

test_case "4 beats 3: one refused, then the server is gone"
start_fault 'POST /send 1 status 400' 'POST /send 2- status 429'
run "$CHANCAT" -s --retry-for 0.5 t < <(seq 2)
assert_status 4
stop_fault

test_case "4 beats 6: a refused line and --idle"
start_fault 'POST /send 1 status 400'
run "$CHANCAT" -f -i 0.05 --idle 0.5 t < <(seq 1)
assert_status 4
stop_fault

test_case "lines that were not stored are counted in one last line"
start_fault 'POST /send 1-2 status 400'
run "$CHANCAT" -s t < <(seq 3)
assert_has <(tail -n 1 err) '^chancat: .*2 .*refused\|^chancat: .*refused.* 2'
assert_lines err 3
stop_fault

done_testing
