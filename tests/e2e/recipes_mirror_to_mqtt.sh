#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# contrib/recipes/mqtt mirrors a channel to an MQTT broker and back.
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin:/usr/local/sbin
need jq curl ps mosquitto mosquitto_pub mosquitto_sub

mkdir "$WORK/bin"
ln -s "$CHANCAT" "$WORK/bin/chancat"
export PATH=$WORK/bin:$PATH

HOSTILE=$'a "b" \'c\' $(d) `e` %s \\n, <b>&amp;</b>\n\e[31m\e]0;title\a\u202egnp.exe'
SOCKET=$WORK/broker

group_gone() {
    ! ps -e -o pgid=,stat= | awk -v group="$1" '$1 == group && $2 !~ /^Z/ { found = 1 }
        END { exit !found }'
}

start_server
# A Unix socket needs no free port. As root, the broker would become another user.
printf '%s\n' "listener 0 $SOCKET" 'allow_anonymous true' 'persistence false' "user $(id -un)" \
    >"$WORK/conf"
spawn mosquitto -c "$WORK/conf" >"$WORK/broker.log" 2>&1
BROKER=$SPAWNED
wait_until test -S "$SOCKET" || exit 1

test_case "messages are published, payloads are sent, and nothing goes round"
spawn mosquitto_sub --unix "$SOCKET" -t chat/ops/out >published 2>err
mosquitto_pub --unix "$SOCKET" -r -q 1 -t chat/ops/in -m 'retained: old news'
spawn "$ROOT/contrib/recipes/mqtt" ops chat/ops --unix "$SOCKET" >out 2>err
# Both directions begin with what comes after the start.
for ((i = 0; i < 500; i++)); do
    post ops anna "begin $i"
    mosquitto_pub --unix "$SOCKET" -q 1 -t chat/ops/in -m "begin $i"
    if lines published 1 && "$CHANCAT" -r -n all ops | grep -q '"sender":"mqtt"'; then
        break
    fi
    sleep 0.05
done
post ops anna "$HOSTILE"
printf '%s' "$HOSTILE" | mosquitto_pub --unix "$SOCKET" -q 1 -t chat/ops/in -s
mosquitto_pub --unix "$SOCKET" -q 1 -t chat/ops/in -m 17
sent() {
    "$CHANCAT" -r -n all ops | jq -e -s --arg c "$HOSTILE" \
        'any(.[]; . .sender == "mqtt" and .content == $c) and .[-1].content == "17"' >/dev/null
}
wait_until sent
post ops anna 'end'
wait_until has published '"content":"end"'
assert_eq "$(jq -c --arg c "$HOSTILE" 'select(.content == $c) | .sender' published)" '"anna"'
assert_not_has published '"sender":"mqtt"'
assert_eq "$("$CHANCAT" -r -n all ops | grep -c retained)" 0
kill -TERM "$SPAWNED"
wait_for "$SPAWNED"
assert_status 143
wait_until group_gone "$SPAWNED"
assert_empty out

test_case "the mirror ends with chancat's status when chancat ends"
printf '%s\n' 'url http://127.0.0.1:1' 'retry-for 0' >config
CHANCAT_URL='' CHANCAT_CONFIG=config spawn "$ROOT/contrib/recipes/mqtt" ops chat/ops \
    --unix "$SOCKET" >out 2>err
wait_for "$SPAWNED"
assert_status 3
wait_until group_gone "$SPAWNED"

test_case "without a broker there is no mirror"
end_process "$BROKER"
mkdir tmp
TMPDIR=$PWD/tmp spawn "$ROOT/contrib/recipes/mqtt" ops chat/ops --unix "$SOCKET" >out 2>err
wait_for "$SPAWNED"
assert [ "$STATUS" != 0 ]
wait_until group_gone "$SPAWNED"
assert_eq "$(ls -A tmp)" '' 'what it left behind'

done_testing
