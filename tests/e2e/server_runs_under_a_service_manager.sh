#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The service manager is told when the server is ready and when it stops, and may pass the socket.
. "$(dirname "$0")/lib.sh"
need curl socat

# A manager that writes what it is told to the file told.
start_manager() {
    : >told
    spawn socat -u "UNIX-RECV:$PWD/notify" OPEN:told,append 2>manager.err
    MANAGER=$SPAWNED
    wait_until test -S notify
}

test_case "ready is told when requests are answered, and a stop when it begins"
start_manager
NOTIFY_SOCKET=$PWD/notify start_server
wait_until has told READY=1
assert_eq "$(curl -sS "$URL/get?channel=t")" '[]'
assert_file told READY=1
stop_server
assert_status 0
wait_until has told STOPPING=1
assert_file told READY=1STOPPING=1
end_process "$MANAGER"

test_case "a server that cannot start does not say that it is ready"
start_manager
NOTIFY_SOCKET=$PWD/notify run "$CHANCATD" -l 127.0.0.1:0 -d /nonexistent/x.db
assert_status 1
NOTIFY_SOCKET=$PWD/notify run "$CHANCATD" --check -d :memory:
assert_status 0
assert_empty told
end_process "$MANAGER"

test_case "a manager that does not listen is named, and the server serves"
NOTIFY_SOCKET=$PWD/nobody start_server
wait_until has "$SERVER_LOG" '^chancatd: cannot tell NOTIFY_SOCKET READY=1: '
assert_eq "$(curl -sS "$URL/get?channel=t")" '[]'
stop_server
assert_status 0

test_case "more sockets than one are a mistake"
run bash -c 'export LISTEN_PID=$$ LISTEN_FDS=2; exec "$@"' - "$CHANCATD" -d :memory:
assert_status 2
assert_lines err 1
run bash -c 'export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@" 3</dev/null' - "$CHANCATD" -d :memory:
assert_status 2
assert_lines err 1

if command -v systemd-socket-activate >/dev/null; then
    test_case "the first client starts the server, which leaves the socket's path alone"
    spawn systemd-socket-activate -l "$PWD/socket" -E HOME="$HOME" \
        "$CHANCATD" -l 127.0.0.1:1 -d "$PWD/chat.db" 2>log
    activated=$SPAWNED
    wait_until test -S socket
    assert_eq "$(curl -sS --unix-socket socket 'http://x/get?channel=t')" '[]'
    assert_has log "^chancatd: listening on unix:$PWD/socket\$"
    kill -TERM "$activated"
    wait_for "$activated"
    assert_status 0
    assert test -S socket
fi

done_testing
