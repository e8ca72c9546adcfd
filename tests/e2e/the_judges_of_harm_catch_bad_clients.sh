#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The sweeps of tests/harm/lib.sh and the reader's oracle find what they are there for: clients that
# misbehave after a crash are caught, each with that finding, and an honest one is not.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/../harm/lib.sh"
need jq curl

# message ID [WORD]: a line as chancat prints it.
message() {
    printf '{"id":%d,"channel":"c","sender":"s","content":"%s","time":"t"}\n' "$1" "${2:-word}"
}

# messages ID...
messages() {
    local id
    for id; do
        message "$id"
    done
}

# judged STATUS LINE SAVED: of first and second, and the channel 11 12 13 14 15.
judged() {
    messages 11 12 13 14 15 >stored
    run "$ROOT/tests/harm/reader-oracle" stored first "$3" second
    assert_status "$1"
    assert_file out "$2"
}

test_case "the reader's oracle lets honest runs pass"
messages 11 12 >first
messages 13 14 15 >second
judged 0 "messages=5 repeated=0 skipped=0 wrong=0 again=0 unsaved=0" 12
messages 12 13 14 15 >second
judged 0 "messages=5 repeated=1 skipped=0 wrong=0 again=0 unsaved=0" 11
messages 11 12 13 14 15 >second
judged 0 "messages=5 repeated=2 skipped=0 wrong=0 again=0 unsaved=0" 0
: >first
judged 0 "messages=5 repeated=0 skipped=0 wrong=0 again=0 unsaved=0" 0

test_case "a message that nobody printed is found, in the middle and at the end"
messages 11 12 >first
messages 14 15 >second
judged 1 "messages=5 repeated=0 skipped=1 wrong=0 again=0 unsaved=0" 12
messages 13 14 >second
judged 1 "messages=5 repeated=0 skipped=1 wrong=0 again=0 unsaved=0" 12

test_case "a message that is printed again although it was saved is found"
messages 11 12 >first
messages 12 13 14 15 >second
judged 1 "messages=5 repeated=1 skipped=0 wrong=0 again=1 unsaved=0" 12

test_case "a cursor that is ahead of what was printed is found"
messages 11 12 >first
messages 14 15 >second
judged 1 "messages=5 repeated=0 skipped=1 wrong=0 again=0 unsaved=1" 13

test_case "half a line, a changed one, a gap and a wrong order are found"
{ messages 11 && message 12 | head -c 20; } >first
messages 12 13 14 15 >second
judged 1 "messages=5 repeated=0 skipped=0 wrong=1 again=0 unsaved=0" 11
{ messages 11 && message 12 other; } >first
judged 1 "messages=5 repeated=0 skipped=0 wrong=1 again=0 unsaved=0" 11
messages 11 12 >first
messages 13 15 14 >second
judged 1 "messages=5 repeated=0 skipped=0 wrong=2 again=0 unsaved=0" 12
messages 11 12 14 >first
messages 13 14 15 >second
judged 1 "messages=5 repeated=1 skipped=0 wrong=1 again=0 unsaved=0" 12

test_case "no file, no number: no verdict"
run "$ROOT/tests/harm/reader-oracle" stored nothing-there 0 second
assert_status 2
run "$ROOT/tests/harm/reader-oracle" stored first x second
assert_status 2
run "$ROOT/tests/harm/reader-oracle"
assert_status 2

need_strace
start_server
CHANCAT=$WORK/bad-client
sweeps=0

# bad_sweep JOB FAULT CODE: a few points of a sweep with a client that does CODE before each run.
# That the run is the second one is seen by the file err.2.
bad_sweep() {
    printf '#!/bin/sh\n%s\nexec "%s" "$@"\n' "$3" "$HONEST" >"$CHANCAT"
    chmod +x "$CHANCAT"
    sweeps=$((sweeps + 1))
    tag=bad$sweeps
    export BAD=$tag
    HARM_STRIDE=11
    [ "$1" != receive ] || HARM_STRIDE=4
    spawn sweep $tag "$1" "$CALLS_CHANGE" "$2"
    wait_for "$SPAWNED"
    : >err
}

test_case "an honest client passes"
for fault in signal=KILL error=EIO; do
    bad_sweep send $fault ''
    assert_status 0
    assert_empty "$HARM/$tag/problems"
done

test_case "a client that forgets a line after a crash"
bad_sweep flush signal=KILL '[ ! -e err.2 ] || rm -f ob/new/*1'
assert_status 1
assert_has "$HARM/$tag/verdict" 'lost=[1-9][0-9]* duplicated=0 reordered=0 strange=0$'

test_case "a client that sends a line once more after a crash"
# shellcheck disable=SC2016 # the bad client expands it
bad_sweep flush signal=KILL '[ ! -e err.2 ] || curl -sS -o /dev/null \
    "$CHANCAT_URL/send" -d sender=s -d "channel=$BAD-${PWD##*/}" -d "content=$BAD-${PWD##*/}-1"'
assert_status 1
assert_has "$HARM/$tag/verdict" 'lost=0 duplicated=[1-9]'

test_case "a client that sends the lines that wait in the wrong order"
bad_sweep flush error=EIO 'if [ -e ob/new/00000000000000000002 ] && [ ! -e err.2 ]; then
    mv ob/new/00000000000000000001 ob/new/00000000000000000003; fi'
assert_status 1
assert_has "$HARM/$tag/verdict" 'lost=0 duplicated=0 reordered=[1-9][0-9]* strange=0$'

test_case "a client that leaves something behind"
bad_sweep flush error=EIO '[ ! -e err.2 ] || : >ob/new/00000000000000000009.try.old'
assert_has "$HARM/$tag/problems" 'left in the outbox: ./new/00000000000000000009.try.old'

test_case "a client that fails without a word, with a status of its own, or with noise"
bad_sweep flush error=EIO '[ -e err.2 ] || [ ! -e ../1 ] || exit 1'
assert_has "$HARM/$tag/problems" 'status 1, and nothing said'
bad_sweep flush error=EIO '[ -e err.2 ] || [ ! -e ../1 ] || exit 9'
assert_has "$HARM/$tag/problems" ': status 9:'
bad_sweep flush error=EIO 'echo noise >&2'
assert_has "$HARM/$tag/problems" 'it says: noise'
bad_sweep flush error=EIO '[ ! -e err.2 ] || exit 5'
assert_has "$HARM/$tag/problems" 'the second run ends with 5'

test_case "a client whose cursor file runs ahead"
bad_sweep receive signal=KILL '[ ! -e err.2 ] || rm cur'
assert_has "$HARM/$tag/problems" 'printed: .* again=[1-9]'
bad_sweep receive signal=KILL '[ ! -e err.2 ] || set -- "$@" -n 0 -C other'
assert_has "$HARM/$tag/problems" 'printed: .* skipped=[1-9]'

done_testing
