#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The tests of delivery believe the fault proxy, so each of its faults is shown here once, with
# curl for the client and a real chancatd behind it.
. "$(dirname "$0")/lib.sh"
need jq curl

# curl's own words for what it saw
GOOD=0 CUT=18 SILENT=28 EMPTY=52 RESET=56

start_server
SERVER=$PORT SERVER_URL=$URL

# try CHANNEL CONTENT...: posts over one connection; curl's status to STATUS, the replies to out.
try() {
    local channel=$1 content arguments=()
    shift
    for content; do
        [ ${#arguments[@]} = 0 ] || arguments+=(--next)
        arguments+=(-sS -m "$WAIT_SECS" -w '\n%{http_code} %{num_connects}\n' "$URL/send"
            -d "channel=$channel&sender=s&content=$content")
    done
    run curl "${arguments[@]}"
}

# Is CONTENT stored in CHANNEL as often as N says?
stored() {
    curl -sS "$SERVER_URL/get?channel=$1" | jq -r '.[]?.content' | grep -cx -e "$2" | grep -qx "$3"
}

# fault NAME CURL-STATUS STORED HTTP-STATUS...: a POST meets the fault; curl ends with one of the
# statuses (as "7|8").
fault() {
    local name=$1 statuses=$2 stored=$3
    start_proxy "$SERVER" --seed 1 --mix "$name:1" --hang 0.2
    try "$name" one
    [[ "|$statuses|" == *"|$STATUS|"* ]] || fail "$name: curl ends with $STATUS, not $statuses"
    assert stored "$name" one "$stored"
    assert_lines "$PROXY_LOG" 1
    assert_has "$PROXY_LOG" "post=1 fault=$name forwarded=$stored .* line=one target=/send\$"
    [ "$stored" = 0 ] || assert_has "$PROXY_LOG" ' status=200 '
    stop_proxy
}

test_case "pass: everything arrives as it is, short and long, and the connection is kept"
start_proxy "$SERVER" --get-faults 0
try pass one two
assert_status $GOOD
assert_eq "$(grep -c '^200 ' out)" 2 replies
assert_has out '^200 0$'
seq 5000 | sed 's/.*/{"content":"&"}/' >many
run "$CHANCAT" -s --json -S s long <many
assert_status 0
run curl -sS "$URL/get?channel=long"
mv out via
curl -sS "$SERVER_URL/get?channel=long" >direct
assert_same direct via
assert_eq "$(jq length via)" 5000 messages
stop_proxy

test_case "faults before the server: nothing is stored"
fault reset-before $RESET 0
fault error-before $GOOD 0
assert_has out '^50[023] 1$'

test_case "faults after the server: stored, and the client cannot know"
fault forward-reset $RESET 1
fault forward-hang $EMPTY 1
fault forward-cut "$GOOD|$CUT|$EMPTY|$RESET" 1 # to curl, a head that is cut is an empty reply
assert_not_has out '"time":".*"}'
fault status-only "$GOOD|$EMPTY" 1
assert_not_has out content
fault error-after $GOOD 1
assert_has out '^50[023] 1$'

test_case "a cut reply is never whole and never empty"
start_proxy "$SERVER" --seed 2 --mix forward-cut:1
form=$'Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 31'
for i in $(seq 20); do
    # shellcheck disable=SC2016
    timeout "$WAIT_SECS" bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1" && printf "%s" "$2" >&3 && cat <&3' - \
        "$PORT" $'POST /send HTTP/1.1\r\n'"$form"$'\r\n\r\nchannel=cut&sender=s&content=ct' >part
    assert [ -s part ]
    assert_not_has part '"time":".*"}'
    wc -c <part >>lengths
done
assert stored cut ct 20
assert [ "$(sort -u lengths | wc -l)" -gt 5 ]
stop_proxy

test_case "a hanging reply hangs as long as it is told to"
start_proxy "$SERVER" --mix forward-hang:1 --hang 60
run curl -sS -m 0.5 "$URL/send" -d 'channel=hang&sender=s&content=one'
assert_status $SILENT
wait_until stored hang one 1
stop_proxy

test_case "a stale connection answers once and dies under the next request, which is stored"
for end in fin rst; do
    start_proxy "$SERVER" --mix "stale-$end:1"
    # curl itself sends again when a connection that was used before dies
    try "stale-$end" one two
    assert_status $GOOD
    assert stored "stale-$end" one 1
    assert stored "stale-$end" two 2
    assert_has "$PROXY_LOG" "conn=1 post=1 fault=stale-$end forwarded=1 status=200 .* line=one "
    assert_has "$PROXY_LOG" "conn=1 post=2 fault=struck-$end forwarded=1 status=200 .* line=two "
    assert_has "$PROXY_LOG" "conn=2 post=3 "
    stop_proxy
done

test_case "a parked request comes later than the end of the connection"
for end in reset close; do
    start_proxy "$SERVER" --mix "park-$end:1" --park-max 0.5
    for i in $(seq 10); do
        try "park-$end" "line-$i"
        [ $end = close ] || assert_status $RESET
        [ $end = reset ] || assert_status $EMPTY
    done
    assert_has "$PROXY_LOG" "post=1 fault=park-$end forwarded=0 status=0 .* line=line-1 "
    wait_until none_parked "$URL"
    for i in $(seq 10); do
        assert stored "park-$end" "line-$i" 1
    done
    assert_eq "$(grep -c 'fault=unparked forwarded=1 status=200' "$PROXY_LOG")" 10 unparked
    # The delay that was drawn, then the one that it came to.
    sed -n 's/.* post=\([0-9]*\) fault=\(park\|unparked\).* delay=\([0-9.]*\) .*/\1 \3/p' "$PROXY_LOG" |
        awk '!($1 in drawn) { drawn[$1] = $2; if ($2 > 0.5) print; next }
            $2 < drawn[$1] - 0.002' >early
    assert_empty early
    stop_proxy
done

test_case "the end is at once: parked requests are dropped and counted"
start_proxy "$SERVER" --mix park-close:1 --park-max 1000 --seed 3
try dropped one
try dropped two
assert_eq "$(curl -sS "$URL/proxy/parked")" 2 parked
kill "$PROXY_PID"
wait_for "$PROXY_PID"
assert_status 0
assert_has "$PROXY_LOG" '^[0-9.]* end dropped=2$'
assert stored dropped one 0

test_case "GETs fail by their own percentage, and never a POST for them"
start_proxy "$SERVER" --get-faults 100 --hang 0.1 --seed 4
for i in $(seq 60); do
    curl -sS -m "$WAIT_SECS" "$URL/get?channel=pass" >/dev/null 2>&1
done
try gets one
assert_status $GOOD
assert stored gets one 1
for name in reset-before error-before forward-reset forward-hang forward-cut status-only \
    error-after stale-fin stale-rst; do
    assert_has "$PROXY_LOG" "get=[0-9]* fault=$name "
done
assert_not_has "$PROXY_LOG" 'get=.*fault=\(pass\|park\)'
stop_proxy

test_case "the same seed chooses the same faults, another one others; weights are kept"
choose() {
    start_proxy "$SERVER" --seed "$1" --mix pass:60,error-before:40,reset-before:0
    for i in $(seq 100); do
        echo "next"
        echo "url = $URL/send"
        echo 'data = "channel=choice&sender=s&content=x"'
        echo 'output = /dev/null'
    done | sed 1d | run curl -sS -K -
    grep -o 'fault=[a-z-]*' "$PROXY_LOG"
    stop_proxy
}
choose 7 >seven
choose 7 >again
choose 8 >eight
assert_lines seven 100
assert_same seven again
assert [ "$(cmp -s seven eight && echo same)" = "" ]
n=$(grep -c error-before seven)
assert [ "$n" -gt 20 ]
assert [ "$n" -lt 60 ]
assert_eq "$(sort -u seven | wc -l)" 2 kinds

test_case "nonsense is refused"
for arguments in "" "--upstream localhost:1" "--upstream 127.0.0.1:1 --mix lie:1" \
    "--upstream 127.0.0.1:1 --mix pass:0" "--upstream 127.0.0.1:1 --mix pass" \
    "--upstream 127.0.0.1:1 --get-faults 101" "--upstream 127.0.0.1:1 --park-max x"; do
    # shellcheck disable=SC2086
    run "$FAULTPROXY" $arguments
    assert_status 2
done

done_testing
