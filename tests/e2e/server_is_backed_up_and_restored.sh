#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# chancatd --backup copies the database of a running server; what chancatd.8 says about restoring it
# works, and followers notice.
. "$(dirname "$0")/lib.sh"
need jq curl sqlite3

count() {
    sqlite3 "$1" 'SELECT count(*) FROM message'
}

# A copy holds the first messages and no other, and is whole.
assert_copy() {
    assert_eq "$(sqlite3 "$1" 'PRAGMA integrity_check; SELECT max(id) = count(*) FROM message')" \
        $'ok\n1' "integrity of $1"
}

start_server
test_case "a running server is backed up while others write, and nothing acknowledged is missing"
seq 20000 | "$CHANCAT" -s t
spawn bash -c 'seq 20001 inf | "$1" -s t' - "$CHANCAT" >/dev/null 2>flood.err
flood=$SPAWNED
more() { [ "$(curl -sS "$URL/past?channel=t&count=1" | jq '.[0].id')" -gt 20500 ]; }
wait_until more
for i in 1 2 3; do
    known=$(curl -sS "$URL/past?channel=t&count=1" | jq '.[0].id')
    run "$CHANCATD" --backup "copy $i.db" -d "$DATABASE"
    assert_status 0
    assert_empty out
    assert_empty err
    assert_copy "copy $i.db"
    assert [ "$(count "copy $i.db")" -ge "$known" ]
    assert_eq "$(curl -sS -o /dev/null -w '%{http_code}' "$URL/healthz")" 200
done
assert alive "$flood"
end_process "$flood"
assert_eq "$(find . -name 'copy*' | wc -l)" 3 'files'

test_case "a backup never replaces a file, and a mistake is one line"
: >there
run "$CHANCATD" --backup there -d "$DATABASE"
assert_status 1
assert_lines err 1
assert_has err 'there: File exists'
assert_empty there
run "$CHANCATD" --backup copy.db -d none.db
assert_status 1
assert_lines err 1
run "$CHANCATD" --backup copy.db -d :memory:
assert_status 2
run bash -c 'ulimit -f 64; exec "$@"' - "$CHANCATD" --backup copy.db -d "$DATABASE"
assert_status 1
assert_lines err 1
assert_eq "$(find . -name '*.db*')" '' 'what is left'

test_case "-v says how large it is"
run "$CHANCATD" -v --backup copy.db -d "$DATABASE"
assert_status 0
assert_has err '^chancatd: copy\.db: [0-9]* bytes in [0-9]* ms$'
stop_server

test_case "a restored server goes on, and followers notice"
start_server
post ops me one
run "$CHANCATD" --backup copy.db -d "$DATABASE"
post ops me two
post ops me three
"$CHANCAT" -r -C cursor ops >before
assert_lines before 3
spawn "$CHANCAT" -rf -n 1 --on-reset skip ops >follower 2>follower.err
follower=$SPAWNED
wait_until lines follower 1
port=$PORT
stop_server KILL
# As in the manual. What was acknowledged by a server that was killed is in what is kept, too.
run "$CHANCATD" --backup before.db --database "$DATABASE"
assert_status 0
assert_eq "$(count before.db)" 3
rm -f "$DATABASE-wal" "$DATABASE-shm"
cp copy.db "$DATABASE"
run "$CHANCATD" --check -d "$DATABASE"
assert_status 0
start_server -d "$DATABASE" -l "127.0.0.1:$port"
wait_until has follower.err 'history was reset'
post ops me 'after the restore'
wait_until lines follower 2
assert_eq "$(tail -n 1 follower | jq -r .content)" 'after the restore'
end_process "$follower"
run "$CHANCAT" -r -C cursor ops
assert_status 7
run "$CHANCAT" -r -C cursor --on-reset restart ops
assert_status 0
assert_eq "$(jq -r .content out)" $'one\nafter the restore'
stop_server
assert_status 0

done_testing
