#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# /healthz tells whether a message would be stored, /metrics what the server does, and with -v each
# request is a line on stderr.
. "$(dirname "$0")/lib.sh"
need jq curl sqlite3

# Takes the database away from the server until give_back.
hold() {
    mkfifo hold
    exec 7<>hold
    spawn sqlite3 "$DATABASE" <hold >held 2>&1 7>&-
    HOLDER=$SPAWNED
    printf 'BEGIN IMMEDIATE;\nSELECT 1;\n' >&7
    wait_until lines held 1
}

give_back() {
    echo .exit >&7
    exec 7>&-
    wait_for "$HOLDER"
}

status_of() {
    curl -sS -o reply -w '%{http_code}' "$@"
}

# The value of the metric whose name and labels are $1.
metric() {
    curl -sS "${@:2}" "$URL/metrics" | awk -v name="$1" '$1 == name { print $2 }'
}

start_server -v
test_case "a server that can store is healthy, and says so to whoever balances the load"
assert_eq "$(status_of "$URL/healthz")" 200
assert_file reply '{"status":"ok"}'
assert_eq "$(curl -sS -I -o /dev/null -w '%{http_code}' "$URL/healthz")" 200
assert_eq "$(curl -sS "$URL/get?channel=t")" '[]' 'messages'

test_case "one whose database is held by another is not, in time, and it passes"
hold
sick() { [ "$(status_of "$URL/healthz")" = 503 ]; }
wait_until sick # the last good result is good for a second
assert jq -e '.error | startswith("No message can be stored")' reply >/dev/null
assert_eq "$(curl -sS -o /dev/null -w '%{http_code}' "$URL/healthz")" 503
give_back
healthy() { [ "$(status_of "$URL/healthz")" = 200 ]; }
wait_until healthy

test_case "a database whose file is gone is told once, and nothing is stored into it"
logged_gone() { grep -c 'removed or replaced' "$SERVER_LOG"; }
assert_eq "$(logged_gone)" 0
mv "$DATABASE" away.db
wait_until sick
assert_eq "$(jq -r .error reply)" 'No message can be stored: the database was removed or replaced'
for _ in 1 2 3; do
    assert_eq "$(status_of "$URL/send" -d 'channel=gone&sender=me&content=lost')" 503
done
assert_eq "$(logged_gone)" 1 'lines'
cp away.db "$DATABASE"
assert_eq "$(status_of "$URL/send" -d 'channel=gone&sender=me&content=lost')" 503
mv away.db "$DATABASE"
wait_until healthy
assert_eq "$(curl -sS "$URL/get?channel=gone")" '[]' 'messages'

test_case "what is counted can be read"
post t me one
post t me two
curl -sS -o /dev/null "$URL/nonsense"
curl -sS "$URL/get?channel=t&last=2&wait=20" >/dev/null &
wait_until server_waits 1
only_two() { [ "$(metric chancatd_connections)" = 2 ]; } # who waits, and who asks
wait_until only_two
curl -sS -D head -o metrics "$URL/metrics"
assert_has head '^Content-Type: text/plain; version=0\.0\.4'
assert_eq "$(metric 'chancatd_http_requests_total{route="/send",status="200"}')" 2
assert_eq "$(metric 'chancatd_http_requests_total{route="other",status="404"}')" 1
assert_eq "$(metric chancatd_messages_stored_total)" 2
assert [ "$(metric chancatd_database_bytes)" -gt 4096 ]
assert [ "$(metric chancatd_wal_bytes)" -gt 4096 ]
assert [ "$(metric chancatd_commit_seconds_count)" -ge 4 ]
post t me three # ends the wait
wait "$!"
waits_no_more() { [ "$(metric chancatd_waiters)" = 0 ]; }
wait_until waits_no_more

test_case "the text is as Prometheus wants it"
# A type before each family's samples, a number behind each name, no sample twice.
curl -sS "$URL/metrics" >metrics
awk '
    /^# HELP / { next }
    /^# TYPE / { type[$3] = $4; next }
    {
        name = $1
        sub(/[{].*/, "", name)
        family = name
        if (!(family in type)) sub(/_(bucket|sum|count)$/, "", family)
        if (!(family in type)) print "no type: " $0
        if ($1 !~ /^[a-z_]+([{][a-z]+="[^"]*"(,[a-z]+="[^"]*")*[}])?$/) print "name: " $0
        if ($NF !~ /^[0-9]+([.][0-9]+)?$/ || NF != 2) print "value: " $0
        if (seen[$1]++) print "twice: " $0
    }' metrics >wrong
assert_empty wrong
assert [ "$(wc -l <metrics)" -gt 30 ]

test_case "each request is a line, without what is nobody else's business"
curl -sS -o /dev/null "$URL/get?channel=t&token=sesame&last=1"
curl -sS -o /dev/null "$URL/send?content=for+your+eyes" -d 'channel=t&sender=me'
exec 8<>"/dev/tcp/127.0.0.1/$PORT"
printf 'GET /\033[2J HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >&8
cat <&8 >/dev/null
exec 8>&-
logged_all() { has "$SERVER_LOG" ' 404 .*2J$'; }
wait_until logged_all
line='^chancatd: 127\.0\.0\.1:[0-9]* '
wait_until has "$SERVER_LOG" "${line}200 [0-9]* bytes [0-9]* ms GET /get?channel=t&token=\*&last=1\$"
wait_until has "$SERVER_LOG" "${line}200 [0-9]* bytes [0-9]* ms POST /send?content=\*\$"
wait_until has "$SERVER_LOG" "${line}404 30 bytes [0-9]* ms GET /\\\\u001b.2J\$"
wait_until has "$SERVER_LOG" "${line}200 15 bytes [0-9]* ms GET /healthz\$"
wait_until has "$SERVER_LOG" "${line}503 [0-9]* bytes [0-9]* ms GET /healthz\$"
assert_not_has "$SERVER_LOG" 'sesame'
assert_not_has "$SERVER_LOG" 'your'
assert_eq "$(LC_ALL=C tr -d '\n -~' <"$SERVER_LOG")" '' 'bytes that are not printable ASCII'
stop_server
assert_status 0

test_case "a token opens the metrics, and health needs none"
echo sesame >"$WORK/token"
start_server --token-file "$WORK/token"
assert_eq "$(status_of "$URL/metrics")" 401
assert_eq "$(status_of "$URL/healthz")" 200
assert_eq "$(status_of -H 'Authorization: Bearer wrong' "$URL/healthz")" 200
assert_eq "$(status_of "$URL/healthz/")" 401
assert_eq "$(status_of -H 'Authorization: Bearer sesame' "$URL/metrics")" 200
assert_eq "$(metric 'chancatd_http_requests_total{route="/metrics",status="401"}' \
    -H 'Authorization: Bearer sesame')" 1
stop_server
assert_not_has "$SERVER_LOG" GET
test_case "a log that nobody reads stops nothing, and what was lost of it is told"
mkfifo log
# shellcheck disable=SC2016
spawn bash -c 'exec "$@" 2>log' - "$CHANCATD" -v -l 127.0.0.1:0 -d :memory:
exec 4<log
read -r line <&4
url=${line##* }
long=$(printf '%0900d' 0)
for ((i = 0; i < 120; i++)); do
    curl -sS -m "$WAIT_SECS" -o /dev/null "$url/get?channel=t&last=$long" || break
done
assert_eq "$i" 120 "requests that were answered"
timeout $((WAIT_SECS * 2)) cat <&4 >rest &
reader=$!
wait_until has rest 'last=0'
curl -sS -m "$WAIT_SECS" -o /dev/null "$url/get?channel=t"
wait_until has rest 'lines were lost'
kill -TERM "$SPAWNED"
wait_for "$SPAWNED"
assert_status 0
wait "$reader"
exec 4<&-

done_testing
