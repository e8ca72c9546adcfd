#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Tokens, TLS, Unix sockets, path prefixes, redirects, proxies.
. "$(dirname "$0")/lib.sh"
need jq curl

test_case "a path prefix is kept"
start_fault --prefix=/chat/v1
run "$CHANCAT" -u "$URL/chat/v1" -s t <<<'x'
assert_status 0
run "$CHANCAT" -u "$URL/chat/v1/" t
assert_status 0
assert_lines out 1
run "$CHANCAT" -u "$URL" t
assert_status 4
stop_fault

test_case "a redirect of a GET is told, not followed"
start_fault --fill=t:1 'GET * 1 redirect 302 http://127.0.0.1:1/elsewhere'
run "$CHANCAT" t
assert_status 4
assert_has err '127.0.0.1:1/elsewhere'
stop_fault

test_case "a token is sent, and never needed in argv"
printf 'sesame-open\n' >token
printf 'wrong\n' >wrong
start_server --token-file token
run "$CHANCAT" --token-file token -s t <<<'x'
assert_status 0
run "$CHANCAT" --token-file token t
assert_status 0
assert_lines out 1
run "$CHANCAT" t
assert_status 4
assert_empty out
run "$CHANCAT" --token-file wrong -s t <<<'x'
assert_status 4
assert_not_has err wrong$
stop_server

test_case "no token goes out without being asked to"
start_fault
run "$CHANCAT" t
assert_not_has "$FAULT_LOG" auth=
run "$CHANCAT" --token-file ../case.3/token t
assert_has "$FAULT_LOG" 'auth=Bearer sesame-open$'
stop_fault

test_case "user and password of ~/.netrc are used, as curl does"
start_fault
printf 'machine 127.0.0.1 login otto password secret\n' >"$HOME/.netrc"
chmod 600 "$HOME/.netrc"
run "$CHANCAT" t
assert_status 0
assert_has "$FAULT_LOG" "auth=Basic $(printf otto:secret | base64)"
rm "$HOME/.netrc"

test_case "head and body of a POST travel together, and nothing else waits for company"
if command -v strace >/dev/null; then
    seq 3 >lines
    # strace does not get along with LeakSanitizer.
    run env ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0" \
        strace -f -o trace -e trace=setsockopt,sendto "$CHANCAT" -s t <lines
    assert_status 0
    grep -oE 'TCP_CORK, \[[01]\]|"(GET|POST) |"channel=' trace | tr '\n' ' ' >order
    post='TCP_CORK, [1] "POST  "channel= TCP_CORK, [0] '
    echo "\"GET  $post$post${post% }" | sed 's/$/ /' | tr -d '\n' >expected
    assert_same expected order
fi

test_case "http_proxy is used, as curl does, and no_proxy"
run env http_proxy="$URL" "$CHANCAT" -u http://chat.invalid --retry-for 0 t
assert_has "$FAULT_LOG" 'GET http://chat.invalid/'
run env http_proxy=http://127.0.0.1:1 no_proxy=127.0.0.1 "$CHANCAT" t
assert_status 0
stop_fault

test_case "a Unix socket"
start_server -l "unix:$PWD/sock"
run "$CHANCAT" -u http://localhost --unix-socket "$PWD/sock" -s t <<<'x'
assert_status 0
run "$CHANCAT" -u http://localhost --unix-socket sock t
assert_status 0
assert_lines out 1
stop_server
run "$CHANCAT" -u http://localhost --unix-socket sock --retry-for 0 t
assert_status 3

test_case "TLS: trusted, not trusted, with a client certificate"
if ! command -v socat >/dev/null || ! command -v openssl >/dev/null; then
    echo "  (not tried: socat or openssl is missing)"
    done_testing
fi
for name in server client; do
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$name" \
        -addext 'subjectAltName=IP:127.0.0.1,DNS:localhost' \
        -keyout $name.key -out $name.crt 2>/dev/null
    cat $name.key $name.crt >$name.pem
done
start_server
backend=$PORT

# start_tls OPTIONS: a TLS end before the server; sets URL and SPAWNED.
start_tls() {
    : >tls.log
    spawn socat -d -d "OPENSSL-LISTEN:0,bind=127.0.0.1,cert=server.pem,fork,$1" \
        "TCP:127.0.0.1:$backend" 2>tls.log
    wait_until has tls.log 'listening on'
    URL=https://127.0.0.1:$(sed -n 's/^.*listening on .*:\([0-9]*\)$/\1/p' tls.log | head -n 1)
}

start_tls verify=0
run "$CHANCAT" -u "$URL" --cacert server.crt -s t <<<'over TLS'
assert_status 0
run "$CHANCAT" -u "$URL" --cacert server.crt t
assert_status 0
assert_file <(jq -r .content out) 'over TLS'
run "$CHANCAT" -u "$URL" --retry-for 0 t
assert_status 3
assert_has err "[Cc]ertificate"
end_process "$SPAWNED"

start_tls verify=1,cafile=client.crt
run "$CHANCAT" -u "$URL" --cacert server.crt --cert client.crt --key client.key t
assert_status 0
assert_lines out 1
run "$CHANCAT" -u "$URL" --cacert server.crt --cert client.pem t
assert_status 0
run "$CHANCAT" -u "$URL" --cacert server.crt --retry-for 0 t
assert_status 3
end_process "$SPAWNED"

done_testing
