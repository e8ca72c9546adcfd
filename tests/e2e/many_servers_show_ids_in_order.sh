#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Many chancatd over one PostgreSQL: while transactions of several servers stay open at random, no
# follower of any of them misses a message, has one twice or out of order. The test would notice:
# without the locks it finds messages that were missed, and so with ids that come from a cache.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pg.sh"
. "$(dirname "$0")/../crowd/lib.sh"
start_postgres

messages=100000
[ -z "$SANITIZE" ] || messages=20000
control=3000

assert_nothing_wrong() {
    assert_status 0
    assert_empty err
    assert_has out "^acked [0-9]* missed 0 doubled 0 disordered 0 strange 0 open 0 stored 0 "
    assert [ "$(found acked)" -ge "$1" ]
    assert_eq "$(pg_sql 'SELECT count(*) FROM chancat.message')" "$(found acked)" 'rows'
    cat out
}

# Most runs miss a hundred times as many.
assert_missed() {
    assert_status 1
    assert_empty err
    assert [ "$(found missed)" -ge 5 ]
    assert_has out ' doubled 0 .* strange 0 '
    cat out
}

# In a database of its own, with transactions that stay open.
start_anew() {
    new_database
    start_servers
    hold_open "$@"
}

test_case "16 writers on one channel: every follower sees every message once and in order"
start_anew 10 20
run_crowd 1 $((messages * 3 / 4)) -b 150
assert_nothing_wrong $((messages * 3 / 4))
stop_servers

test_case "16 writers on 500 channels: every follower sees every message once and in order"
start_anew 10 20
run_crowd 500 $((messages / 4)) -b 300
assert_nothing_wrong $((messages / 4))

test_case "the same misses messages when ids are drawn from a cache"
pg_sql 'ALTER SEQUENCE chancat.message_id CACHE 20'
run_crowd 1 $control
assert_missed
stop_servers

test_case "so no server starts with such a sequence"
run "$CHANCATD" -l 127.0.0.1:0 -d "$PG_URI"
assert_status 1
assert_has err '^chancatd: .*message_id has a cache, .*: ALTER SEQUENCE chancat.message_id CACHE 1$'
run "$CHANCATD" --check -d "$PG_URI"
assert_status 2
assert_has err '^chancatd: .*message_id has a cache'
pg_sql 'ALTER SEQUENCE chancat.message_id CACHE 1'
start_server -d "$PG_URI"
stop_server

test_case "without the locks the same misses messages on one channel"
CHANCATD=$UNLOCKED start_anew 100 100
run_crowd 1 $control
assert_missed
stop_servers

test_case "without the locks the same misses messages on 500 channels"
CHANCATD=$UNLOCKED start_anew 100 500
run_crowd 500 $control -a -b 100
assert_missed
stop_servers

done_testing
