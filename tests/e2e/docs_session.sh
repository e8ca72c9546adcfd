#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The picture of a conversation in README.md is what contrib/session shows now.
. "$(dirname "$0")/lib.sh"
need tmux
"$CHANCAT" --version | grep -q Readline || skip 'this chancat has no readline'
export CHANCAT CHANCATD

# Times and dates differ from run to run.
normalise() {
    sed -E 's/[0-9]{4}-[0-9]{2}-[0-9]{2}/DATE/g; s/[0-9]{2}:[0-9]{2}(:[0-9]{2})?/TIME/g'
}

test_case "the picture in README.md is up to date"
cp "$ROOT/README.md" README.md
mkdir tmp
TMPDIR=$PWD/tmp run "$ROOT/contrib/session" --update README.md
assert_status 0
assert_empty err
normalise <README.md >now
normalise <"$ROOT/README.md" >wanted
cmp -s now wanted || fail "run contrib/session --update README.md: $(diff wanted now)"
assert_has README.md 'version 7 is live'
assert_eq "$(ls -A tmp)" '' 'what it left behind'

taken=$PWD/README.md
test_case "it is shown when no file is named, and wrong usage is told"
run "$ROOT/contrib/session"
assert_status 0
assert_eq "$(sed -n '/^<!-- session -->$/,/^```$/p' "$taken" | sed '1,2d; $d' | normalise)" \
    "$(normalise <out)"
run "$ROOT/contrib/session" --x
assert_status 2

done_testing
