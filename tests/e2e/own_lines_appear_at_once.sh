#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What a run prints of the lines it has sent, and when.
. "$(dirname "$0")/lib.sh"
need jq curl

check() {
    local pid

    test_case "own lines appear as soon as they are stored, not at the next poll ($1)"
    post t other before
    mkfifo in
    exec 4<>in
    spawn "$CHANCAT" -S me -i 3600 t <in >out 2>err 4>&-
    pid=$SPAWNED
    wait_until lines out 1
    echo one >&4
    wait_until lines out 2
    echo two >&4
    wait_until lines out 3
    exec 4>&-
    rm in # no other writer: stdin ends
    wait_for "$pid"
    assert_status 0
    assert_stream out
    assert_file <(jq -r .content out) $'before\none\ntwo'

    test_case "--no-echo leaves out what this run sent, not what the same name sent elsewhere ($1)"
    mkfifo in
    exec 4<>in
    spawn "$CHANCAT" --no-echo -S me -n 0 -i 0.05 ne <in >out 2>err 4>&-
    pid=$SPAWNED
    echo mine >&4
    at_least_one() {
        curl -s "$URL/get?channel=ne" >got
        has got mine
    }
    wait_until at_least_one
    post ne me 'from elsewhere'
    wait_until lines out 1
    seq -f 'mine %g' 50 >&4
    exec 4>&-
    wait_for "$pid"
    assert_status 0
    post ne me unseen
    assert_file <(jq -r .content out) 'from elsewhere'

    test_case "--no-echo with -f still ends its sending and goes on ($1)"
    spawn "$CHANCAT" --no-echo -f -S me -n all -i 0.05 ne2 <<<'mine' >out 2>err
    pid=$SPAWNED
    wait_until at_least_two
    post ne2 me 'yours'
    wait_until lines out 1
    assert_file <(jq -r .content out) yours
    end_process "$pid"
}

at_least_two() {
    curl -s "$URL/get?channel=ne2" >got
    has got mine
}

start_server
check chancatd
stop_server
start_fault
check "the original's behaviour"

done_testing
