#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# contrib/cluster/demo: of three servers over one PostgreSQL one is killed, and no follower misses a
# message or has one twice. It counts right, and leaves nothing behind.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pg.sh"
PATH=$PATH:/usr/sbin:/usr/local/sbin
need haproxy
need_postgres
export CHANCAT CHANCATD
demo=$ROOT/contrib/cluster/demo
mkdir "$WORK/tmp"

# For wait_until: no process belongs to the demo, by its directory, any more.
none_left() {
    ! grep -lsF "$WORK/tmp/" /proc/[0-9]*/cmdline >left
}

test_case "nothing is missed or doubled while a server is killed"
TMPDIR=$WORK/tmp run "$demo" -n 100 -k 2
assert_status 0
assert_empty err
assert_eq "$(grep -cE '^(database|follower [123]) +300 +300 +0 +0 +same$' out)" 4 'good rows'
assert_eq "$(grep -c '^\$ kill -KILL [0-9]* ' out)" 2 'servers killed'
assert_eq "$(grep -c '^chancatd [123] has stored ' out)" 3
assert_eq "$(ls -A "$WORK/tmp")" '' 'files left behind'
wait_until none_left

test_case "a message that one follower misses, and one that another has twice, is counted"
cat >chancat <<END
#!/bin/bash
case " \$* " in
*' --follow '*)
    if mkdir first 2>/dev/null; then
        exec > >(exec sed -u '/"writer 2 line 7"/d')
    elif mkdir second 2>/dev/null; then
        exec > >(exec sed -u '/"writer 1 line 3"/p')
    fi
    ;;
esac
exec "$CHANCAT" "\$@"
END
chmod +x chancat
CHANCAT=./chancat TMPDIR=$WORK/tmp run "$demo" -n 10 -k 0
assert_status 1
assert_has out '^database  *30  *30  *0  *0  *same$'
assert_eq "$(grep -cE '^follower [123] +30 +30 +0 +0 +same$' out)" 1
assert_eq "$(grep -cE '^follower [123] +30 +29 +1 +0 +other$' out)" 1
assert_eq "$(grep -cE '^follower [123] +30 +30 +0 +1 +other$' out)" 1
assert_file <(sort err) $'  doubled: writer 1 line 3\n  missed: writer 2 line 7'

test_case "the demo that is interrupted cleans up and ends by the signal"
for signal in INT TERM; do
    TMPDIR=$WORK/tmp spawn "$demo" >out 2>err </dev/null
    wait_until has out 'chancat --send demo'
    kill -"$signal" "$SPAWNED"
    wait_for "$SPAWNED"
    assert_status $((128 + $(kill -l "$signal")))
    assert_eq "$(ls -A "$WORK/tmp")" '' 'files left behind'
    wait_until none_left
done

test_case "what is missing or wrong is said"
run "$demo" -n none
assert_status 2
assert_has err '^usage: demo '
CHANCATD=$WORK/none run "$demo"
assert_status 1
assert_has err '^demo: '

done_testing
