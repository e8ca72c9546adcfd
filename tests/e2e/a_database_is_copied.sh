#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# chancatd --copy FROM TO on SQLite: how it is called, what it says, and that it needs little memory.
# The way to PostgreSQL is in a_database_moves_to_postgres_and_back.sh.
. "$(dirname "$0")/lib.sh"
. "$ROOT/tests/term/lib.sh"
need jq curl sqlite3

BIG=$WORK/big.db

test_case "all of a database that a server writes to is copied, in silence"
start_server
seq 3000 | "$CHANCAT" -s t
spawn bash -c 'seq inf | "$1" -s more >/dev/null' - "$CHANCAT" 2>/dev/null
writer=$SPAWNED
run "$CHANCATD" --copy "$DATABASE" copy.db
assert_status 0
assert_empty out
assert_empty err
end_process "$writer"
stop_server # what it had taken already is stored by now
run "$CHANCATD" -v --copy "$DATABASE" copy.db
assert_status 0
assert_lines err 1
assert_has err '^chancatd: [0-9]* messages copied in [0-9]* ms, .* and they are the same$'
assert_eq "$(sqlite3 copy.db "ATTACH '$DATABASE' AS s; SELECT count(*) FROM
    (SELECT * FROM s.message EXCEPT SELECT * FROM main.message)")" 0
assert_eq "$(stat -c %a copy.db)" 600
start_server -d copy.db
assert_eq "$(curl -sS "$URL/get?channel=t" | jq length)" 3000

test_case "a target that a server has open is refused"
run "$CHANCATD" --copy "$DATABASE" "$WORK/case.1/copy.db"
assert_status 1
assert_lines err 1
assert_has err 'the target: another program has it open'
stop_server

test_case "mistakes are one line"
while IFS='|' read -r status words sentence; do
    read -ra list <<<"$words"
    run "$CHANCATD" "${list[@]}"
    assert_status "$status"
    assert_empty out
    assert_lines err 1
    assert_has err "$sentence"
done <<'END'
2|--copy|needs a value
2|--copy a.db|there is no TO
2|--copy a.db b.db c.db|unexpected 'c.db'
2|--copy a.db b.db --backup c.db|do not go together
2|--copy a.db b.db --check|do not go together
2|--copy a.db b.db -d c.db|do not go together
2|--copy a.db a.db|onto itself
2|--copy :memory: a.db|in memory
1|--copy a.db b.db|the source
END
assert_eq "$(find . -name '*.db')" '' 'what is left'
CHANCATD_DATABASE=x.db run "$CHANCATD" --copy "$DATABASE" b.db # another place does not count
assert_status 0

test_case "memory does not grow with the database"
sqlite3 "$BIG" ".read /dev/stdin" <<<"$(sqlite3 "$DATABASE" .schema | grep -v sqlite_sequence)
    PRAGMA user_version = $(sqlite3 "$DATABASE" 'PRAGMA user_version');
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000)
    INSERT INTO message SELECT i, 'c' || i % 9, 's', printf('%0800d', i), i FROM n;"
assert [ "$(stat -c %s "$BIG")" -gt 120000000 ]
limit=100000
[ -z "${SANITIZE:-}" ] || limit=unlimited # a sanitizer's own
# shellcheck disable=SC2016
run bash -c 'ulimit -v "$1"; shift; exec "$@"' - "$limit" "$CHANCATD" --copy "$BIG" copy.db
assert_status 0
assert_eq "$(sqlite3 copy.db 'SELECT count(*) FROM message')" 150000

test_case "on a terminal one line tells how far it is, and -q nothing"
start_terminals
open_terminal plain 80 24 "$CHANCATD" --copy "$BIG" copy.db
_tmux pipe-pane -t plain "cat >$PWD/shown"
wait_until shows plain '^status 0$'
wait_until shows plain '^chancatd: 150000 messages copied .*'
assert_has shown $'\rchancatd: copying: [0-9]* %, [0-9]* messages, [0-9]* a second'
open_terminal quiet 80 24 "$CHANCATD" -q --copy "$BIG" quiet.db
wait_until shows quiet '^status 0$'
assert_eq "$(_tmux capture-pane -p -t quiet | grep -c .)" 1
close_terminals

done_testing
