#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# POSTGRES=0: what needs libpq says so, and nothing else is missing.
. "$(dirname "$0")/lib.sh"
need curl
! "$CHANCATD" -V | grep -q libpq || skip 'this chancatd has libpq'

test_case "a PostgreSQL database is refused in one sentence"
for mode in '' --check; do
    # shellcheck disable=SC2086 # no argument, or one
    run "$CHANCATD" $mode -d postgresql://u:secret@localhost/chat
    assert_status 2
    assert_has err '^chancatd: this chancatd was built without PostgreSQL$'
    assert_lines err 1
done

test_case "SQLite is served"
start_server
run "$CHANCAT" -s ops <<<'hello'
assert_status 0
run "$CHANCAT" -r ops
assert_has out '"content":"hello"'

done_testing
