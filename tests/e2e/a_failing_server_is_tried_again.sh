#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Servers that fail for a while, or answer something odd.
. "$(dirname "$0")/lib.sh"
need jq curl

# recovers RULE...: prints what is there although the server misbehaves first.
recovers() {
    start_fault --fill=t:3 "$@"
    run "$CHANCAT" -n all t
    assert_status 0
    assert_stream out
    assert_lines out 3
    stop_fault
}

test_case "errors of the server"
recovers 'GET * 1-2 status 500'
recovers 'GET * 1 status 502'
recovers 'GET * 1 status 429'
recovers 'GET * 1 status 503 retry-after 0'

test_case "connections that break"
recovers 'GET * 1 close-before' 'GET * 2 reset-before' 'GET * 3 status-line-only'

test_case "kept connections that are closed between two requests"
recovers 'GET * 1 close-kept'
recovers 'GET * 1 reset-kept'

test_case "Retry-After is honoured"
start_fault 'GET * 1 status 503 retry-after 2'
began=$(date +%s%N)
run "$CHANCAT" t
assert_status 0
assert [ $(($(date +%s%N) - began)) -ge 1900000000 ]
stop_fault

test_case "a stalled reply is waited for"
recovers 'GET * 1 stall-before 1'
recovers 'GET * 1 stall 3 1'

test_case "a web page instead of messages"
recovers 'GET * 1 html'

# No array of anything: the look has failed. (An array of bad elements is a whole reply.)
test_case "odd JSON instead of messages"
odd=0
while IFS= read -r text; do
    odd=$((odd + 1))
    printf '%b' "$text" >"$WORK/odd.$odd"
done <<'END'

{}
{"error":"text"}
[
[[
[1,2
{"id":
42
"text"
[null]extra
nul
]
,
\0
\0357\0273\0277[]
END
head -c 200000 /dev/zero | tr '\0' '[' >"$WORK/odd.$((odd + 1))"
for n in $(seq $((odd + 1))); do
    recovers "GET * 1 body $WORK/odd.$n"
done

test_case "an odd reply at every time ends with a status, not with a hang"
for n in 1 2 4 8 $((odd + 1)); do
    start_fault --fill=t:3 "GET * * body $WORK/odd.$n"
    run "$CHANCAT" --retry-for 0.5 -n all t
    assert_status 3
    assert_empty out
    stop_fault
done
start_fault 'GET * * html'
run "$CHANCAT" --retry-for 0.5 -n all t
assert_status 3
stop_fault

test_case "null and [] are no message"
for text in null '[]' ' [ ] ' $'\n null\n'; do
    printf '%s' "$text" >"$WORK/empty"
    start_fault "GET * * body $WORK/empty"
    run "$CHANCAT" -n all t
    assert_status 0
    assert_empty out
    assert_empty err
    stop_fault
done

test_case "429 on a POST: the line waits and is stored once"
start_fault 'POST /send 1-2 status 429' 'POST /send 4 status 429 retry-after 1'
run "$CHANCAT" -s t < <(seq 3)
assert_status 0
assert_file <(curl -s "$URL/get?channel=t" | jq -r '.[].content') $'1\n2\n3'
stop_fault

test_case "a server that comes up later"
start_fault
port=$PORT url=$URL
stop_fault
spawn "$CHANCAT" -v -rf -i 0.05 -n all t >out 2>err
follower=$SPAWNED
spawn "$CHANCAT" -v -s t <<<'waited for you' >sent 2>send.err
sender=$SPAWNED
wait_until lines err 1
wait_until lines send.err 1
start_server -l "127.0.0.1:$port"
assert_eq "$URL" "$url"
wait_for "$sender"
assert_status 0
wait_until lines out 1
assert_file <(jq -r .content out) 'waited for you'

test_case "a server that is restarted under a follower"
for signal in TERM KILL; do
    post t s "before $signal"
    stop_server "$signal"
    start_server -l "127.0.0.1:$port" -d "$DATABASE"
    post t s "after $signal"
done
wait_until lines ../case.$((cases - 1))/out 5
end_process "$follower"
cp ../case.$((cases - 1))/out out
assert_stream out
assert_file <(jq -r .content out) \
    $'waited for you\nbefore TERM\nafter TERM\nbefore KILL\nafter KILL'

done_testing
