#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The scripts in contrib/recipes that write to a channel do what their comments say, whatever the
# text holds, and leave nothing running.
. "$(dirname "$0")/lib.sh"
need jq curl ps

mkdir "$WORK/bin"
ln -s "$CHANCAT" "$WORK/bin/chancat"
export PATH=$WORK/bin:$PATH
RECIPES=$ROOT/contrib/recipes

# Text that quotes, breaks lines, steers terminals and is written from right to left.
HOSTILE=$'a "b" \'c\' $(d) `e` %s \\n, <b>&amp;</b>\n\e[31m\e]0;title\a\u202egnp.exe'

# The texts of a channel, one JSON string a line; for wait_until: it has $2 at least.
contents() {
    "$CHANCAT" -r -n all "$1" | jq -c .content
}
has_messages() {
    [ "$("$CHANCAT" -r -n all "$1" | wc -l)" -ge "$2" ]
}

# For wait_until: process $1 (its number in a file) runs no more; nothing of the process group $1 does.
process_gone() {
    local stat
    stat=$(ps -o stat= -p "$(cat "$1")")
    [ -z "$stat" ] || [[ $stat == Z* ]]
}
group_gone() {
    ! ps -e -o pgid=,stat= | awk -v group="$1" '$1 == group && $2 !~ /^Z/ { found = 1 }
        END { exit !found }'
}

start_server
export CHANCAT_SENDER=tester

test_case "announce tells command, status, time and output in one message"
run "$RECIPES/announce" announce bash -c 'printf "one\0\ntwo \e[31m\n"; echo three >&2; exit 3'
assert_status 3
assert_empty out
assert_empty err
assert_eq "$(contents announce | wc -l)" 1
assert_has <("$CHANCAT" -r --text announce) \
    '^tester: bash -c .*: status 3 after [0-9]* s\\none\\ntwo \\u001b\[31m\\nthree$'

test_case "announce has the command's stdin, and no more than the end of a long output"
printf 'input\n' >in
run "$RECIPES/announce" announce cat <in
assert_status 0
assert_has <("$CHANCAT" -r -n 1 announce) 'cat: status 0 after [0-9]* s\\ninput"'
run "$RECIPES/announce" announce seq 100000
assert_status 0
assert_eq "$("$CHANCAT" -r -n 1 announce | jq -r .content | sed 1d | wc -l)" 100

test_case "announce has chancat's status when only the announcement failed"
printf '%s\n' 'url http://127.0.0.1:1' 'retry-for 0' >config
CHANCAT_URL='' CHANCAT_CONFIG=config run "$RECIPES/announce" announce true
assert_status 3
CHANCAT_URL='' CHANCAT_CONFIG=config run "$RECIPES/announce" announce false
assert_status 1

test_case "announce that is stopped stops the command and all of it, and announces that"
mkdir tmp
TMPDIR=$PWD/tmp spawn "$RECIPES/announce" stopped bash -c 'sleep 1234 & echo $! >begun; wait; true' >out 2>err
wait_until test -s begun
kill -TERM "$SPAWNED"
wait_for "$SPAWNED"
assert_status 143
assert_has <("$CHANCAT" -r stopped) 'status 143 after'
wait_until process_gone begun
assert_eq "$(ls -A tmp)" '' 'what it left behind'

test_case "feed sends each line with its prefix as it comes, and the rest when it is stopped"
printf '%s\n' "$HOSTILE" '' '  ' '\"{}' >log
spawn "$RECIPES/feed" feed '%s "x": ' tail -n +1 -F log >out 2>err
wait_until has_messages feed 3
printf 'last\n' >>log
wait_until has_messages feed 4
kill -TERM "$SPAWNED"
wait_for "$SPAWNED"
assert_status 0
wait_until group_gone "$SPAWNED"
contents feed >got
assert_lines got 4
sed '/^ *$/d' log | jq -Rc '"%s \"x\": " + . ' >wanted
assert_same <(jq -c . got) wanted

test_case "feed ends with the command, and the command with chancat"
run "$RECIPES/feed" feed 'p ' seq 3
assert_status 0
assert_eq "$(contents feed | tail -n 1)" '"p 3"'
printf '%s\n' 'url http://127.0.0.1:1' 'retry-for 0' >config
CHANCAT_URL='' CHANCAT_CONFIG=config run "$RECIPES/feed" feed 'p ' \
    bash -c 'echo $$ >begun; echo 1; exec sleep 1234'
assert_status 3
wait_until process_gone begun

test_case "bridge carries both ways, with senders, once"
spawn "$RECIPES/bridge" "$URL" left "$URL" right >out 2>err
# It begins with what comes after its start.
for ((i = 0; i < 500; i++)); do
    post left anna "begin $i"
    post right bob "begin $i"
    if "$CHANCAT" -r right | grep -q anna && "$CHANCAT" -r left | grep -q bob; then
        break
    fi
    sleep 0.05
done
post left anna "$HOSTILE"
post right bob "$HOSTILE"
bridged() {
    [ "$("$CHANCAT" -r -n all "$1" | jq -c --arg s "$2" --arg c "$HOSTILE" \
        'select(.sender == $s and .content == $c)' | wc -l)" -ge 1 ]
}
wait_until bridged left bob
wait_until bridged right anna
# What goes round has done so before a later message has crossed in both directions.
post left anna 'end of left'
post right bob 'end of right'
ended() {
    "$CHANCAT" -r -n all right | grep -q 'end of left' &&
        "$CHANCAT" -r -n all left | grep -q 'end of right'
}
wait_until ended
for channel in left right; do
    "$CHANCAT" -r -n all $channel | jq -c '[.sender, .content]' | grep -v 'begin' | sort | uniq -d >twice
    assert_empty twice
done
kill -TERM "$SPAWNED"
wait_for "$SPAWNED"
assert_status 143
wait_until group_gone "$SPAWNED"
assert_empty out

test_case "bridge ends when one side does, with its status"
stop_server
url=$URL
start_server --token-file <(echo secret)
run "$RECIPES/bridge" "$URL" left "$url" right
assert_status 4
stop_server
start_server

test_case "bot answers, is not answered by itself, and runs nothing"
spawn "$RECIPES/bot" bot robot >out 2>err
for ((i = 0; i < 500; i++)); do
    post bot anna '!help'
    ! "$CHANCAT" -r bot | grep -q 'commands: ' || break
    sleep 0.05
done
post bot 'anna!' "!echo \$(touch made) \`touch made\` ; touch made $HOSTILE"
post bot bob '!time'
answered() {
    "$CHANCAT" -r -n all bot | jq -r 'select(.sender == "robot").content' | grep -q "^it is 20.*UTC\$"
}
wait_until answered
assert_eq "$("$CHANCAT" -r -n all bot | jq -r 'select(.sender == "robot").content' |
    grep -c '^"$(touch made) `touch made` ; touch made a "b"')" 1
assert test ! -e made
kill -TERM "$SPAWNED"
wait_for "$SPAWNED"
assert_status 143
wait_until group_gone "$SPAWNED"
assert_empty err

test_case "bot ends with chancat's status"
printf '%s\n' 'url http://127.0.0.1:1' 'retry-for 0' >config
CHANCAT_URL='' CHANCAT_CONFIG=config run "$RECIPES/bot" bot
assert_status 3

done_testing
