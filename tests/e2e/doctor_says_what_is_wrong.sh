#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# --doctor: the report, what it finds wrong, its exit status, and what it never shows or does.
. "$(dirname "$0")/lib.sh"
need jq curl socat

# assert_option NAME VALUE SOURCE: the report says so.
assert_option() {
    local got
    got=$(sed -nE "s/^  $1 +([^ ].*[^ ]) {2,}([^ ].*)$/\1|\2/p" out)
    [ -n "$got" ] || got=$(sed -nE "s/^  $1 +([^ ]+) +(.*)$/\1|\2/p" out)
    assert_eq "$got" "$2|$3" "option $1"
}

start_server

test_case "all is well with a server that runs"
post ops anna hello
run "$CHANCAT" --doctor ops
assert_status 0
assert_empty err
assert_has out "^chancat [0-9.]*, Jansson/[0-9.]*, .*libcurl/[0-9.]* "
assert_has out "^ok     connected to 127\.0\.0\.1 port $PORT: look-up [0-9.]* ms, connect [0-9.]* ms$"
assert_has out '^ok     the server has these features: wait, limit, keys, batch'
assert_has out '^ok     its clock is that of this machine'
assert_has out '^ok     the channel can be read; its newest message is [1-9]'
assert_has out '^ok     the server says that it could store a message$'
assert_eq "$(tail -n 1 out)" 'result: all is well'
assert_not_has out '^wrong'

test_case "it says what a conversation at a terminal would be like"
run env TERM=dumb "$CHANCAT" --doctor ops
assert_status 0
assert_has out '^  environment TERM: dumb; at a terminal, lines are read plainly$'
if "$CHANCAT" --version | grep -q Readline; then
    assert_has out '^chancat .*, Readline/[0-9]'
    run env TERM=xterm "$CHANCAT" --doctor ops
    assert_has out '^  environment TERM: xterm; at a terminal, lines are edited with readline$'
fi

test_case "it stores nothing, and makes no file"
run "$CHANCAT" --doctor --outbox outbox -C cursor ops
assert_status 0
assert_has out '^note   the outbox outbox is not there; it will be made$'
assert_has out '^ok     the cursor file cursor is not there; it will be made$'
assert_eq "$(ls)" $'err\nout'
assert_eq "$("$CHANCAT" -r -n all ops | wc -l)" 1 messages
run "$CHANCAT" --doctor
assert_status 0
assert_has out "^note   no CHANNEL was given"
run "$CHANCAT" -r -n all doctor
assert_empty out

test_case "each option comes with its value and where that is from"
printf '%s\n' 'idle 1.5' 'follow' 'interval 3' 'sender filed' >config
CHANCAT_SENDER='Anna K' run "$CHANCAT" --doctor --config config -i 5 --retry-for inf -n all ops
assert_status 0
assert_option url "$URL" 'environment, CHANCAT_URL'
assert_option sender 'Anna K' 'environment, CHANCAT_SENDER'
assert_option interval 5 'command line'
assert_option retry-for inf 'command line'
assert_option lines all 'command line'
assert_option idle 1.5 'configuration file'
assert_option follow yes 'configuration file'
assert_option config config 'command line'
assert_option after - default
assert_option on-reset fail default
assert_eq "$(grep -cE '^  [a-z0-9-]+ .*(default|command line|file|_URL|_SENDER)$' out)" \
    "$("$CHANCAT" --help | grep -E '^  .*--[a-z]' | grep -cvE -- '--(doctor|help|version) ')" 'options shown'

test_case "what is wrong with the options is said, with status 2"
echo 'lines many' >config
run "$CHANCAT" --doctor --config config ops
assert_status 2
assert_has out '^wrong  config:1: lines: '
assert_eq "$(tail -n 1 out)" 'result: something is wrong, see above (exit status 2)'
run "$CHANCAT" --doctor --config missing ops
assert_status 2
assert_has out '^wrong  cannot open missing'
run "$CHANCAT" --doctor -u ftp://localhost ops
assert_status 2
assert_has out '^wrong  .*is not a URL'

test_case "a channel that looks like a number is pointed out"
run "$CHANCAT" --doctor 007
assert_status 0
assert_has out "^ok     the channel's name looks like a number; this server takes it as text$"
server=$CHANCAT_URL
start_fault
run "$CHANCAT" --doctor 1e3
assert_status 0
assert_has out "^note   the channel's name looks like a number; this server may"
assert_has out '^note   the server announces no features'
assert_has out '^note   whether this server lets us send cannot be told without sending$'
run "$CHANCAT" --doctor -r 1e3x
assert_not_has out 'looks like a number'
assert_not_has out 'lets us send'
assert_eq "$(logged POST)" 0 'POSTs'
stop_fault

test_case "a server that keeps failing, or is none: status 3, after one try"
start_fault 'GET /past 1 status 503' 'GET /past 2 html' 'GET /past 3 status 404' \
    'GET /past 4 redirect 301 http://127.0.0.1:1/' 'GET /past 5 close-before'
run "$CHANCAT" --doctor ops
assert_status 3
assert_has out '^ok     connected to '
assert_has out '^wrong  the server answers 503'
run "$CHANCAT" --doctor ops
assert_status 3
assert_has out '^wrong  .*not a JSON array'
assert_has out '^note   is the URL that of a chat server'
run "$CHANCAT" --doctor ops
assert_status 4
assert_has out '^wrong  the server answers 404'
run "$CHANCAT" --doctor ops
assert_status 4
assert_has out '^wrong  the server answers 301 and points to http://127'
run "$CHANCAT" --doctor ops
assert_status 3
assert_eq "$(logged 'GET /past')" 5 requests
stop_fault

test_case "a port where nobody listens, a socket that is none"
run "$CHANCAT" --doctor -u http://127.0.0.1:1 ops
assert_status 3
assert_has out '^wrong  Failed to connect to 127.0.0.1 port 1'
assert_has out '^note   is the URL right, and does the server run?$'
assert_not_has out '^ok     connected'
run "$CHANCAT" --doctor --unix-socket nowhere ops
assert_status 3

test_case "a name that does not resolve"
# A label of more than 63 characters is refused before anybody is asked.
run "$CHANCAT" --doctor -u "http://$(printf 'x%.0s' {1..70}).invalid/" ops
assert_status 3
assert_has out '^wrong  Could not resolve host'

test_case "outbox and cursor that cannot be used: status 1"
export CHANCAT_URL=$server
: >file
run "$CHANCAT" --doctor --outbox file ops
assert_status 1
assert_has out '^wrong  the outbox file '
run "$CHANCAT" --doctor -C nowhere/cursor ops
assert_status 1
assert_has out '^wrong  the directory nowhere, for the cursor file,'

test_case "clocks that differ are told"
# A server whose time stands still.
printf 'HTTP/1.1 200 OK\r\n%s\r\nServer: test\e[31m\r\nContent-Length: 4\r\n\r\nnull' \
    'Date: Sun, 06 Nov 1994 08:49:37 GMT' >reply
spawn socat UNIX-LISTEN:socket,fork 'SYSTEM:head -n 1 >/dev/null; cat reply'
wait_until test -S socket
run "$CHANCAT" --doctor --unix-socket socket ops
assert_status 0
assert_has out '^ok     connected to socket socket'
assert_has out '^note   its clock is [0-9]\{9,\} s behind that of this machine'
assert_has out '^ok     it calls itself test\\u001b\[31m$'
end_process "$SPAWNED"

test_case "a server that says whether it could store a message is believed"
printf 'HTTP/1.1 200 OK\r\nChancat-Features: wait\r\nContent-Length: 4\r\n\r\nnull' >reply
printf 'HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n' >health
spawn socat UNIX-LISTEN:socket,fork \
    'SYSTEM:read method path rest; case $path in /healthz) cat health ;; *) cat reply ;; esac'
wait_until test -S socket
run "$CHANCAT" --doctor --unix-socket socket ops
assert_status 3
assert_has out '^ok     the channel can be read'
assert_has out '^wrong  the server says that it cannot store messages (status 503)$'
run "$CHANCAT" --doctor -r --unix-socket socket ops
assert_status 0
cp reply health
run "$CHANCAT" --doctor --unix-socket socket ops
assert_status 0
assert_has out '^ok     the server says that it could store a message$'
end_process "$SPAWNED"

test_case "a token that is missing or wrong: status 4, and no secret is shown"
stop_server
echo secret-token >right
echo other-secret >bad
start_server --token-file right
run "$CHANCAT" --doctor ops
assert_status 4
assert_has out '^wrong  the server answers 401'
assert_has out '^note   no token is sent; --token-file names one$'
run "$CHANCAT" --doctor --token-file bad ops
assert_status 4
assert_has out '^note   is the token in the file of --token-file right?$'
assert_not_has out 'other-secret'
run "$CHANCAT" --doctor --token-file right ops
assert_status 0
assert_not_has out 'secret-token'
http_proxy=http://user:hidden@127.0.0.1:1/ no_proxy=127.0.0.1 run "$CHANCAT" --doctor \
    --token-file right ops
assert_status 0
assert_has out '^  environment http_proxy: http://\.\.\.@127.0.0.1:1/$'
for url in "http://user:hidden@127.0.0.1:$PORT/" "http://127.0.0.1:$PORT/?key=hidden" \
    'ftp://user:hidden@x' 'http://user:hidden@ /'; do
    run "$CHANCAT" --doctor -u "$url" ops
    assert_status 2
    assert_not_has out hidden
    assert_not_has err hidden
done

test_case "a report that cannot be written is status 1"
if [ -w /dev/full ]; then
    "$CHANCAT" --doctor --token-file "$OLDPWD/right" ops >/dev/full 2>err
    assert_eq $? 1 status
    assert_lines err 1
fi

done_testing
