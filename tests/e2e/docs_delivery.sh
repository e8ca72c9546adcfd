#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Each promise in section DELIVERY of chancat.1 names the tests that back it, and they exist.
. "$(dirname "$0")/lib.sh"

section() {
    sed -n '/^\.Sh DELIVERY/,/^\.Ss What remains/p' "$ROOT/man/chancat.1"
}

test_case "each promise has a test"
promises=$(section | grep -c '^\.It$')
assert [ "$promises" -ge 10 ]
assert_eq "$(section | grep -A 1 '^\.\\" Shown by: ' | grep -c '^\.It$')" "$promises" 'promises with a test'

test_case "the tests that are named exist"
section | sed -n 's/^\.\\" Shown by: //p' | tr ' ' '\n' | sort -u >named
assert test -s named
while read -r name; do
    [ -x "$ROOT/tests/e2e/$name" ] || fail "there is no $name"
done <named

done_testing
