#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# contrib/cluster/haproxy.cfg is right, and does in front of servers what its comments say.
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin:/usr/local/sbin
need haproxy curl
config=$ROOT/contrib/cluster/haproxy.cfg
socket=$WORK/proxy
proxied=(curl -sS --unix-socket "$socket" --max-time "$WAIT_SECS")

# start_haproxy SERVER...: up to three, the others do not exist. It answers at the Unix socket.
start_haproxy() {
    local none=unix@$WORK/none
    rm -f "$socket"
    PROXY_LOG=$WORK/haproxy.log
    : >"$PROXY_LOG"
    CHANCAT_BIND=unix@$socket CHANCATD_1=${1:-$none} CHANCATD_2=${2:-$none} CHANCATD_3=${3:-$none} \
        spawn haproxy -db -f "$config" >>"$PROXY_LOG" 2>&1
    PROXY_PID=$SPAWNED
    wait_until test -S "$socket"
}

# For wait_until: haproxy has noticed that server $1 is up or down.
noticed() {
    grep 'Server chancatd/' "$PROXY_LOG" | grep "chancatd$1 " | tail -n 1 | grep -q "is $2"
}

waiters() {
    curl -sS "$1/metrics" | sed -n 's/^chancatd_waiters //p'
}

# For wait_until: so many followers wait at the two servers.
follow() {
    [ "$(($(waiters "$first") + $(waiters "$second")))" = "$1" ]
}

# For wait_until: at most $2 connections to the server with this URL are open.
connected() {
    [ "$(awk -v port=":$(printf %04X "${1##*:}")" '$3 ~ port "$" && $4 == "01"' /proc/net/tcp |
        wc -l)" -le "$2" ]
}

test_case "haproxy finds nothing wrong with it"
run haproxy -c -f "$config"
assert_status 0
assert_empty err
assert_file out 'Configuration file is valid'
CHANCAT_BIND=unix@/run/a CHANCATD_1=unix@/run/b CHANCATD_2='[::1]:80' run haproxy -c -f "$config"
assert_status 0
assert_empty err

test_case "the units and it agree on ports, and it waits longer than a server does"
grep -o 'CHANCATD_[0-9]-127.0.0.1:[0-9]*' "$config" | sed 's/.*:/chancatd@/' >ports
assert_lines ports 3
for file in "$config" "$ROOT/contrib/systemd/chancatd@.service"; do
    assert grep -q "enable --now $(tr '\n' ' ' <ports | sed 's/ $//')\$" "$file"
done
longest=$(sed -n '/^\.It wait for a message$/{n;s/ seconds.*//p;}' "$ROOT/man/chancatd.8")
assert test "$longest" -gt 0
assert test "$(sed -n 's/^ *timeout server \([0-9]*\)s$/\1/p' "$config")" -gt $((longest + 5))
assert_not_has "$config" '^ *retry-on'

start_server
first=$URL first_pid=$SERVER_PID
start_server
second=$URL
start_haproxy "${first#http://}" "${second#http://}"

test_case "what a server says about itself reaches the client, and what the client asks the server"
run "${proxied[@]}" -D headers -o body -H 'Idempotency-Key: k' http://chat/send \
    --data 'channel=t&sender=me&content=hello'
assert_status 0
assert_has headers '^HTTP/1.1 200'
assert_has headers '^[Cc]hancat-[Ff]eatures: .*keys'
run "${proxied[@]}" -o /dev/null -w '%{num_connects}\n' http://chat/healthz --next \
    --unix-socket "$socket" -sS -o /dev/null -w '%{num_connects}\n' http://chat/healthz
assert_file out $'1\n0' # the second request came over the connection of the first

test_case "followers are spread evenly, and one that leaves frees its place"
followers=()
for i in 1 2 3 4; do
    spawn "${proxied[@]}" "http://chat/get?channel=none&last=0&wait=25" >"out.$i" 2>&1
    followers+=("$SPAWNED")
    wait_until follow "$i"
done
assert_eq "$(waiters "$first") $(waiters "$second")" '2 2' 'waiters at the two servers'
began=$SECONDS
for process in "${followers[@]}"; do
    end_process "$process"
done
# One may be open that nobody uses.
wait_until connected "$first" 1
wait_until connected "$second" 1
assert test $((SECONDS - began)) -lt 15
end_process "$PROXY_PID"

test_case "a server that is killed is done without, at once, and used again when it is back"
start_haproxy "${first#http://}" "${second#http://}"
kill -KILL "$first_pid"
wait_for "$first_pid"
for i in 1 2 3 4 5 6; do
    run "${proxied[@]}" -o /dev/null -w '%{http_code}\n' http://chat/send \
        --data "channel=t&sender=me&content=$i"
    assert_file out 200
done
wait_until noticed 1 DOWN
start_server -l "${first#http://}"
wait_until noticed 1 UP
end_process "$PROXY_PID"

test_case "a server that could store nothing is done without"
start_fault 'GET /healthz * status 503' 'GET /get * normal'
start_haproxy "${URL#http://}" "${second#http://}"
wait_until noticed 1 DOWN
before=$(logged /get)
for i in 1 2 3 4; do
    run "${proxied[@]}" -o /dev/null -w '%{http_code}\n' "http://chat/get?channel=t"
    assert_file out 200
done
assert_eq "$(logged /get)" "$before" 'requests to it'
assert logged /healthz 1
end_process "$PROXY_PID"

done_testing
