#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Three chancatd over one PostgreSQL, and each of them, their connections, a process of PostgreSQL
# and all of PostgreSQL are killed under load: nothing acknowledged is lost, nothing with a key
# doubled, no follower misses anything, and service comes back by itself.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pg.sh"
. "$(dirname "$0")/../crowd/lib.sh"
. "$(dirname "$0")/../crowd/siege.sh"
need jq curl
start_postgres
SERVERS=3
start_servers
hold_open 10 20

assert_survived() {
    local name
    assert_status 0
    assert_empty "$SIEGE/crowd.err"
    assert_has "$SIEGE/crowd" '^acked [0-9]* missed 0 doubled 0 disordered 0 strange 0 '
    for name in "$DIRECT" "$OUTBOX"; do
        assert_has "$SIEGE/$name.verdict" ' lost=0 duplicated=0 reordered=0 strange=0$'
        assert_same "$SIEGE/$name.receipts" "$SIEGE/$name.stored"
        assert_empty "$SIEGE/$name.err"
    done
    assert_same "$SIEGE/$DIRECT.printed" "$SIEGE/$DIRECT.stored"
    tail -n 1 "$SIEGE/crowd"
}

test_case "nothing is lost or doubled when servers and their connections are killed"
siege 4 server connections
assert_survived

test_case "nothing is lost or doubled when PostgreSQL is killed"
siege 2 backend postgres
assert_survived

test_case "who waited before PostgreSQL was killed gets the message that comes after"
waiters=()
for ((i = 1; i <= SERVERS; i++)); do
    spawn curl -sS -m "$WAIT_SECS" "$(url_of $i)/get?channel=after&last=0&wait=25" >"waiter.$i" 2>>err
    waiters+=("$SPAWNED")
    URL=$(url_of $i)
    wait_until server_waits 1
done
strike_postgres
wait_until health_is 200
run curl -sS --fail "$(url_of 1)/send" -d 'channel=after&sender=test&content=back'
assert_status 0
for ((i = 1; i <= SERVERS; i++)); do
    wait_for "${waiters[i - 1]}"
    assert_status 0
    assert_eq "$(jq -r '.[].content' "waiter.$i")" back "what waiter $i got"
done

test_case "who waits is not sent away when the server can store and tell, but not read"
URL=$(url_of 1)
spawn curl -sS -m "$WAIT_SECS" "$URL/get?channel=blind&last=0&wait=25" >waiter 2>>err
waiter=$SPAWNED
wait_until server_waits 1
pg_sql 'ALTER ROLE chancat NOLOGIN'
pg_sql "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE application_name = 'chancatd' AND query LIKE 'SELECT %chancat.message%'" >readers
assert_file readers "$SERVERS"
run curl -sS --fail "$URL/send" -d 'channel=blind&sender=test&content=seen'
assert_status 0
run curl -sS -w ' %{http_code}' "$URL/get?channel=blind&last=0"
assert_file out '{"error":"The store failed"} 503'
pg_sql 'ALTER ROLE chancat LOGIN'
wait_for "$waiter"
assert_status 0
assert_eq "$(jq -r '.[].content' waiter)" seen 'what the waiter got'

test_case "each server said when PostgreSQL went away and when it was back"
stop_servers
for ((i = 1; i <= server_number; i++)); do
    assert_has "$WORK/server.$i.log" '^chancatd: listening on '
    # Everybody asks again and again meanwhile.
    assert [ "$(grep -c 'does not answer$' "$WORK/server.$i.log")" -le $((SECONDS + 10)) ]
done
assert_has "$SERVER_LOG" '; trying again$'
assert_has "$SERVER_LOG" '^chancatd: PostgreSQL answers again$'

done_testing
