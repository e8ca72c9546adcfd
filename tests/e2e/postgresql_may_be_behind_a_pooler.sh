#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Two servers reach PostgreSQL through pgbouncer, which gives each transaction whatever connection is
# free: what is stored is shown by both, once and in order, and who waits is answered.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pg.sh"

need pgbouncer
start_postgres -c fsync=off

# Like the server it refuses to be root, and has to get into the directory of the test.
as_pooler=()
if [ "$(id -u)" = 0 ]; then
    need setpriv
    as_pooler=(setpriv "--reuid=$(id -u nobody)" "--regid=$(id -g nobody)" --clear-groups
        --inh-caps=+dac_override --ambient-caps=+dac_override)
    "${as_pooler[@]}" true 2>/dev/null || skip 'no other user can be had here'
fi

pooler=$WORK/pooler
mkdir "$pooler"
cat >"$pooler/ini" <<END
[databases]
$PG_DATABASE = host=$PG_DIR/s port=10432 user=chancat
[pgbouncer]
listen_addr =
listen_port = 10433
unix_socket_dir = $pooler
auth_type = any
pool_mode = transaction
default_pool_size = 3
END
spawn "${as_pooler[@]}" pgbouncer -q "$pooler/ini" >"$pooler/log" 2>&1
wait_until test -e "$pooler/.s.PGSQL.10433"
PG_URI="postgresql:///$PG_DATABASE?host=$pooler&port=10433&user=chancat"

start_server -d "$PG_URI"
one=$URL
start_server -d "$PG_URI"
other=$URL

test_case 'what is stored through two servers is shown by both, once and in order'
seq -f 'one %.0f' 300 >lines.1
seq -f 'other %.0f' 300 >lines.2
spawn "$CHANCAT" -s -u "$one" -S s c <lines.1 >/dev/null 2>err.1
first=$SPAWNED
spawn "$CHANCAT" -s -u "$other" -S s c <lines.2 >/dev/null 2>err.2
wait_for "$first"
assert_status 0
wait_for "$SPAWNED"
assert_status 0
for url in "$one" "$other"; do
    curl -sS "$url/get?channel=c&last=0" | jq -c '.[]' >all
    assert_lines all 600
    assert_stream all
    jq -r '.content' all >contents
    grep '^one' contents >got.1
    grep '^other' contents >got.2
    assert_same got.1 lines.1
    assert_same got.2 lines.2
done

test_case 'a key counts at both, and a batch is whole'
for url in "$one" "$other" "$one"; do
    curl -sS -D head -o reply -H 'Idempotency-Key: k' "$url/send" -d 'channel=k&sender=s&content=x'
done
assert_has head 'Idempotency-Replayed: true'
assert_eq "$(curl -sS "$one/get?channel=k&last=0" | jq length)" 1
seq -f '{"channel":"b%.0f","sender":"s","content":"x"}' 200 >batch.jsonl
curl -sS -o reply -H 'Content-Type: application/x-ndjson' --data-binary @batch.jsonl "$other/batch"
assert_eq "$(curl -sS "$one/get?channel=b200&last=0" | jq length)" 1
assert_eq "$(pg_sql "SELECT count(*) FROM chancat.message WHERE channel LIKE 'b%'")" 200

test_case 'who waits at one is answered when the other has news'
spawn curl -sS -o "$PWD/news" "$other/get?channel=w&last=0&wait=20"
waiting=$SPAWNED
URL=$other
wait_until server_waits 1
CHANCAT_URL=$one post w s hello
wait_for "$waiting"
assert_eq "$(jq -r '.[0].content' news)" hello

test_case 'sessions that the pooler has lost are made anew'
URL=$one
pg_sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'chancat'" >/dev/null
CHANCAT_URL=$one post k s again
assert_eq "$(curl -sS "$other/get?channel=k&last=0" | jq length)" 2

done_testing
