#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Whatever the network does to a POST, each line is stored once, in order, and acknowledged: every
# mix of faults between `chancat -s` and a real server, judged by the oracle. tests/soak/run is
# the same with thousands of lines.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/../soak/lib.sh"
need jq curl

LINES=70
SEED=3

# judge NAME: the lane's run and what the server holds are as promised, and faults did happen.
judge() {
    local name=$1 lane=$LANES/$1
    end_lane "$name" 240
    cp "$lane.err" err
    assert_status 0
    judge_lane "$name"
    assert_has "$lane.verdict" "^lines=$LINES lost=0 duplicated=[0-9]* reordered=0 strange=0\$"
    assert [ "$(sum duplicated "$lane.verdict")" -le "$(too_late "$name")" ]
    jq -r .content "$lane.receipts" >receipts
    assert_same "$lane.sent" receipts
    assert [ "$(grep ' post=' "$lane.proxy" | grep -cv -e 'fault=pass' -e 'fault=unparked')" -ge 4 ]
}

# All lanes at once: they spend their time waiting.
test_case "lanes start"
declare -A server_of url_of
for kind in plain keys; do
    start_mix_server $kind
    server_of[$kind]=$SERVER url_of[$kind]=$SERVER_URL
done
while read -r mix; do
    read -r name kind _ <<<"$mix"
    SERVER=${server_of[$kind]} SERVER_URL=${url_of[$kind]}
    make_lane "$name" $LINES
    start_mix_lane "$name" "$mix" $SEED
done < <(mixes)
SERVER=${server_of[plain]} SERVER_URL=${url_of[plain]}
yes same | head -n $LINES >"$LANES/same.sent"
start_mix_lane same "$(mixes | grep '^all ')" $SEED

while read -r name kind _; do
    test_case "mix '$name' ($kind): nothing lost, nothing twice, in order"
    judge "$name"
done < <(mixes)

test_case "identical lines are as many messages"
end_lane same 240
cp "$LANES/same.err" err
assert_status 0
"$ROOT/tests/soak/oracle" --identical $LINES same "$LANES/same.stored" >verdict
assert_has verdict "^lines=$LINES lost=0 duplicated=[0-9]* reordered=0 strange=0\$"
assert [ "$(sum duplicated verdict)" -le "$(too_late same)" ]
assert_lines "$LANES/same.receipts" $LINES

test_case "every fault was met"
for fault in $(mixes | grep -o '[a-z-]*:' | tr -d : | sort -u) struck-fin struck-rst; do
    grep -h " post=.* fault=$fault " "$LANES"/*.proxy >met
    assert_has met .
done
assert [ "$(cat "$LANES"/*.proxy | grep ' get=' | grep -cv 'fault=pass')" -ge 10 ]

done_testing
