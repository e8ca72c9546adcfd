#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The scripts in contrib/recipes that read a channel do what their comments say, whatever the
# messages hold, and leave nothing running.
. "$(dirname "$0")/lib.sh"
need jq curl sqlite3 ps

mkdir "$WORK/bin"
ln -s "$CHANCAT" "$WORK/bin/chancat"
export PATH=$WORK/bin:$PATH
RECIPES=$ROOT/contrib/recipes

# Text that quotes, breaks lines, steers terminals and is written from right to left.
HOSTILE=$'a "b" \'c\' $(d) `e` %s \\n, <b>&amp;</b>\n\e[31m\e]0;title\a\u202egnp.exe'

# For wait_until: nothing of the process group $1 runs any more.
group_gone() {
    ! ps -e -o pgid=,stat= | awk -v group="$1" '$1 == group && $2 !~ /^Z/ { found = 1 }
        END { exit !found }'
}

# The script ends by SIGTERM at once, and so does all that it has started.
assert_ends() {
    kill -TERM "$SPAWNED"
    wait_for "$SPAWNED"
    assert_status 143
    wait_until group_gone "$SPAWNED"
}

start_server

test_case "follow shows time, sender and text, nothing of it raw"
post follow anna "$HOSTILE"
spawn "$RECIPES/follow" follow -n 1 >out 2>err
wait_until lines out 1
post follow $'\ebob' two
wait_until lines out 2
assert_ends
assert_lines out 2
assert_has out '^20..-..-..T..:..:..Z anna: a "b" '
assert_has out ' �bob: two$'
assert_not_has out $'\e'
assert_not_has out $'\u202e'
assert_empty err

test_case "follow has chancat's status"
run "$RECIPES/follow" follow -c 1 -n 1
assert_status 0
assert_lines out 1
run "$RECIPES/follow" follow --idle x
assert_status 2
run "$RECIPES/follow"
assert_status 2

test_case "alert notifies of what matches only, with no markup and no option of a stranger's"
cat >"$WORK/bin/notify-send" <<'EOF'
#!/bin/sh
printf '<%s>' "$@" >>notified
echo >>notified
EOF
chmod +x "$WORK/bin/notify-send"
spawn "$RECIPES/alert" alert 'fail|--urgent' >out 2>err
# It begins with what comes after its start.
for ((i = 0; i < 500; i++)); do
    post alert anna "Failed $i"
    ! lines notified 1 || break
    sleep 0.05
done
: >notified
post alert anna 'all is well'
post alert --urgency=critical "--urgent $HOSTILE"
post alert anna 'failed at last'
wait_until has notified 'failed at last'
assert_ends
grep -v '<Failed ' notified >later
assert_lines later 2
assert_has later '^<--app-name=chancat><--><--urgency=critical><--urgent a &quot;b&quot; .*&lt;b&gt;'
assert_not_has later $'[\e\a]'
assert_empty err
rm "$WORK/bin/notify-send"

test_case "alert refuses a pattern that is none"
run "$RECIPES/alert" alert '('
assert_status 2

test_case "ask prints the first answer, one line"
spawn "$RECIPES/ask" ask 'Deploy? --yes' 600 >out 2>err
asked() {
    "$CHANCAT" -r --text ask | grep -q 'Deploy'
}
wait_until asked
post ask anna $'yes\e[2J\nno'
wait_for "$SPAWNED"
assert_status 0
assert_file out 'yes�[2J�no'
assert_empty err

test_case "ask ends with status 6 when nobody answers, and takes no old message for an answer"
run "$RECIPES/ask" ask 'And now?' 0.2
assert_status 6
assert_empty out
run "$RECIPES/ask" ask ' '
assert_status 2
CHANCAT_CONFIG=$WORK/none run "$RECIPES/ask" ask 'And now?'
assert_status 2

test_case "ask ends by a signal and leaves nothing running"
spawn "$RECIPES/ask" ask 'Wait' 600 >out 2>err
waited() {
    "$CHANCAT" -r --text ask | grep -q Wait
}
wait_until waited
assert_ends

test_case "to-csv quotes every text, and SQLite reads the same back"
post csv 'anna, "the first"' "$HOSTILE"
post csv bob '=1+1'
run "$RECIPES/to-csv" csv
assert_status 0
assert_empty err
sqlite3 csv.db '.import --csv out m'
"$CHANCAT" -r -n all csv | jq -c '[.id, .channel, .sender, .content, .time]' >wanted
sqlite3 csv.db "SELECT json_array(id + 0, channel, sender, content, time) FROM m" |
    jq -c . >got
assert_same got wanted
assert_has out '"=1+1"'
run "$RECIPES/to-csv" --spreadsheet csv
assert_has out "\"'=1+1\""

test_case "to-csv: an empty channel gives the titles, a wrong option chancat's status"
run "$RECIPES/to-csv" nothing
assert_status 0
assert_file out '"id","channel","sender","content","time"'
printf '%s\n' 'url http://127.0.0.1:1' 'retry-for 0' >config
CHANCAT_URL='' CHANCAT_CONFIG=config run "$RECIPES/to-csv" nothing
assert_status 3

test_case "to-csv gives U+FFFD for NUL, which other servers pass on"
server=$CHANCAT_URL
start_fault
put csv '{"id":5,"channel":"csv","sender":"s","content":"a\u0000b","time":"2026-11-25T09:30:00Z"}'
run "$RECIPES/to-csv" csv
assert_has out '"a�b"'
stop_fault
export CHANCAT_URL=$server

test_case "to-sqlite keeps each text, and adds what is new"
post sqlite anna "$HOSTILE"
post sqlite bob "'; DROP TABLE message; --"
run "$RECIPES/to-sqlite" sqlite ops.db
assert_status 0
assert_empty out
assert_empty err
post sqlite anna 'once more'
run "$RECIPES/to-sqlite" sqlite ops.db
assert_status 0
run "$RECIPES/to-sqlite" sqlite ops.db
assert_status 0
"$CHANCAT" -r -n all sqlite | jq -c '[.id, .channel, .sender, .content, .time]' >wanted
sqlite3 ops.db "SELECT json_array(id, channel, sender, content, time) FROM message ORDER BY id" |
    jq -c . >got
assert_lines got 3
assert_same got wanted

test_case "to-sqlite says when the database or the server fails"
run "$RECIPES/to-sqlite" sqlite /dev/null/x
assert_status 1
echo 'this is no database, and long enough to see that' >text
run "$RECIPES/to-sqlite" sqlite text
assert_status 1
assert_file text 'this is no database, and long enough to see that'

test_case "archive appends what is new, run by run"
post a/../b anna "$HOSTILE"
post a/../b anna two
run "$RECIPES/archive" a/../b archive
assert_status 0
assert_empty out
post a/../b anna three
printf '{"id":7,' >>"$(echo archive/*.jsonl)" # as a crash leaves it
run "$RECIPES/archive" a/../b archive
assert_status 0
run "$RECIPES/archive" a/../b archive
assert_status 0
assert_empty err
assert_eq "$(grep -v '^{"id":7,$' archive/a%2F..%2Fb-20??-??.jsonl | jq -c .content | tail -n 2)" \
    $'"two"\n"three"'
assert_eq "$(find . -type f | grep -vc '^./\(out\|err\)$')" "$(find archive -type f | wc -l)" \
    'files made in archive'

done_testing
