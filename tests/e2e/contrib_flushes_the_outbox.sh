#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The crontab lines and the systemd units in contrib do what they say, run as cron and systemd
# would: by sh, in the home directory, with next to no environment.
. "$(dirname "$0")/lib.sh"
need jq curl

mkdir "$WORK/bin"
ln -s "$CHANCAT" "$WORK/bin/chancat"

# As cron does: the environment of the crontab, the command behind its five times.
as_cron() {
    (cd "$HOME" && env -i HOME="$HOME" LOGNAME=tester PATH="$WORK/bin:/usr/bin:/bin" \
        CHANCAT_URL="$CHANCAT_URL" "$(sed -n '/^[A-Z]*=/p' "$ROOT/contrib/cron/chancat-flush")" \
        /bin/sh -c "$1") >out 2>err </dev/null
    STATUS=$?
}

# The command of the crontab line that matches $1.
crontab_command() {
    grep "^[0-9*].*$1" "$ROOT/contrib/cron/chancat-flush" | sed -E 's/^([^ ]+ +){5}//'
}

# ExecStart with its specifiers put in.
exec_start() {
    sed -n "s|%h|$HOME|; s|^ExecStart=||p" "$ROOT/contrib/systemd/chancat-flush.service"
}

start_server
stop_server

test_case "cron: an announcement waits in the outbox while the server is down"
command=$(crontab_command 'good morning')
assert_has <(echo "$command") 'chancat'
as_cron "${command/--retry-for 5/--retry-for 0}"
assert_status 3
assert_eq "$(find "$HOME/.local/state/chancat/outbox/new" -type f | wc -l)" 1 'waiting lines'

test_case "cron: the flush sends it, and prints nothing"
start_server -l "${URL#http://}" -d "$DATABASE"
as_cron "$(crontab_command --flush)"
assert_status 0
assert_empty out
assert_empty err
assert_file <(curl -s "$URL/get?channel=ops" | jq -r '.[].content') 'good morning'
stop_server

test_case "systemd: the service sends what waits"
as_cron "$(crontab_command 'good morning' | sed 's/--retry-for 5/--retry-for 0/')"
assert_status 3
start_server -l "${URL#http://}" -d "$DATABASE"
PATH="$WORK/bin:$PATH" run bash -c "$(exec_start)"
assert_status 0
assert_file <(curl -s "$URL/get?channel=ops" | jq -r '.[].content') $'good morning\ngood morning'
stop_server

test_case "systemd: the units are well-formed"
if command -v systemd-analyze >/dev/null; then
    cp "$ROOT"/contrib/systemd/chancat-flush.* .
    mkdir run
    XDG_RUNTIME_DIR=$PWD/run run systemd-analyze --user --man=no verify ./chancat-flush.service ./chancat-flush.timer
    assert_status 0
fi
assert_has "$ROOT/contrib/systemd/chancat-flush.timer" '^OnUnitInactiveSec='

done_testing
