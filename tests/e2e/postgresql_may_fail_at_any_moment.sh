#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# PostgreSQL fails while chancatd stores: what is acknowledged is stored, what is stored is stored
# once, and service comes back by itself. To have a commit under way for as long as needed, it waits
# for a standby that does not exist (it is done by then, but not answered), or for a trigger (it is
# not done yet).
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pg.sh"

start_postgres -c fsync=off -c max_connections=60
posts=0

# begin_post CHANNEL CONTENT [CURL-OPTION...]: in the background; POST is its number.
begin_post() {
    local channel=$1 content=$2
    shift 2
    POST=$((posts += 1))
    spawn curl -sS -m "$WAIT_SECS" -o "$WORK/reply.$POST" -D "$WORK/head.$POST" "$@" "$URL/send" \
        --data-urlencode "channel=$channel" -d sender=s --data-urlencode "content=$content" \
        2>"$WORK/curl.$POST"
    eval "post_$POST=$SPAWNED"
}

# end_post NUMBER CODE: its reply has this status.
end_post() {
    local process=post_$1
    wait_for "${!process}"
    assert_eq "$(sed -n '1s/^HTTP[^ ]* \([0-9]*\).*/\1/p' "$WORK/head.$1")" "$2" \
        "status of post $1 ($(head -c 200 "$WORK/reply.$1"))"
    [ "$2" != 503 ] || assert_has "$WORK/head.$1" '^Retry-After: [1-9]'
}

# posted CODE CHANNEL CONTENT [CURL-OPTION...]
posted() {
    local code=$1
    shift
    begin_post "$@"
    end_post "$POST" "$code"
}

# is_stored CONTENT TIMES
is_stored() {
    assert_eq "$(pg_sql "SELECT count(*) FROM chancat.message WHERE content = '$1'")" "$2" \
        "rows with $1"
}

# waits_for EVENT [COUNT], for wait_until: so many sessions of chancatd (1) wait for that.
# shellcheck disable=SC2317
waits_for() {
    [ "$(pg_sql "SELECT count(*) FROM pg_stat_activity WHERE usename = 'chancat'
        AND wait_event = '$1'")" = "${2:-1}" ]
}

end_sessions() {
    pg_sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'chancat'
        AND ($1)" >"$WORK/ended"
}

# shellcheck disable=SC2317 # for wait_until
table_is_locked() {
    [ "$(pg_sql "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted
        AND relation = 'chancat.message'::regclass")" = 1 ]
}

# With a name: from now on commits are done, but not answered; with '': they are again.
no_answers() {
    pg_sql "ALTER SYSTEM SET synchronous_standby_names = '$1'"
    pg_sql 'SELECT pg_reload_conf()' >/dev/null
    wait_until setting_is synchronous_standby_names "$1"
}

# shellcheck disable=SC2317
setting_is() {
    [ "$(pg_sql "SHOW $1")" = "$2" ]
}

# on_message CHANNEL WHAT [deferred]: for each message of the channel this PL/pgSQL is run.
on_message() {
    local time='TRIGGER t BEFORE INSERT ON chancat.message'
    [ -z "${3:-}" ] ||
        time='CONSTRAINT TRIGGER t AFTER INSERT ON chancat.message DEFERRABLE INITIALLY DEFERRED'
    pg_sql "CREATE OR REPLACE FUNCTION public.t() RETURNS trigger LANGUAGE plpgsql AS
            \$t\$ BEGIN $2 RETURN new; END \$t\$;
        CREATE $time FOR EACH ROW WHEN (new.channel = '$1') EXECUTE FUNCTION public.t()"
}

no_trigger() {
    pg_sql 'DROP TRIGGER t ON chancat.message'
}

# shellcheck disable=SC2317 # for wait_until
works_again() {
    curl -sS -o /dev/null --fail "$URL/send" -d 'channel=again&sender=s&content=again' 2>/dev/null
}

start_server -d "$PG_URI"
post c s first

test_case 'a session that ends between commit and answer: stored once, and told so'
no_answers nobody
begin_post c one
plain=$POST
wait_until waits_for SyncRep
end_sessions "wait_event = 'SyncRep'"
end_post "$plain" 200
is_stored one 1
begin_post c keyed -H 'Idempotency-Key: k1'
wait_until waits_for SyncRep
end_sessions "wait_event = 'SyncRep'"
end_post "$POST" 200
no_answers ''
posted 200 c keyed -H 'Idempotency-Key: k1'
assert_has "$WORK/head.$POST" 'Idempotency-Replayed: true'
is_stored keyed 1

test_case 'the server is killed between commit and answer: stored once, and told so'
no_answers nobody
begin_post c two
first=$POST
begin_post d two-d
wait_until waits_for SyncRep 2
kill_postgres
start_postgres
end_post "$first" 200
end_post "$POST" 200
is_stored two 1
is_stored two-d 1
no_answers ''

test_case 'a session that ends before the commit: stored by another try'
on_message c 'PERFORM pg_sleep(0.5);' deferred
begin_post c three
wait_until waits_for PgSleep
end_sessions "wait_event = 'PgSleep'"
end_post "$POST" 200
is_stored three 1

test_case 'the server is killed before the commit: stored by another try'
begin_post c four
wait_until waits_for PgSleep
kill_postgres
start_postgres
end_post "$POST" 200
is_stored four 1
no_trigger

# The lock comes when the commit has ended, and what it left must be seen then.
test_case 'a commit that is answered too late is not done twice, whatever transactions see by default'
pg_sql "ALTER DATABASE $PG_DATABASE SET default_transaction_isolation = 'serializable'"
end_sessions true
wait_until works_again
no_answers nobody
begin_post c five
wait_until waits_for SyncRep
wait_until waits_for advisory # the first try was given up
no_answers ''
end_post "$POST" 200
is_stored five 1
pg_sql "ALTER DATABASE $PG_DATABASE RESET default_transaction_isolation"

test_case 'a server that stays away: what is not known is told so, and a repeat is stored once'
no_answers nobody
begin_post c six -H 'Idempotency-Key: k6'
wait_until waits_for SyncRep
kill_postgres
begin_post c seven -H 'Idempotency-Key: k7'
end_post "$((POST - 1))" 503
end_post "$POST" 503
start_postgres
no_answers ''
wait_until works_again
posted 200 c six -H 'Idempotency-Key: k6'
posted 200 c seven -H 'Idempotency-Key: k7'
is_stored six 1
is_stored seven 1

test_case 'a transaction that is to be repeated is repeated'
pg_sql 'CREATE SEQUENCE public.tries; GRANT USAGE ON SEQUENCE public.tries TO chancat'
on_message c "IF nextval('public.tries') < 3 THEN
    RAISE 'again' USING ERRCODE = 'serialization_failure'; END IF;"
posted 200 c eight
is_stored eight 1
no_trigger

test_case 'a disk that is full and a lock that does not come are told, and then over'
on_message full "IF new.content = 'x' THEN RAISE 'no space' USING ERRCODE = 'disk_full'; END IF;"
begin_post full x
full=$POST
end_post "$full" 503
no_trigger
posted 200 full x
is_stored x 1
spawn "$PG_TOOL" sql "$PG_DIR" "$PG_DATABASE" \
    <<<"BEGIN; LOCK TABLE chancat.message; SELECT pg_sleep(1000)" >/dev/null 2>&1
wait_until table_is_locked
begin_post c nine
wait_until waits_for relation
pg_sql "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'" >/dev/null
end_post "$POST" 200
is_stored nine 1

test_case 'connections that cannot be had are told, and had again'
pg_sql 'ALTER ROLE chancat CONNECTION LIMIT 0'
end_sessions true
posted 503 c ten
is_stored ten 0
pg_sql 'ALTER ROLE chancat CONNECTION LIMIT -1'
wait_until works_again
assert_eq "$(curl -sS "$URL/get?channel=c&last=0" | jq -r '.[0].content')" first

test_case 'a database that can only be read for a while takes messages again afterwards'
pg_sql "ALTER DATABASE $PG_DATABASE SET default_transaction_read_only = on"
end_sessions true
posted 503 c eleven
is_stored eleven 0
pg_sql "BEGIN; SET TRANSACTION READ WRITE;
    ALTER DATABASE $PG_DATABASE RESET default_transaction_read_only; COMMIT"
wait_until works_again

test_case 'the server has lived through all of it, and ends in order'
assert alive "$SERVER_PID"
assert_eq "$(pg_sql 'SELECT count(*) = count(DISTINCT id) FROM chancat.message')" t
stop_server
assert_status 0

done_testing
