#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# chancatd is killed with -9 again and again while several chancats send and one reads: nothing that
# was acknowledged is missing, nothing is there twice, and the order is kept.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/../harm/lib.sh"
need jq

test_case "the server is killed 20 times"
senders=(alpha beta gamma)
kill_server 20 "${senders[@]}"
assert_status 0

for name in "${senders[@]}"; do
    test_case "sender $name got every line stored once, in order, and was told so"
    assert_has "$HARM/$name.verdict" ' lost=0 duplicated=0 reordered=0 strange=0$'
    assert [ "$(wc -l <"$HARM/$name.sent")" -ge 20 ]
    assert_same "$HARM/$name.receipts" "$HARM/$name.stored"
    assert_empty "$HARM/$name.err"
done

test_case "the reader printed every message once"
assert_same "$HARM/alpha.printed" "$HARM/alpha.stored"

done_testing
