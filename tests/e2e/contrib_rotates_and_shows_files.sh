#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Files that followers write: the sample for logrotate loses and doubles nothing, and lnav takes them
# apart as the format in contrib says. Each half is left out when its program is not installed.
. "$(dirname "$0")/lib.sh"
need jq curl
PATH=$PATH:/usr/sbin:/sbin

if ! command -v logrotate >/dev/null && ! command -v lnav >/dev/null; then
    skip 'neither logrotate nor lnav is installed'
fi

start_server

# A follower as the sample describes it; its number is in the file follower.
follow() {
    set -m
    "$CHANCAT" -rf -n all -C "$PWD/cursor" ops >>"$PWD/ops.jsonl" 2>>"$PWD/said" </dev/null &
    echo $! >follower
    set +m
}

test_case "lnav knows the format, and finds time, sender and text"
if command -v lnav >/dev/null; then
    mkdir -p lnav/formats/chancat
    cp "$ROOT/contrib/lnav/chancat.json" lnav/formats/chancat/
    run lnav -I lnav -C
    assert_status 0
    assert_empty err
    post lnav anna 'a "b" <c> & \d'
    post lnav $'b\e[31mob' $'two\nlines'
    "$CHANCAT" -r lnav >lnav.jsonl
    run lnav -I lnav -n lnav.jsonl
    assert_status 0
    assert_has out '^20..-..-..T..:..:..\.000 lnav anna: a "b" <c> & \\d$'
    run lnav -I lnav -n -c ';SELECT id, channel, sender, log_body AS content FROM chancat_log' \
        -c ':write-jsonlines-to -' lnav.jsonl
    jq -c '{id, channel, sender, content}' lnav.jsonl >wanted
    assert_same <(jq -c '{id, channel, sender, content}' out) wanted
fi
assert jq -e .chancat_log.json "$ROOT/contrib/lnav/chancat.json" >out

test_case "logrotate and a restart with the cursor file lose nothing and double nothing"
if command -v logrotate >/dev/null; then
    mkdir bin
    # try-restart, as a service manager does it: ends the follower, then starts it anew.
    cat >bin/systemctl <<'EOF'
#!/bin/sh
echo "$@" >>asked
kill -TERM "$(cat follower)"
while kill -0 "$(cat follower)" 2>/dev/null; do sleep 0.02; done
EOF
    chmod +x bin/systemctl
    sed "s|/var/log/chancat/|$PWD/|; s/weekly/size 1/" "$ROOT/contrib/logrotate/chancat" >conf
    chmod 600 conf
    follow
    for ((round = 1; round <= 3; round++)); do
        for ((i = 1; i <= 20; i++)); do
            echo "$round.$i"
        done | "$CHANCAT" -s ops &
        sender=$!
        wait_until test -s ops.jsonl
        follower=$(cat follower)
        PATH=$PWD/bin:$PATH logrotate -s state conf >>said 2>&1 &
        rotation=$!
        wait_for "$follower" # so that it is gone for the others, too
        wait "$rotation" || fail "logrotate: status $?"
        follow
        wait "$sender"
    done
    all() {
        for file in ops.jsonl*; do
            case $file in
            *.gz) gzip -dc "$file" ;;
            *) cat "$file" ;;
            esac
        done
    }
    complete() {
        [ "$(all | wc -l)" -ge 60 ]
    }
    wait_until complete
    assert_eq "$(all | jq -r .id | sort -n | uniq -d)" '' 'doubled'
    assert_eq "$(all | jq -s -r 'sort_by(.id)[].content')" \
        "$(for r in 1 2 3; do seq -f "$r.%g" 20; done)" 'messages'
    assert [ "$(find . -name 'ops.jsonl.*' | wc -l)" -ge 3 ]
    assert_has asked '^try-restart chancat-follow@\*\.service$'
    assert_empty said
    end_process "$(cat follower)"
fi

done_testing
