#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# --cursor-file and --on-reset: no message is skipped from one run to the next, and a server that
# lost its history is noticed.
. "$(dirname "$0")/lib.sh"
need jq curl sqlite3

contents() {
    jq -r .content "$@"
}

# Waits until the id in file cursor is $1.
saved() {
    [ "$(cut -d ' ' -f 2 cursor 2>/dev/null)" = "$1" ]
}

truncate_fault() {
    curl -sS -X POST -o /dev/null --fail "$URL/fault/truncate"
}

start_server
test_case "the next run prints what came since"
seq 3 | "$CHANCAT" -s a
run "$CHANCAT" -r -n 2 -C cursor a
assert_status 0
assert_file <(contents out) $'2\n3'
assert_eq "$(stat -c %a cursor)" 600 mode
seq 4 6 | "$CHANCAT" -s a
run "$CHANCAT" -r -n 2 -C cursor a
assert_file <(contents out) $'4\n5\n6'
run "$CHANCAT" -r -C cursor a
assert_status 0
assert_empty out
assert_empty err

test_case "a channel that was empty has a position, too"
run "$CHANCAT" -r -n 0 -C cursor b
assert_status 0
seq 60 | "$CHANCAT" -s b
run "$CHANCAT" -r -C cursor b
assert_file <(contents out) "$(seq 60)"

test_case "-a and -n count as long as there is no file; after -n 0 only what comes is printed"
seq 5 | "$CHANCAT" -s c
run "$CHANCAT" -r -n 0 -C cursor c
assert_empty out
echo 6 | "$CHANCAT" -s c
run "$CHANCAT" -r -n all -C cursor c
assert_file <(contents out) 6
first=$(curl -s "$URL/get?channel=c" | jq '.[0].id')
run "$CHANCAT" -r -a "$first" -c 2 -C cursor.a c
assert_file <(contents out) $'2\n3'
run "$CHANCAT" -r -C cursor.a c
assert_file <(contents out) $'4\n5\n6'

test_case "-c takes so many each time, and text is the same as JSON"
run "$CHANCAT" -r -n all -c 2 -C cursor c
assert_file <(contents out) $'1\n2'
run "$CHANCAT" -r -n all -c 3 --text -S x -C cursor c
assert_file <(sed 's/.*: //' out) $'3\n4\n5'
run "$CHANCAT" -r -C cursor c
assert_file <(contents out) 6

test_case "a follower saves before it waits, and kill -9 leaves it"
spawn "$CHANCAT" -rf -n all -C cursor c >out 2>err
wait_until lines out 6
wait_until test -s cursor
last=$(tail -n 1 out | jq .id)
wait_until saved "$last"
kill -KILL "$SPAWNED"
wait_for "$SPAWNED"
run "$CHANCAT" -r -C cursor c
assert_status 0
assert_empty out

test_case "own lines that are not printed count as well"
run "$CHANCAT" -n 0 --no-echo -C cursor d < <(seq 3)
assert_status 0
assert_empty out
run "$CHANCAT" -r -C cursor d
assert_empty out

test_case "a slow reader and a signal: the file knows the last whole line"
# All of it may have been received when the signal comes, but no more than a pipe full is printed.
seq 40000 | sed 's/$/ some more text to fill the pipe with, so that it is full soon enough/' >in
"$CHANCAT" -s e <in
mkfifo pipe
spawn_to pipe "$CHANCAT" -r -n all -C cursor e 2>err
chancat=$SPAWNED
exec 3<pipe
read -r line <&3
kill -TERM "$chancat"
wait_until signals_taken "$chancat"
{
    printf '%s\n' "$line"
    cat <&3
} >first
wait_for "$chancat"
exec 3<&-
assert_status 143
run "$CHANCAT" -r -C cursor e
assert_status 0
assert [ "$(wc -l <first)" -lt 40000 ]
cat first out >all
assert_stream all
assert_same <(contents all) in

test_case "a damaged file is replaced by the one before it, with a warning"
run "$CHANCAT" -r -c 2 -n all -C cursor c
run "$CHANCAT" -r -c 2 -C cursor c
printf 'x' | dd of=cursor bs=1 seek=18 conv=notrunc 2>/dev/null
run "$CHANCAT" -r -C cursor c
assert_status 0
assert_has err 'cursor.*damaged'
assert_file <(contents out) $'3\n4\n5\n6'

test_case "without a good one the run does not start"
for bytes in '' x "$(printf 'chancat-cursor-1 5')"; do
    printf '%s' "$bytes" >cursor
    rm -f cursor.prev
    run "$CHANCAT" -u http://127.0.0.1:9 -r -C cursor c
    assert_status 1
    assert_lines err 1
    assert_has err 'cursor.*damaged'
    assert_empty out
done

test_case "a file of another channel or server is not used"
run "$CHANCAT" -r -C cursor c
run "$CHANCAT" -r -C cursor d
assert_status 2
assert_has err cursor
run "$CHANCAT" -u http://127.0.0.1:9 -r -C cursor c
assert_status 2
run "$CHANCAT" -u "$URL/" -r -C cursor c
assert_status 0

test_case "of two runs with one file the second ends with status 1"
spawn "$CHANCAT" -rf -C cursor c >first 2>err.1
wait_until lines first 6
run "$CHANCAT" -r -C cursor c
assert_status 1
assert_has err cursor
assert_empty out
kill -TERM "$SPAWNED"
wait_for "$SPAWNED"
run "$CHANCAT" -r -C cursor c
assert_status 0

test_case "what cannot be written is told before the first request"
run "$CHANCAT" -u http://127.0.0.1:9 -r -C missing/cursor c
assert_status 1
assert_has err missing/cursor
run "$CHANCAT" -u http://127.0.0.1:9 -r -C . c
assert_status 2
if [ "$SANITIZE" != thread ]; then # whose runtime writes a file itself, before main()
    (ulimit -f 0 && exec "$CHANCAT" -u http://127.0.0.1:9 -r -C full c) 2>err >out
    assert_eq $? 1 status
fi

test_case "a save that fails later is told once, and the run goes on"
mkdir place
spawn "$CHANCAT" -rf -n 0 -i 0.1 -C place/cursor f >out 2>err
wait_until test -s place/cursor
rm -r place
for i in 1 2 3; do
    post f s "$i"
    wait_until lines out "$i"
done
kill -TERM "$SPAWNED"
wait_for "$SPAWNED"
assert_status 143
assert_eq "$(grep -c place/cursor err)" 1 'reports'
spawn "$CHANCAT" -rf -n 0 -c 1 -C cursor f >out 2>err
wait_until test -s cursor
mkdir away
mv cursor* away
chmod 000 away
mkdir cursor # nothing can take its place
post f s 4
wait_for "$SPAWNED"
assert_status 1

test_case "options that make no sense with it"
run "$CHANCAT" -s -C cursor c
assert_status 2
run "$CHANCAT" -r --on-reset later c
assert_status 2
run "$CHANCAT" -r --on-reset skip c
assert_status 0

test_case "chancatd with another database is noticed at the start"
run "$CHANCAT" -r -C cursor c
stop_server
start_server -l "${URL#http://}"
seq 200 | "$CHANCAT" -s c
run "$CHANCAT" -r -C cursor c
assert_status 7
assert_has err "^chancat: the server's history was reset"
assert_empty out
cp cursor kept
run "$CHANCAT" -r -C cursor --on-reset skip c
assert_status 0
assert_empty out
echo 201 | "$CHANCAT" -s c
run "$CHANCAT" -r -C cursor c
assert_file <(contents out) 201
cp kept cursor
run "$CHANCAT" -r -C cursor --on-reset restart c
assert_status 0
assert_file <(contents out) "$(seq 201)"

test_case "... and under a follower, whose connection breaks"
spawn "$CHANCAT" -rf -n 1 c >out 2>err
follower=$SPAWNED
wait_until lines out 1
stop_server
start_server -l "${URL#http://}"
seq 1001 1300 | "$CHANCAT" -s c
wait_for "$follower"
assert_status 7
assert_lines out 1

test_case "a chancatd that is emptied while it holds a reply is noticed when the reply comes"
spawn "$CHANCAT" -rf -n 1 --on-reset restart c >out 2>err
wait_until lines out 1
sqlite3 "$DATABASE" 'DELETE FROM message'
wait_until has err 'history was reset'
post c s new
wait_until lines out 2
assert_file <(contents out) $'1300\nnew'
kill -TERM "$SPAWNED"
wait_for "$SPAWNED"
stop_server

test_case "a plain server that is emptied under an idle follower is noticed within two polls"
start_fault
post g s one
spawn "$CHANCAT" -rf -i 0.2 g >out 2>err
wait_until lines out 1
truncate_fault
before=$(logged 'GET /get')
wait_for "$SPAWNED"
assert_status 7
assert [ $(($(logged 'GET /get') - before)) -le 3 ] # one may have been under way
assert_lines out 1

test_case "--on-reset restart prints the new history, skip only what comes"
post g s one
for word in restart skip; do
    truncate_fault
    post g s first
    spawn "$CHANCAT" -rf -i 0.1 --on-reset "$word" g >"out.$word" 2>err
    follower=$SPAWNED
    wait_until lines "out.$word" 1
    truncate_fault
    post g s second
    wait_until has err 'history was reset'
    wait_until logged 'GET /past' 1
    [ "$word" = skip ] || wait_until lines "out.$word" 2
    sleep_until=$(($(logged 'GET /get') + 2))
    wait_until logged 'GET /get' "$sleep_until"
    post g s third
    wait_until has "out.$word" third
    kill -TERM "$follower"
    wait_for "$follower"
done
assert_file <(contents out.restart) $'first\nsecond\nthird'
assert_file <(contents out.skip) $'first\nthird'

test_case "a plain server's message that changed is another history, too"
truncate_fault
post g s one
run "$CHANCAT" -r -C cursor g
truncate_fault
post g s uno
post g s due
run "$CHANCAT" -r -C cursor g
assert_status 7
assert_empty out
stop_fault

test_case "no message is skipped, however often the run is killed"
start_server
# One after the other, or they would all be there before the first kill.
one_by_one() {
    local i
    for ((i = 1; ; i++)); do
        [ ! -e enough ] || break
        echo "$i" >>in
        echo "$i"
        sleep 0.002
    done
}
spawn "$CHANCAT" -s k < <(one_by_one)
writer=$SPAWNED
: >all
for i in $(seq 12); do
    spawn "$CHANCAT" -rf -n all -C cursor k >out 2>err
    wait_until lines out 20
    kill -KILL "$SPAWNED"
    wait_for "$SPAWNED"
    # Half a line at the end is what a kill leaves.
    sed -n '/}$/p' out >>all
done
: >enough
wait_for "$writer"
run "$CHANCAT" -r -n all -C cursor k
cat out >>all
assert_same <(contents all | sort -nu) in
stop_server

done_testing
