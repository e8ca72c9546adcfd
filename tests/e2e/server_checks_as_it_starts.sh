#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What chancatd --check says is what a start does: each configuration here is checked, then started.
. "$(dirname "$0")/lib.sh"
need sqlite3

AS=() # what runs the server as somebody else

# In time, whatever it is given: status 137 if it hangs.
short() {
    timeout -k 2 10 "${AS[@]}" "$CHANCATD" "$@" >out 2>err
    STATUS=$?
}

# refused SENTENCE ARG...: by the check and by the start, with the same reason.
refused() {
    local sentence=$1
    shift
    short --check "$@"
    assert_status 2
    assert_lines err 1
    assert_has err "$sentence"
    short "$@"
    assert [ "$STATUS" = 1 -o "$STATUS" = 2 ]
    assert_lines err 1
    assert_has err "$sentence"
}

# taken ARG...: by both.
taken() {
    short --check "$@"
    assert_status 0
    start_daemon started "${AS[@]}" "$CHANCATD" "$@"
    end_process "$SPAWNED"
}

FREE=(-l 127.0.0.1:0)

test_case "what is no file of its own is no database"
mkfifo fifo
refused 'no regular file' "${FREE[@]}" -d fifo
mkdir folder
refused 'no regular file' "${FREE[@]}" -d folder
mkdir new.db-wal
refused 'new.db-wal: it is no regular file' "${FREE[@]}" -d new.db
assert [ ! -e new.db ]

test_case "a symbolic link is what it names, there or not"
mkdir data
ln -s data/chat.db link.db
taken "${FREE[@]}" -d link.db
assert [ -f data/chat.db ]
taken "${FREE[@]}" -d link.db
ln -s missing/chat.db lost.db
refused 'cannot make files in ./missing' "${FREE[@]}" -d lost.db
ln -s round.db round.db
refused 'round.db' "${FREE[@]}" -d round.db
mkdir data/other.db-wal
ln -s data/other.db other.db
refused 'other.db-wal' "${FREE[@]}" -d other.db

test_case "a name that begins with file: is a name"
taken "${FREE[@]}" -d 'file:chat.db?mode=memory'
assert [ -s 'file:chat.db?mode=memory' ]
run "$CHANCATD" -d 'file:chat.db?mode=memory' --backup copy.db
assert_status 0
taken "${FREE[@]}" -d 'file:chat.db?mode=memory'
assert_eq "$(find . -name '*.db*' | wc -l)" 2 'databases'

test_case "tables that lack something are refused"
taken "${FREE[@]}" -d good.db
cp good.db keys.db
sqlite3 keys.db 'DROP TABLE append_key'
refused 'append_key' "${FREE[@]}" -d keys.db
sqlite3 ids.db "PRAGMA user_version = 3; CREATE TABLE message (id INTEGER PRIMARY KEY,
    channel TEXT NOT NULL, sender TEXT NOT NULL, content TEXT NOT NULL, time INTEGER NOT NULL);
    $(sqlite3 good.db '.schema append_key')"
refused 'sqlite_sequence' "${FREE[@]}" -d ids.db

test_case "a Unix socket takes the place of a socket only"
: >plain
refused 'something else is there' -l "unix:$PWD/plain" -d :memory:
ln -s nowhere link
refused 'something else is there' -l "unix:$PWD/link" -d :memory:
taken -l "unix:$PWD/socket" -d :memory:
start_daemon first "$CHANCATD" -l "unix:$PWD/socket" -d :memory:
kill -KILL "$SPAWNED"
wait_for "$SPAWNED" 2>/dev/null
taken -l "unix:$PWD/socket" -d :memory: # the dead one's

test_case "what was said about a passed socket is understood or refused"
while read -r pid fds sentence; do
    # shellcheck disable=SC2016
    AS=(bash -c 'export LISTEN_PID=${1/own/$$} LISTEN_FDS=$2; shift 2; exec "$@"' - "$pid" "$fds")
    refused "$sentence" "${FREE[@]}" -d :memory:
done <<'TABLE'
own 2 LISTEN_FDS is 2
own 0 LISTEN_FDS is 0
own one LISTEN_FDS is no number
own -1 LISTEN_FDS is no number
me 1 LISTEN_PID is no number
TABLE
AS=(env LISTEN_PID=1 LISTEN_FDS=nonsense)
taken "${FREE[@]}" -d :memory: # somebody else's
AS=()

# Root may do everything, but for its capabilities.
if [ "$(id -u)" != 0 ] || command -v setpriv >/dev/null; then
    test_case "what the user may not do is refused"
    [ "$(id -u)" != 0 ] || AS=(setpriv --inh-caps=-all --bounding-set=-all)
    mkdir closed
    chmod 555 closed
    refused 'cannot make files' "${FREE[@]}" -d closed/chat.db
    refused 'cannot' -l "unix:$PWD/closed/socket" -d :memory:
    ln -s closed/chat.db link.db
    refused 'cannot make files' "${FREE[@]}" -d link.db
    XDG_STATE_HOME=$PWD/closed refused 'closed' "${FREE[@]}"
    taken "${FREE[@]}" -d own.db
    for ending in '' -wal -shm; do
        : >"own.db$ending"
        chmod 444 "own.db$ending"
        refused "own.db$ending: Permission denied" "${FREE[@]}" -d own.db
        rm -f own.db*
    done
    if [ "$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" -gt 1 ]; then
        refused 'cannot listen on 127.0.0.1:1: Permission denied' -l 127.0.0.1:1 -d :memory:
    fi
fi

done_testing
