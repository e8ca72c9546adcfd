#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What chancatd makes of a PostgreSQL database as it starts: which it uses, which it refuses and how
# it says so, and the ways to get there.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pg.sh"

start_postgres -c fsync=off -c max_connections=100
PG_DATABASE=postgres pg_sql "CREATE ROLE guest LOGIN; CREATE ROLE secretive LOGIN PASSWORD 'hunter2'"

# refused URI REGEX: neither a start nor a check; one line says why, and shows no password.
refused() {
    local way
    for way in -l127.0.0.1:0 --check; do
        run "$CHANCATD" -d "$1" "$way"
        case $way in
        --check) assert_status 2 ;;
        *) assert_status 1 ;;
        esac
        grep -v 'can be lost' err >one_line
        assert_lines one_line 1
        assert_has one_line "$2"
        assert_not_has err 'hunter\|wrong2'
        assert_empty out
    done
}

# good URI: a check says so, and a server takes a message and gives it back.
good() {
    run "$CHANCATD" -d "$1" --check
    assert_status 0
    assert_not_has out 'hunter'
    start_server -v -d "$1"
    post c s 'hello there'
    assert_eq "$(curl -sS "$URL/get?channel=c&last=0" | jq -r '.[-1].content')" 'hello there'
    stop_server
    assert_status 0
    assert_not_has "$SERVER_LOG" 'hunter'
}

uri_as() {
    "$PG_TOOL" uri "$PG_DIR" "$PG_DATABASE" "$1"
}

# shellcheck disable=SC2317 # called by wait_until
schema_is_gone() {
    [ "$(pg_sql "SELECT count(*) FROM pg_namespace WHERE nspname = 'chancat'")" = 0 ]
}

# shellcheck disable=SC2317 # called by wait_until
old_keys_are_gone() {
    [ "$(pg_sql "SELECT count(*) FROM chancat.append_key WHERE name LIKE 'old%'")" = 0 ]
}

test_case 'eight servers that start at once on an empty database make one schema'
new_database
pids=()
for i in 1 2 3 4 5 6 7 8; do
    spawn "$CHANCATD" -l "unix:$PWD/s$i" -d "$PG_URI" >/dev/null 2>"log$i"
    pids+=("$SPAWNED")
done
for i in 1 2 3 4 5 6 7 8; do
    wait_until has "log$i" 'listening on\|cannot'
    assert_has "log$i" 'listening on'
    CHANCAT_URL=http://localhost curl -sS -o /dev/null --fail --unix-socket "s$i" \
        http://localhost/send -d "channel=c&sender=s&content=$i" || fail "server $i stores nothing"
done
kill "${pids[@]}"
for pid in "${pids[@]}"; do
    wait_for "$pid"
    assert_status 0
done
assert_eq "$(pg_sql 'SELECT count(*) FROM chancat.version')" 1
assert_eq "$(pg_sql 'SELECT count(*) FROM chancat.message')" 8

test_case 'a role that may make nothing uses a schema that is there'
# Those of chancatd(8), which are enough for keys, their end, a probe and both ends of a copy, too.
pg_sql 'GRANT USAGE ON SCHEMA chancat TO guest;
    GRANT USAGE ON SEQUENCE chancat.message_id TO guest;
    GRANT SELECT, INSERT ON chancat.message TO guest;
    GRANT SELECT, INSERT, DELETE, UPDATE ON chancat.append_key TO guest;
    GRANT SELECT ON chancat.version TO guest'
good "$(uri_as guest)"
pg_sql "INSERT INTO chancat.append_key
    SELECT 'old' || i, 1, decode('0000000000000001', 'hex'), i FROM generate_series(1, 2500) AS i"
start_server -d "$(uri_as guest)"
wait_until old_keys_are_gone
for i in 1 2; do
    curl -sS -o /dev/null -w '%{http_code}\n' -H 'Idempotency-Key: k' "$URL/send" \
        -d 'channel=c&sender=s&content=keyed'
    # One that is too old gives its name to another message.
    pg_sql 'UPDATE chancat.append_key SET time = 0, fingerprint = 0'
done >status
curl -sS -o /dev/null -w '%{http_code}\n' "$URL/healthz" >>status
assert_file status $'200\n200\n200'
stop_server
run "$CHANCATD" --copy "$(uri_as guest)" of_guest.db
assert_status 0
pg_sql 'TRUNCATE chancat.message, chancat.append_key; ALTER SEQUENCE chancat.message_id RESTART'
run "$CHANCATD" --copy of_guest.db "$(uri_as guest)"
assert_status 1
assert_has err 'permission denied for sequence message_id'
assert_eq "$(pg_sql 'SELECT count(*) FROM chancat.message')" 0 # it is told at once
pg_sql 'GRANT UPDATE ON SEQUENCE chancat.message_id TO guest'
run "$CHANCATD" --copy of_guest.db "$(uri_as guest)"
assert_status 0

test_case 'without a schema it is told that it may not make one, and makes nothing'
new_database
refused "$(uri_as guest)" 'permission denied\|may not make'
assert schema_is_gone

test_case 'a check makes nothing'
run "$CHANCATD" -d "$PG_URI" --check
assert_status 0
assert schema_is_gone

test_case 'a schema that is another program'\''s is left alone'
pg_sql 'CREATE SCHEMA chancat AUTHORIZATION chancat; CREATE TABLE chancat.cats (name text)'
refused "$PG_URI" "another program's"
assert_eq "$(pg_sql "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND
    relnamespace = 'chancat'::regnamespace")" 1
pg_sql 'DROP TABLE chancat.cats; DROP SCHEMA chancat'

test_case 'an empty schema that somebody made is another program'\''s, too'
pg_sql 'CREATE SCHEMA chancat AUTHORIZATION chancat'
refused "$PG_URI" "another program's"
pg_sql 'DROP SCHEMA chancat'

test_case 'a schema of a later version is refused'
good "$PG_URI"
pg_sql 'UPDATE chancat.version SET version = 99'
refused "$PG_URI" 'version 99, this program knows version'
pg_sql 'UPDATE chancat.version SET version = 1'

test_case 'a sequence with a cache is refused, and the remedy is named'
pg_sql 'ALTER SEQUENCE chancat.message_id CACHE 20'
refused "$PG_URI" 'ALTER SEQUENCE chancat.message_id CACHE 1'
pg_sql 'ALTER SEQUENCE chancat.message_id CACHE 1'
good "$PG_URI"

test_case 'what is acknowledged but may be lost is said loudly'
pg_sql "ALTER DATABASE $PG_DATABASE SET synchronous_commit = off"
start_server -d "$PG_URI"
assert_has "$SERVER_LOG" 'synchronous_commit of the database is not on'
assert_has "$SERVER_LOG" 'fsync of the database is off'
stop_server
pg_sql "ALTER DATABASE $PG_DATABASE RESET synchronous_commit"
start_server -d "$PG_URI"
assert_not_has "$SERVER_LOG" 'synchronous_commit'
stop_server

test_case 'a database that can only be read is refused'
pg_sql "ALTER DATABASE $PG_DATABASE SET default_transaction_read_only = on"
refused "$PG_URI" 'read-only'
pg_sql "BEGIN; SET TRANSACTION READ WRITE;
    ALTER DATABASE $PG_DATABASE RESET default_transaction_read_only; COMMIT"

test_case 'who and what is not there is told in one line'
refused "$(uri_as nobody_at_all)" 'role "nobody_at_all" does not exist'
refused "$("$PG_TOOL" uri "$PG_DIR" none)" 'database "none" does not exist'
refused 'postgresql://u:hunter2@/chancat?host=/no/such/directory' 'No such file or directory'
refused 'postgresql://u:hunter2@127.0.0.1:1/chancat' 'Connection refused'
refused 'postgresql://u:hunter2/x@127.0.0.1/chancat' 'URI'
refused 'postgresql://u:hunter2@/chancat?host=/tmp&sslmode=odd' 'URI'
refused 'postgresql:///chancat?user=u&password=hun%zzter2' 'URI'
refused 'postgresql://u:hunter2@[::1/chancat' 'URI'
refused "$PG_URI&service=none" 'service'

# In front of the line by which anybody is trusted.
hba=$PG_DIR/data/pg_hba.conf
{ echo 'local all secretive scram-sha-256' && cat "$hba"; } >hba && cat hba >"$hba"
pg_sql 'SELECT pg_reload_conf()' >/dev/null
pg_sql "SET client_min_messages = warning;
    GRANT CREATE ON DATABASE $PG_DATABASE TO secretive; DROP SCHEMA chancat CASCADE"

test_case 'a wrong password is told, and not shown'
refused "$(uri_as secretive)" 'no password supplied'
refused "$(uri_as secretive)&password=wrong2" 'password authentication failed'

test_case 'a password in the URI is used, and shown nowhere'
good "$(uri_as secretive)&password=hunter2"

test_case 'a password file and a service file are used as libpq does'
echo '*:*:*:secretive:hunter2' >"$HOME/.pgpass"
chmod 600 "$HOME/.pgpass"
good "$(uri_as secretive)"
printf '[chat]\nhost=%s\nport=10432\nuser=secretive\ndbname=%s\n' "$PG_DIR/s" "$PG_DATABASE" \
    >"$HOME/.pg_service.conf"
good 'postgresql:///?service=chat'
good 'postgres://?service=chat'

test_case 'as many connections as there may be are told'
pg_sql 'ALTER ROLE chancat CONNECTION LIMIT 0'
refused "$PG_URI" 'too many connections'
pg_sql 'ALTER ROLE chancat CONNECTION LIMIT -1'

done_testing
