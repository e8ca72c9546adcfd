#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# chancatd --check says in one line whether the server would start, and touches nothing.
. "$(dirname "$0")/lib.sh"
need curl sqlite3

# check ARG...: what it says must be one line, on the right stream.
check() {
    run "$CHANCATD" --check "$@"
    case $STATUS in
    0)
        assert_lines out 1
        assert_empty err
        ;;
    2)
        assert_lines err 1
        assert_empty out
        ;;
    *) fail "status $STATUS" ;;
    esac
}

# The memory that a log is shared by is nobody's content.
files() {
    find "${1:-.}" -mindepth 1 ! -name out ! -name err ! -name '*-shm' | sort |
        xargs -r ls -ld --full-time
}

test_case "a good configuration is told, and nothing is made"
export XDG_STATE_HOME=$PWD/state
check
assert_status 0
assert_file out "chancatd: good: address 127.0.0.1:10080, database $PWD/state/chancat/chat.db, without a token"
check -d new.db -l "unix:$PWD/socket"
assert_status 0
check -d :memory:
assert_status 0
assert_eq "$(files)" '' files
unset XDG_STATE_HOME

test_case "a bad one is status 2 and names what is wrong"
echo 'a token' >token # two words
printf 'listen 127.0.0.1:1\nnonsense 1\n' >conf
while IFS='|' read -r arguments wrong; do
    # shellcheck disable=SC2086
    check $arguments
    assert_status 2
    assert_has err "$wrong"
done <<'END'
-l nonsense|is not HOST:PORT
-l 192.0.2.1:10080|cannot listen on 192.0.2.1:10080
-l unix:/nonexistent/socket|cannot make files in /nonexistent
-d /nonexistent/x.db|cannot make files in /nonexistent
-d .|database
--config conf|conf:2
--config none|none
--token-file token|token
--max-connections 0|max-connections
--nonsense|nonsense
operand|operand
END

test_case "databases are looked at: another program's, a later version's, none at all"
sqlite3 other.db 'CREATE TABLE bookmarks (url TEXT)'
sqlite3 later.db 'PRAGMA user_version = 99'
echo 'this is no database, and it is longer than the head of one would be; really it is' >text.db
for database in other later text; do
    cp $database.db before
    check -d $database.db
    assert_status 2
    assert_has err "$database.db"
    assert_same $database.db before
    rm before
done
: >empty.db # becomes one
check -d empty.db
assert_status 0

test_case "it can be asked beside the running server, and after it was killed or stopped"
mkdir db
DB='db/a%20b?c#d.db'
start_server -d "$DB" --config /dev/null
post t a b
run_check() { check -d "$DB" -l "127.0.0.1:$PORT"; }
run_check
assert_status 0
sqlite3 "$DB" 'PRAGMA user_version = 99' # stands in the log alone
run_check
assert_status 2
assert_has err 'version 99'
sqlite3 "$DB" 'PRAGMA user_version = 3'
post t a b
stop_server KILL
files db >before
run_check
assert_status 0
files db >after
assert_same before after
start_server -d "$DB"
stop_server
assert_eq "$(ls db)" 'a%20b?c#d.db'
files db >before
run_check
assert_status 0
files db >after
assert_same before after
assert_eq "$(ls db)" 'a%20b?c#d.db'

done_testing
