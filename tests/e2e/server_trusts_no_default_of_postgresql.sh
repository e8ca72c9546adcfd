#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Neither the defaults of a database nor another role's functions make a server break its word.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pg.sh"
start_postgres -c fsync=off

count() {
    pg_sql "SELECT count(*) FROM chancat.message WHERE content = '$1'"
}

commits_wait() {
    pg_sql "ALTER SYSTEM SET synchronous_standby_names = '$1'"
    pg_sql 'SELECT pg_reload_conf()' >/dev/null
}

commit_hangs() {
    [ "$(pg_sql "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")" = 1 ]
}

waits_for_its_end() {
    [ "$(pg_sql "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'")" = 1 ]
}

test_case 'a lost commit is found again whatever the default isolation'
new_database
pg_sql "ALTER DATABASE $PG_DATABASE SET default_transaction_isolation = 'repeatable read'"
start_server -d "$PG_URI"
post room ann before
commits_wait nobody
post room ann once 2>err &
sender=$!
wait_until commit_hangs || fail 'the commit does not hang'
wait_until waits_for_its_end || fail 'the server does not try to find out'
commits_wait ''
wait_for "$sender"
assert_status 0
assert_eq "$(count once)" 1
stop_server

test_case 'a function of another role is not called'
new_database
pg_sql 'GRANT CREATE ON SCHEMA public TO public'
pg_sql 'CREATE FUNCTION public.unnest(bigint[]) RETURNS SETOF bigint LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION $m$it is called$m$; END $$'
start_server -d "$PG_URI"
post room ann hello
assert_eq "$(count hello)" 1
stop_server

done_testing
