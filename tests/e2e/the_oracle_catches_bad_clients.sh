#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The oracle of the delivery tests finds what it is there for: clients that lose, double or
# reorder lines on purpose are caught, each with exactly that finding, and honest ones are not.
. "$(dirname "$0")/lib.sh"
need jq curl

ORACLE=$ROOT/tests/soak/oracle
start_server
SERVER=$PORT SERVER_URL=$URL

# send CHANNEL: stdin goes there, and what the server then holds to the file stored.
send() {
    assert "$CHANCAT" -u "$SERVER_URL" -s "$1"
    "$CHANCAT" -u "$SERVER_URL" -r -n all "$1" >stored
}

# finds STATUS LINE: what the oracle says of sent and stored.
finds() {
    run "$ORACLE" sent stored
    assert_status "$1"
    assert_file out "$2"
}

make_lines() {
    seq -f "$1-%06g text & <more>" "$2" >sent
}

test_case "an honest client passes"
make_lines honest 2000
send honest <sent
finds 0 "lines=2000 lost=0 duplicated=0 reordered=0 strange=0"

test_case "a client that drops one line in 500"
make_lines drop 2000
awk 'NR % 500 != 250' sent | send drop
finds 1 "lines=2000 lost=4 duplicated=0 reordered=0 strange=0"

test_case "a client that repeats one line in 500"
make_lines repeat 2000
awk '{ print } NR % 500 == 250' sent | send repeat
finds 1 "lines=2000 lost=0 duplicated=4 reordered=0 strange=0"

test_case "a client that repeats the last line much later"
make_lines late 100
{ cat sent && sed -n 7p sent; } | send late
finds 1 "lines=100 lost=0 duplicated=1 reordered=0 strange=0"

test_case "a client that swaps two neighbours once"
make_lines swap 2000
awk 'NR == 1000 { kept = $0; next } { print } NR == 1001 { print kept }' sent | send swap
finds 1 "lines=2000 lost=0 duplicated=0 reordered=1 strange=0"

test_case "a client that changes a line, and one that sends nothing"
make_lines change 10
sed '5s/text/test/' sent | send change
finds 1 "lines=10 lost=1 duplicated=0 reordered=0 strange=1"
: >stored
finds 1 "lines=10 lost=10 duplicated=0 reordered=0 strange=0"
: >sent
finds 0 "lines=0 lost=0 duplicated=0 reordered=0 strange=0"

test_case "identical lines are counted"
for n in 49 50 51; do
    yes same | head -n "$n" | send "same$n"
    run "$ORACLE" --identical 50 same stored
    case $n in
    49) wanted="1 lines=50 lost=1 duplicated=0 reordered=0 strange=0" ;;
    50) wanted="0 lines=50 lost=0 duplicated=0 reordered=0 strange=0" ;;
    51) wanted="1 lines=50 lost=0 duplicated=1 reordered=0 strange=0" ;;
    esac
    assert_eq "$STATUS $(cat out)" "$wanted" "verdict on $n"
done
echo other | send same50
run "$ORACLE" --identical 50 same stored
assert_status 1
assert_has out 'lost=0 duplicated=0 reordered=0 strange=1$'

test_case "no JSON, no file, no arguments: no verdict"
echo '{"content":' >stored
run "$ORACLE" sent stored
assert_status 2
run "$ORACLE" sent nothing-there
assert_status 2
run "$ORACLE" nothing-there stored
assert_status 2
run "$ORACLE"
assert_status 2

test_case "many lines take it no long time"
make_lines many 20000
jq -R -c '{id: 1, content: .}' sent >stored
finds 0 "lines=20000 lost=0 duplicated=0 reordered=0 strange=0" # or run() loses its patience

# bad_client CHANNEL TRIES: posts sent's lines with curl, each until curl sees a message, but TRIES
# times at most: what a script of a few lines does about failures.
bad_client() {
    local line i
    while read -r line; do
        for ((i = 0; i < $2; i++)); do
            curl -sS -m "$WAIT_SECS" --fail "$URL/send" -d "channel=$1&sender=s" \
                --data-urlencode "content=$line" 2>/dev/null | grep -q '"id"' && break
        done
    done <sent
    wait_until none_parked "$URL"
    "$CHANCAT" -u "$SERVER_URL" -r -n all "$1" >stored
}

MIX=pass:80,reset-before:3,error-before:3,forward-reset:3,status-only:3,error-after:3,park-close:5

test_case "behind the fault proxy a client that never tries again loses lines"
make_lines never 100
start_proxy "$SERVER" --seed 1 --mix "$MIX" --park-max 0.2
bad_client never 1
run "$ORACLE" sent stored
assert_status 1
assert_has out 'lost=[1-9]'
assert_has out 'duplicated=0 '
assert_eq "$(sed 's/.*lost=\([0-9]*\).*/\1/' out)" "$(grep -c -e '-before' "$PROXY_LOG")" lost
stop_proxy

test_case "behind the fault proxy a client that always tries again doubles lines"
make_lines always 100
start_proxy "$SERVER" --seed 1 --mix "$MIX" --park-max 0.2
bad_client always 10
run "$ORACLE" sent stored
assert_status 1
assert_has out 'lost=0 duplicated=[1-9]'
stop_proxy

done_testing
