#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The extra `keys`: a POST with an Idempotency-Key is stored once, however often it is sent.
. "$(dirname "$0")/lib.sh"
need jq curl sqlite3

# keyed KEY CONTENT [NAME]: posts to channel k; the reply is in NAME, its header in NAME.head, its
# status in NAME.status.
keyed() {
    local name=${3:-reply}
    curl -sS -D "$name.head" -o "$name" -w '%{http_code}\n' -H "Idempotency-Key: $1" "$URL/send" \
        -d channel=k -d sender=me --data-urlencode "content=$2" >"$name.status"
}

stored() {
    curl -sS "$URL/get?channel=k" | jq length
}

start_again() {
    start_daemon "$WORK/again.$1" "$CHANCATD" -l 127.0.0.1:0 -d "$DATABASE"
    SERVER_PID=$SPAWNED
}

# Holds the database as a backup may do, from a shell of sqlite3 that is written to on 7.
hold_database() {
    mkfifo orders
    # shellcheck disable=SC2016
    spawn bash -c 'exec sqlite3 "$1" <orders' - "$DATABASE"
    HOLDER=$SPAWNED
    exec 7>orders
    printf 'BEGIN IMMEDIATE;\n.shell touch held\n' >&7
    wait_until test -e held
}

release_database() {
    echo 'ROLLBACK;' >&7
    exec 7>&-
    wait_for "$HOLDER"
}

start_server

test_case "a repeat gets the same reply and says so"
keyed one 'hi & bye' first
assert_file first.status 200
assert_not_has first.head '^Idempotency-Replayed'
keyed one 'hi & bye' again
assert_file again.status 200
assert_has again.head '^Idempotency-Replayed: true.$'
assert_same first again
keyed one '  hi & bye ' again # what is stored of it is the same
assert_same first again
assert_eq "$(stored)" 1 stored

test_case "another message under the key is 422 and not stored"
keyed one 'something else'
assert_file reply.status 422
assert jq -e '.error | type == "string"' reply >/dev/null
assert_eq "$(stored)" 1 stored

test_case "a key that is none is 400"
long=$(printf 'k%.0s' $(seq 129))
for key in 'a b' "$long" 'ä'; do
    keyed "$key" x
    assert_file reply.status 400
    assert jq -e '.error | type == "string"' reply >/dev/null
done
assert_eq "$(curl -sS -o reply -w '%{http_code}' -H 'Idempotency-Key;' "$URL/send" \
    -d channel=k -d sender=me -d content=x)" 400 'status of an empty key'
keyed "${long%k}" x
assert_file reply.status 200

test_case "twenty at once are one message"
before=$(stored)
told() { [ "$(cat many.*.status 2>/dev/null | grep -c 409)" -ge 19 ] || refused; }
refused() { grep -qs 503 many.*.status; }
for try in 1 2 3 4 5; do
    rm -f many.* orders held
    hold_database
    pids=()
    for i in $(seq 20); do
        spawn keyed "many$try" hello "many.$i"
        pids+=("$SPAWNED")
    done
    wait_until told
    release_database
    for pid in "${pids[@]}"; do
        wait_for "$pid"
    done
    refused || break # else this machine was too slow: the first waits for 5 seconds at most
done
assert_eq "$(sort many.*.status | uniq -c | tr -s ' \n' ' ')" ' 1 200 19 409 ' statuses
assert_eq "$(grep -l '^Retry-After: 1.$' many.*.head | wc -l)" 19 'replies with Retry-After'
assert_eq "$(stored)" $((before + 1)) stored

test_case "twenty at once, and nothing holds them up"
before=$(stored)
pids=()
for i in $(seq 20); do
    spawn keyed free hello "free.$i"
    pids+=("$SPAWNED")
done
for pid in "${pids[@]}"; do
    wait_for "$pid"
done
assert_eq "$(sort -u free.*.status | grep -cv -e 200 -e 409)" 0 'other statuses'
assert_eq "$(grep -h '"id"' free.? free.?? | jq .id | sort -u | wc -l)" 1 ids
new=0
for i in $(seq 20); do
    if has "free.$i.status" 200 && ! has "free.$i.head" '^Idempotency-Replayed'; then
        new=$((new + 1))
    fi
done
assert_eq "$new" 1 'replies that are no repeat'
assert_eq "$(stored)" $((before + 1)) stored

test_case "keys survive kill -9, and what was cut off is stored once"
URL_BEFORE=$URL
keyed kept 'before the kill' first
rounds=5
for round in $(seq $rounds); do
    : >"acked.$round"
    pids=()
    for writer in 1 2 3 4; do
        # shellcheck disable=SC2016
        spawn bash -c 'for i in $(seq 1000); do
            curl -sS --fail -H "Idempotency-Key: $1.$2.$i" "$3/send" -d channel=cut -d sender=me \
                -d "content=$1.$2.$i" || { echo "$2 $i" >>"last.$1"; exit; }
            echo
        done' - "$round" "$writer" "$URL" >>"acked.$round" 2>/dev/null
        pids+=("$SPAWNED")
    done
    wait_until lines "acked.$round" 30
    stop_server KILL
    for pid in "${pids[@]}"; do
        wait_for "$pid"
    done
    start_again "$round"
    while read -r writer i; do # the outcome of these is unknown; those before are stored
        for n in $(seq "$i"); do
            curl -sS -H "Idempotency-Key: $round.$writer.$n" "$URL/send" -d channel=cut \
                -d sender=me -d "content=$round.$writer.$n"
            echo
        done
    done <"last.$round" >"repeated.$round"
done
assert [ "$URL" != "$URL_BEFORE" ]
curl -sS "$URL/get?channel=cut" >all
assert_eq "$(jq -r '.[].content' all | sort | uniq -d | wc -l)" 0 'stored twice'
assert_eq "$(jq -r .content repeated.* | sort -u | wc -l)" "$(jq length all)" stored
jq -c '[.id, .content, .time]' acked.* | sort >acknowledged
jq -c '[.id, .content, .time]' repeated.* | sort >repeats
assert [ "$(wc -l <acknowledged)" -ge $((rounds * 30)) ]
assert_eq "$(comm -23 acknowledged repeats | wc -l)" 0 'replies that a repeat did not get'
keyed kept 'before the kill' again
assert_same first again
keyed kept 'something else'
assert_file reply.status 422

test_case "a key counts for 7 days, then it is as new and its row goes"
age() {
    sqlite3 "$DATABASE" "UPDATE append_key SET time = strftime('%s') - $1 WHERE name = '$2'"
}
keyed aged old first
age $((7 * 86400 - 600)) aged
keyed aged old again
assert_has again.head '^Idempotency-Replayed: true'
age $((7 * 86400 + 1)) aged
age $((7 * 86400 + 1)) kept
keyed aged new again
assert_file again.status 200
assert_not_has again.head '^Idempotency-Replayed'
assert [ "$(jq .id again)" -gt "$(jq .id first)" ]
stop_server
start_again aged
post other me 'the first commit after a start looks for old keys'
assert_eq "$(sqlite3 "$DATABASE" "SELECT group_concat(name) FROM append_key
    WHERE name IN ('aged', 'kept')")" aged 'keys left'
stop_server
assert_status 0

test_case "a database of the version before gets keys"
sqlite3 old.db "CREATE TABLE message (id INTEGER PRIMARY KEY AUTOINCREMENT,
        channel TEXT NOT NULL, sender TEXT NOT NULL, content TEXT NOT NULL, time INTEGER NOT NULL);
    CREATE INDEX message_channel ON message (channel, id);
    INSERT INTO message VALUES (7, 'k', 'me', 'old', 1700000000);
    PRAGMA user_version = 1;"
start_server -d old.db
keyed one new
keyed one new
assert_has reply.head '^Idempotency-Replayed: true'
assert_eq "$(curl -sS "$URL/get?channel=k" | jq -c 'map([.id, .content])')" '[[7,"old"],[8,"new"]]'
stop_server
assert_status 0

done_testing
