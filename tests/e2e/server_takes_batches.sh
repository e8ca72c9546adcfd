#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The extra `batch`: many messages in one request, all of them or none.
. "$(dirname "$0")/lib.sh"
need jq curl sqlite3

# batch FILE [CURL OPTION...]: posts it; the reply is in reply, its header in head, its status in
# status.
batch() {
    local file=$1
    shift
    curl -sS -D head -o reply -w '%{http_code}\n' -H 'Content-Type: application/x-ndjson' "$@" \
        --data-binary "@$file" "$URL/batch" >status
}

# lines_of CHANNEL FIRST LAST: a batch with these numbers as content.
lines_of() {
    seq "$2" "$3" | jq -c --arg channel "$1" '{$channel, sender: "me", content: tostring}'
}

stored() {
    curl -sS "$URL/get?channel=$1" | jq length
}

assert_refused() {
    assert_file status "$1"
    assert jq -e '.error | type == "string"' reply >/dev/null
}

start_server

test_case "a batch is stored in order, with ids in a row, and the reply is as that of /get"
post other me 'not in the batch'
lines_of order 1 1000 >lines
batch lines
assert_file status 200
assert_has head '^Content-Type: application/json'
assert_has head '^Chancat-Features: .*\bbatch\b'
assert_eq "$(jq -r '.[].content' reply)" "$(seq 1000)" contents
assert_eq "$(jq -c '[.[-1].id - .[0].id, length]' reply)" '[999,1000]' ids
curl -sS "$URL/get?channel=order" >got
assert_same reply got

test_case "what is stored is trimmed, valid and escaped as by /send"
printf '%s\r\n' '{"channel":" t ","sender":"\u00a0me\t","content":" <1> \u0000 & \"2\" "}' \
    >lines
printf '{"channel":"t","sender":"me\xff","content":"last, without a newline"}' >>lines
batch lines
assert_eq "$(jq -c 'map([.channel, .sender, .content])' reply)" \
    '[["t","me","&lt;1&gt; \u0000 &amp; &#34;2&#34;"],["t","me�","last, without a newline"]]'
curl -sS "$URL/get?channel=t" >got
assert_same reply got

test_case "what chancat prints can be sent back as it is"
"$CHANCAT" -r -n all order >lines
batch lines
assert_file status 200
assert_eq "$(stored order)" 2000 stored

test_case "a bad line is named, and nothing of its batch is stored"
before=$(sqlite3 "$DATABASE" 'SELECT count(*) FROM message')
for bad in hello '[]' '' '{"channel":"none","sender":"me"}' '{"channel":7}' \
    '{"channel":"none","sender":"me","content":" "}'; do
    { lines_of none 1 500 && printf '%s\n' "$bad" && lines_of none 502 600; } >lines
    batch lines
    assert_refused 400
    assert jq -e '.error | startswith("line 501: ")' reply >/dev/null
done
: >lines
batch lines
assert_refused 400
assert_eq "$(sqlite3 "$DATABASE" 'SELECT count(*) FROM message')" "$before" stored
assert_eq "$(stored none)" 0 stored

test_case "1,000 lines and 1 MiB are taken, one more is 413"
lines_of full 1 1000 >lines
echo >>lines # blank, at the end: it does not count
batch lines
assert_file status 200
lines_of full 1 1001 >lines
batch lines
assert_refused 413
assert_has reply '1,000 lines'
head -c 1048531 /dev/zero | tr '\0' x |
    jq -cRs '{channel: "full", sender: "me", content: .}' | head -c 1048576 >lines
assert_eq "$(wc -c <lines)" 1048576 bytes
assert_has lines '}$'
batch lines -H 'Expect:'
assert_file status 200
assert_eq "$(jq '.[0].content | length' reply)" 1048531 length
echo >>lines
for expect in 'Expect:' 'Expect: 100-continue'; do
    batch lines -H "$expect"
    assert_refused 413
    assert_has reply '1 MiB'
done
batch lines -H 'Transfer-Encoding: chunked' -H 'Expect:'
assert_refused 413
assert_eq "$(curl -sS -o reply -w '%{http_code}' -H 'Transfer-Encoding: chunked' -H 'Expect:' \
    -H 'Content-Type: text/plain' --data-binary @lines "$URL/batch")" 413 'what is not even kept'
assert_eq "$(stored full)" 1001 stored

test_case "another type is 415, another method 404"
lines_of none 1 1 >lines
for type in application/json application/x-www-form-urlencoded text/plain ''; do
    curl -sS -o reply -w '%{http_code}\n' -H "Content-Type: $type" --data-binary @lines \
        "$URL/batch" >status
    assert_refused 415
done
assert_eq "$(curl -sS -o reply -w '%{http_code}' "$URL/batch")" 404 'status of a GET'
assert_eq "$(stored none)" 0 stored

test_case "two channels in one batch, and who waits gets all lines of it at once"
pids=()
for i in 1 2 3; do
    for channel in left right; do
        spawn curl -sS "$URL/get?channel=$channel&wait=25" >"$channel.$i"
        pids+=("$SPAWNED")
    done
done
wait_until server_waits 6
seq 400 | jq -c '{channel: (if . % 2 == 1 then "left" else "right" end), sender: "me",
    content: tostring}' >lines
batch lines
assert_file status 200
for pid in "${pids[@]}"; do
    wait_for "$pid"
    assert_status 0
done
for i in 1 2 3; do
    assert_eq "$(jq -r '.[].content' "left.$i")" "$(seq 1 2 400)" "lines of left.$i"
    assert_eq "$(jq -r '.[].content' "right.$i")" "$(seq 2 2 400)" "lines of right.$i"
done
jq -c '.[]' left.1 right.1 | jq -cs 'sort_by(.id)' >both
jq -c . reply >got
assert_same both got

test_case "a repeat under a key gets the same reply and says so; another batch is 422"
lines_of keyed 1 100 >lines
batch lines -H 'Idempotency-Key: one'
assert_not_has head '^Idempotency-Replayed'
mv reply first
batch lines -H 'Idempotency-Key: one'
assert_file status 200
assert_has head '^Idempotency-Replayed: true'
assert_same reply first
lines_of keyed 1 99 >lines
batch lines -H 'Idempotency-Key: one'
assert_refused 422
sed 's/"42"/"43"/' lines >changed
lines_of keyed 100 100 >>changed
batch changed -H 'Idempotency-Key: one'
assert_refused 422
assert_eq "$(stored keyed)" 100 stored

test_case "a batch is whole or not there after kill -9, and repeats store what was cut off once"
rounds=5
for round in $(seq $rounds); do
    pids=()
    for writer in 1 2 3; do
        # shellcheck disable=SC2016
        spawn bash -c 'for i in $(seq 1000); do
            seq 200 | jq -c --arg n "$1.$2.$i" \
                "{channel: \"cut\", sender: \$n, content: tostring}" >"sent.$1.$2.$i"
            echo "$1.$2.$i" >"last.$1.$2"
            curl -sS --fail -H "Content-Type: application/x-ndjson" \
                -H "Idempotency-Key: $1.$2.$i" --data-binary "@sent.$1.$2.$i" \
                "$3/batch" >"acked.$1.$2.$i" || exit
            echo >>"done.$1"
        done' - "$round" "$writer" "$URL" 2>/dev/null
        pids+=("$SPAWNED")
    done
    wait_until lines "done.$round" 5
    stop_server KILL
    for pid in "${pids[@]}"; do
        wait_for "$pid"
    done
    assert_eq "$(sqlite3 "$DATABASE" "SELECT count(*) FROM
        (SELECT 1 FROM message WHERE channel = 'cut' GROUP BY sender HAVING count(*) <> 200)")" \
        0 'torn batches'
    start_daemon "$WORK/again.$round" "$CHANCATD" -l 127.0.0.1:0 -d "$DATABASE"
    SERVER_PID=$SPAWNED
    for name in $(cat "last.$round".*) "$round.1.1"; do # of unknown outcome, and an old one
        cp "acked.$name" before
        batch "sent.$name" -H "Idempotency-Key: $name"
        assert_file status 200
        if [ "$(jq length before 2>/dev/null)" = 200 ]; then
            assert_same reply before
        fi
        cp reply "acked.$name"
    done
done
sqlite3 "$DATABASE" "SELECT sender, count(*), max(id) - min(id),
    group_concat(content, ' ') FROM message WHERE channel = 'cut' GROUP BY sender" >batches
assert_eq "$(cut -d'|' -f 2- batches | sort -u)" "200|199|$(seq -s ' ' 200)" 'every batch'
assert_eq "$(cut -d'|' -f 1 batches | sort)" \
    "$(for sent in sent.*; do echo "${sent#sent.}"; done | sort)" 'senders'
assert [ "$(wc -l <batches)" -ge $((rounds * 5)) ]
curl -sS "$URL/get?channel=cut" | jq -c '.[]' | sort >all
cat acked.* | jq -c '.[]' | sort >acknowledged
assert_same all acknowledged

test_case "what could not be written in time is 503 and never stored"
mkfifo orders
# shellcheck disable=SC2016
spawn bash -c 'exec sqlite3 "$1" <orders' - "$DATABASE"
holder=$SPAWNED
exec 7>orders
printf 'BEGIN IMMEDIATE;\n.shell touch held\n' >&7
wait_until test -e held
lines_of late 1 10 >lines
batch lines -H 'Idempotency-Key: late' 7>&-
assert_refused 503
assert_has head '^Retry-After: [0-9]'
echo 'ROLLBACK;' >&7
exec 7>&-
wait_for "$holder"
post late me after
assert_eq "$(stored late)" 1 stored
batch lines -H 'Idempotency-Key: late'
assert_file status 200
assert_not_has head '^Idempotency-Replayed'
assert_eq "$(stored late)" 11 stored

test_case "lines that are hard to read cost little memory"
for item in '[],' '{},' '1,'; do
    { printf '{"channel":"hard","sender":"me","content":"x","x":[' &&
        yes "$item" | tr -d '\n' | head -c 1048500 | head -c -"$((1048500 % ${#item}))" &&
        printf '0]}'; } >lines
    for _ in 1 2 3; do
        batch lines -H 'Expect:'
        assert_file status 200
    done
done
peak=$(peak_kib "$SERVER_PID")
[ -n "$SANITIZE" ] || assert [ "$peak" -le 131072 ]
stop_server
assert_status 0

test_case "a plain server has no batches"
start_server --plain
lines_of none 1 1 >lines
batch lines
assert_refused 404
stop_server
assert_status 0

done_testing
