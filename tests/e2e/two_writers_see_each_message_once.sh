#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Two processes that write and read one channel while a third follows it: ids strictly
# ascending everywhere, every message once.
. "$(dirname "$0")/lib.sh"
need jq

# check SERVER: the case, against whichever server is running.
check() {
    local a b follower name

    test_case "1,000 messages of two writers reach everybody once ($1)"
    spawn "$CHANCAT" -rf -n all -c 1000 -i 0.05 t >follow 2>follow.err
    follower=$SPAWNED
    seq -f 'a%g' 500 >a.in
    seq -f 'b%g' 500 >b.in
    spawn "$CHANCAT" -n 0 -S a -i 0.05 t <a.in >a.out 2>a.err
    a=$SPAWNED
    spawn "$CHANCAT" -n 0 -S b -i 0.05 t <b.in >b.out 2>b.err
    b=$SPAWNED
    for name in "$a" "$b" "$follower"; do
        wait_for "$name"
        assert_status 0
    done
    cat ./*.err >err
    assert_empty err
    for name in a.out b.out follow; do
        assert_stream "$name"
    done
    for name in a b; do
        jq -r "select(.sender == \"$name\") | .content" $name.out >got
        assert_same $name.in got # a writer sees all of its own lines, in order
        jq -r "select(.sender == \"$name\") | .content" follow >got
        assert_same $name.in got
    done
    assert_lines follow 1000
}

start_server
check chancatd
stop_server
start_fault
check "the original's behaviour"

done_testing
