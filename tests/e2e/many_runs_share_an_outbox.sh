#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Many runs put lines into one outbox at once, while the one that sends them is killed with -9 again
# and again: each line is stored once, and each run's own lines are in order.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/../harm/lib.sh"
need jq

for kind in keys plain; do
    test_case "12 runs of 5 lines or more ($kind)"
    case $kind in
    keys) start_server ;;
    plain) start_server --plain ;;
    esac
    share_outbox 12 5 10
    assert_status 0
    assert_has "$HARM/shared.verdict" ' lost=0 duplicated=0 reordered=0 strange=0$'
    assert [ "$(wc -l <"$HARM/shared.sent")" -ge 60 ]
    assert_eq "$(find outbox -type f ! -name lock ! -name spare)" '' 'what is left in the outbox'
    stop_server
done

done_testing
