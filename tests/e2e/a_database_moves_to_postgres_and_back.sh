#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# chancatd --copy between SQLite and PostgreSQL: what clients see is the same afterwards, a copy that
# was killed goes on, and another target is left alone.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pg.sh"
need jq curl sqlite3
start_postgres

# keyed KEY FILE: posts the batch in FILE; the reply is in `reply`, its header in `head`.
keyed() {
    curl -sS -D head -o reply -H "Idempotency-Key: $1" \
        -H 'Content-Type: application/x-ndjson' --data-binary "@$2" "$URL/batch"
}

# Everything that a client can see, in the file $1.
all_of() {
    local channel
    for channel in ops 'odd & long' "$LONG" large; do
        curl -sS -G "$URL/get" --data-urlencode "channel=$channel"
    done >"$1"
}

# copy FROM TO: what it says is in err.
copy() {
    run "$CHANCATD" -v --copy "$1" "$2"
}

pg_count() {
    pg_sql 'SELECT count(*) FROM chancat.message'
}

BACK=$WORK/back.db
BIG=$WORK/big.db
LONG=$(printf 'n%.0s' {1..3000})
for i in 1 2 3; do
    printf '{"channel":"ops","sender":"anna","content":"line %d"}\n' "$i"
done >"$WORK/batch"

test_case "from SQLite to PostgreSQL: messages, times and keys are the same, and ids go on"
start_server
keyed key-1 "$WORK/batch"
first=$(<reply)
post 'odd & long' '<b>' $'tab\tquote" \u00e4\u4e2d\U1f600 '
curl -sS -o /dev/null --fail "$URL/send" -d "channel=$LONG" -d sender=me -d 'content=a%00b%0Ac'
head -c 9000000 /dev/zero | tr '\0' x >large
curl -sS -o /dev/null --fail "$URL/send" -d channel=large -d sender=me --data-urlencode content@large
post ops anna 'the last'
all_of before
assert [ "$(wc -c <before)" -gt 9000000 ]
sqlite3 "$DATABASE" "INSERT INTO message VALUES (700, 'ops', 'x', 'gone', 7);
    DELETE FROM message WHERE id = 700"
copy "$DATABASE" "$PG_URI" # while the server runs
assert_status 0
assert_empty out
assert_has err '^chancatd: 7 messages copied .* both sides have 7 messages and 1 keys'
stop_server
sqlite=$DATABASE
start_server -d "$PG_URI"
all_of after
assert_same before after
post ops anna new
assert_eq "$(curl -sS "$URL/past?channel=ops&count=1" | jq '.[0].id')" 701
keyed key-1 "$WORK/batch"
assert_has head '^Idempotency-Replayed: true'
assert_file reply "$first"

test_case "from PostgreSQL to SQLite: the same, and keys whose ids have gaps"
for i in 1 2 3 4; do # ids that other servers have drawn in between
    keyed "gaps-$i" "$WORK/batch"
    pg_sql "SELECT nextval('chancat.message_id') FROM generate_series(1, $i)" >/dev/null
done
pg_sql "UPDATE chancat.message SET id = id + 1 WHERE id = (SELECT max(id) FROM chancat.message);
    UPDATE chancat.append_key SET ids = set_byte(ids, 23, get_byte(ids, 23) + 1)
        WHERE name = 'gaps-4'" >/dev/null
keyed gaps-4 "$WORK/batch"
gaps=$(<reply)
assert [ "$(jq -c '[.[].id] | .[2] - .[1]' reply)" = 2 ]
highest=$(pg_sql 'SELECT last_value FROM chancat.message_id')
all_of before
copy "$PG_URI" "$BACK"
assert_status 0
stop_server
start_server -d "$BACK"
all_of after
assert_same before after
keyed gaps-4 "$WORK/batch"
assert_has head '^Idempotency-Replayed: true'
assert_file reply "$gaps"
keyed key-1 "$WORK/batch"
assert_file reply "$first"
post ops anna newer
assert_eq "$(curl -sS "$URL/past?channel=ops&count=1" | jq '.[0].id')" $((highest + 1))
stop_server

test_case "a target with other messages is refused and left as it is"
pg_sql 'SELECT * FROM chancat.message ORDER BY id; SELECT * FROM chancat.append_key ORDER BY name' >before
copy "$BACK" "$PG_URI" # has one more, and so goes on
assert_status 0
copy "$sqlite" "$PG_URI"
assert_status 1
assert_lines err 1
assert_has err 'the target holds other messages than the source, and is left so'
assert_not_has err 'postgresql:'
pg_sql "DELETE FROM chancat.message WHERE content = 'newer'"
pg_sql 'SELECT * FROM chancat.message ORDER BY id; SELECT * FROM chancat.append_key ORDER BY name' >after
assert_same before after
pg_sql "UPDATE chancat.message SET time = time + 1 WHERE content = 'new'"
copy "$PG_URI" "$BACK"
assert_status 1
assert_has err 'the target holds other messages'

test_case "a copy that is killed, stopped or cut off goes on where it was"
sqlite3 "$BIG" ".read /dev/stdin" <<<"$(sqlite3 "$BACK" .schema | grep -v sqlite_sequence)
    PRAGMA user_version = $(sqlite3 "$BACK" 'PRAGMA user_version');
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
    INSERT INTO message SELECT 2 * i, 'c' || i % 9, 's', printf('%060d', i), i FROM n;"
new_database
start_server -d "$PG_URI" # makes the tables, which are to be slow for a while
stop_server
# No timeout of the database counts for a copy.
pg_sql "ALTER DATABASE $PG_DATABASE SET idle_session_timeout = '1h';
    ALTER DATABASE $PG_DATABASE SET statement_timeout = '1h';
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_sleep(0.05);
         ASSERT current_setting(\$\$idle_session_timeout\$\$) = \$\$0\$\$;
         ASSERT current_setting(\$\$statement_timeout\$\$) = \$\$0\$\$;
         RETURN NULL; END';
    CREATE TRIGGER slow AFTER INSERT ON chancat.message EXECUTE FUNCTION slow()" >/dev/null
more() { [ "$(pg_count 2>/dev/null || echo 0)" -gt "$1" ]; }
# begin_copy FROM TO: until there is more in PostgreSQL than there was.
begin_copy() {
    local before
    before=$(pg_count 2>/dev/null || echo 0)
    spawn "$CHANCATD" --copy "$1" "$2" >out 2>err
    wait_until more_or_gone "$before"
}
more_or_gone() { more "$1" || gone "$SPAWNED"; }
begin_copy "$BIG" "$PG_URI"
kill -KILL "$SPAWNED"
wait_for "$SPAWNED" 2>/dev/null
assert_status 137
# A server that stores in what there is takes no id that the rest needs.
assert_eq "$(pg_sql 'SELECT last_value FROM chancat.message_id')" 120000
begin_copy "$BIG" "$PG_URI"
kill -TERM "$SPAWNED"
wait_for "$SPAWNED"
assert_status 143
assert_has err 'stopped by a signal; the same command goes on with it'
begin_copy "$BIG" "$PG_URI"
pg_sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'chancatd'" \
    >/dev/null
wait_for "$SPAWNED"
assert_status 1
assert_lines err 1
assert_has err 'connection'
assert [ "$(pg_count)" -lt 60000 ]
pg_sql 'DROP FUNCTION slow CASCADE' >/dev/null 2>&1
left=$((60000 - $(pg_count)))
copy "$BIG" "$PG_URI"
assert_status 0
assert_has err "^chancatd: $left messages copied .* have 60000 messages"

test_case "back again, killed at any moment, from a database in which others store meanwhile"
start_server -d "$PG_URI"
write_on() { while post more me again; do :; done; }
spawn write_on
writer=$SPAWNED
grown() { [ "$(stat -c %s round.db 2>/dev/null || echo 0)" -gt "$1" ]; }
grown_or_gone() { grown "$1" || gone "$SPAWNED"; }
for size in 1 1000000 3000000; do
    spawn "$CHANCATD" --copy "$PG_URI" round.db >out 2>err
    wait_until grown_or_gone "$size"
    kill -KILL "$SPAWNED"
    wait_for "$SPAWNED" 2>/dev/null
    assert_status 137
done
copy "$PG_URI" round.db
assert_status 0
end_process "$writer"
copy "$PG_URI" round.db # the rest
assert_status 0
stop_server
assert_eq "$(sqlite3 round.db 'PRAGMA integrity_check')" ok
assert_eq "$(sqlite3 round.db 'SELECT count(*), max(id) FROM message')" \
    "$(pg_sql 'SELECT count(*), max(id) FROM chancat.message')"
sqlite3 "$BIG" "ATTACH 'round.db' AS r;
    SELECT * FROM main.message EXCEPT SELECT * FROM r.message" >missing
assert_empty missing

test_case "an id that was drawn, but is not to be seen yet, is waited for"
start_server -d "$PG_URI"
# As a server that takes its time; the lock is that of all who store.
spawn pg_sql "BEGIN; SELECT pg_advisory_xact_lock_shared(7163082334259211379);
    INSERT INTO chancat.message
        SELECT 0, nextval('chancat.message_id'), 'held', 's', 'held', 1;
    SELECT pg_sleep(1); COMMIT" >held
locked() { [ "$(pg_sql "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")" -gt 0 ]; }
wait_until locked
post more me 'a higher id'
copy "$PG_URI" "$WORK/case.5/round.db"
assert_status 0
assert_eq "$(sqlite3 "$WORK/case.5/round.db" "SELECT count(*) FROM message
    WHERE content IN ('held', 'a higher id')")" 2
wait_for "$SPAWNED"
stop_server

test_case "nobody stores in a target meanwhile"
new_database
start_server -d "$PG_URI"
post t a b
pg_sql 'DELETE FROM chancat.message'
begin_copy "$BIG" "$PG_URI"
run curl -sS -o /dev/null -w '%{http_code}' "$URL/send" -d channel=t -d sender=a -d content=b
status=$(<out)
wait_for "$SPAWNED"
assert_status 0
case $status in
503) ;; # it was too late
*) assert_eq "$(curl -sS "$URL/get?channel=t" | jq '.[0].id')" 120001 ;;
esac
stop_server

done_testing
