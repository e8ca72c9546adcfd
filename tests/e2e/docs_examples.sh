#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The examples of README.md and of the manual pages do what is written there.
. "$(dirname "$0")/lib.sh"
need jq curl

mkdir "$WORK/bin"
ln -s "$CHANCAT" "$WORK/bin/chancat"
ln -s "$CHANCATD" "$WORK/bin/chancatd"
export PATH=$WORK/bin:$PATH

# ids and times differ from run to run.
normalise() {
    sed -E 's/"id":[0-9]+/"id":N/g; s/"time":"[-0-9T:Z]+"/"time":"T"/g'
}

# Commands of the ```console blocks of file $1: command.N, and in wanted.N the output shown.
split_markdown() {
    awk '
        /^```console$/ { inside = 1; next }
        /^```/ { inside = 0 }
        !inside { next }
        sub(/^\$ /, "") { n++; print > ("command." n); printf "" > ("wanted." n); next }
        { print > ("wanted." n) }
    ' "$1"
}

# Commands of the section EXAMPLES of manual page $1: command.N.
split_page() {
    sed -n '/^\.Sh EXAMPLES/,/^\.Sh /p' "$1" | sed 's/\\e/\\/g' | awk '
        /^\.Bd/ { inside = 1; next }
        /^\.Ed/ { inside = 0 }
        !inside { next }
        sub(/^\$ /, "") { n++ }
        { print > ("command." n) }
    '
}

# Runs command.$1 as a user would, with the variables that were exported before.
run_example() {
    if grep -q '^export ' "command.$1"; then
        eval "$(cat "command.$1")"
        : >out
        STATUS=0
    else
        run bash "command.$1" </dev/null
    fi
}

start_server

test_case "the examples of README.md print what is shown there"
split_markdown "$ROOT/README.md"
assert test -s command.9
for ((i = 1; ; i++)); do
    [ -s "command.$i" ] || break
    run_example "$i"
    assert_eq "$STATUS" 0 "status of $(cat "command.$i")"
    assert_eq "$(normalise <out)" "$(normalise <"wanted.$i")" "output of $(cat "command.$i")"
    assert_empty err
done
unset CHANCAT_SENDER

for page in chancat.1 chancat-protocol.7; do
    test_case "the examples of $page work"
    split_page "$ROOT/man/$page"
    assert test -s command.3
    for ((i = 1; ; i++)); do
        [ -s "command.$i" ] || break
        run_example "$i"
        assert_eq "$STATUS" 0 "status of $(cat "command.$i")"
        assert_empty err
        # Whoever reads a channel gets something.
        if grep -q '>> ops.jsonl$' "command.$i"; then
            assert test -s ops.jsonl
        elif grep -qE '(chancat -r|curl)' "command.$i" && ! grep -q ' -sj ' "command.$i"; then
            assert test -s out
        fi
    done
done

test_case "the copy made in chancat.1 has the messages and their senders"
post ops berta 'another backup' || fail 'cannot post'
run bash -c "$(sed -n 's/\\e/\\/g; s/^\$ \(chancat -r ops | jq -c .*copies\)$/\1/p' \
    "$ROOT/man/chancat.1")" </dev/null
assert_status 0
run chancat -r -n 1 copies
assert_eq "$(jq -r '.sender + ": " + .content' out)" 'berta: another backup'

test_case "the first example of chancatd.8 starts a server"
split_page "$ROOT/man/chancatd.8"
spawn bash -c "exec $(cat command.1)" </dev/null >out 2>err
wait_until has err '^chancatd: listening on http://127\.0\.0\.1:[1-9]'
kill -TERM "$SPAWNED"
wait_for "$SPAWNED"
assert_status 0

done_testing
