#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# contrib/demo shows chancat's main job, without a terminal, and leaves nothing behind.
. "$(dirname "$0")/lib.sh"
need jq
export CHANCAT CHANCATD
mkdir "$WORK/tmp"

test_case "the demo ends well, and what looks like JSON in it is chancat's"
TMPDIR=$WORK/tmp run "$ROOT/contrib/demo"
assert_status 0
assert_empty err
grep '^{' out >json
assert_lines json 5
assert_eq "$(jq -c 'keys_unsorted' json | sort -u)" '["id","channel","sender","content","time"]'
assert_has out '^chancatd: listening on http://127'
assert_has out '^demo: deploy started$'
assert_eq "$(tail -n 1 json | jq -r .content)" 'sent meanwhile'
assert_eq "$(ls -A "$WORK/tmp")" '' 'what it left behind'

assert_eq "$(grep -c '^\$ .*chancat' out)" 6 'commands shown'

test_case "the demo without jq filters with grep"
mkdir bin
for program in bash basename cat dirname grep head mktemp rm sed sleep; do
    ln -s "$(command -v "$program")" bin/
done
TMPDIR=$WORK/tmp run env PATH="$PWD/bin" "$ROOT/contrib/demo"
assert_status 0
assert_has out 'grep deploy'
assert_eq "$(grep -c '^{' out)" 7 'JSON lines'

test_case "the demo that is interrupted cleans up and ends by the signal"
for signal in INT TERM; do
    TMPDIR=$WORK/tmp spawn "$ROOT/contrib/demo" >out 2>err </dev/null
    wait_until has out 'listening on'
    kill -"$signal" "$SPAWNED"
    wait_for "$SPAWNED"
    # It may have been through already.
    [ "$STATUS" = 0 ] || assert_status $((128 + $(kill -l "$signal")))
    assert_eq "$(ls -A "$WORK/tmp")" '' 'what it left behind'
done

test_case "a program that is not there is said plainly"
CHANCATD=$WORK/none run "$ROOT/contrib/demo"
assert_status 1
assert_has err '^demo: '

done_testing
