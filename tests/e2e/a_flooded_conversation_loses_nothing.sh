#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Two people talk at two terminals while a third process floods the channel: all stays readable,
# and what they type arrives whole, once and in order.
. "$(dirname "$0")/lib.sh"
. "$ROOT/tests/term/lib.sh"
need_screen
start_server
start_terminals

# Until the file enough is there, and at its pace only for as long as that takes on a quick machine:
# a terminal remembers so many rows.
flood() {
    local k
    for ((k = 1; ; k++)); do
        seq -f "flood $k, line %g of twenty" 20
        [ ! -e enough ] || break
        if [ $k -le 150 ]; then sleep 0.02; else sleep 0.5; fi
    done | "$CHANCAT" -s -S flood ops
    echo 'the flood is over' | "$CHANCAT" -s -S flood ops
}

# Typed in pieces, so that messages come in the middle of it.
talk() {
    local name=$1 i word
    for i in {1..8}; do
        for word in "$name" 'says ü😀 ' "sentence $i " 'to the other'; do
            type_text "$name" "$word "
        done
        press "$name" Enter
    done
}

said_by() {
    local i
    for i in {1..8}; do
        echo "$1 says ü😀  sentence $i  to the other"
    done
}

said_all() {
    [ "$("$CHANCAT" -r -n all ops | jq -r 'select(.sender == "'"$1"'") | .content' | wc -l)" = 8 ]
}

test_case "two people understand each other in a flood"
open_terminal anna 80 24 "$CHANCAT" -S anna ops
open_terminal bob 60 20 "$CHANCAT" -S bob ops
wait_until ends_with anna 'ops>'
wait_until ends_with bob 'ops>'
spawn flood
flood=$SPAWNED
wait_until shows anna 'flood 3, line 1'
talk anna
talk bob
type_text anna 'half typed'
wait_until said_all anna
wait_until said_all bob
: >enough
wait_for "$flood"
assert_status 0
"$CHANCAT" -r -n all ops >all
for name in anna bob; do
    jq -r 'select(.sender == "'$name'") | .content' all >stored
    said_by $name >said
    assert_same stored said
done

test_case "each terminal has shown every message once, in order, and nothing else"
"$CHANCAT" -r -n all ops | jq -r '"hh:mm \(.sender): \(.content)"' >wanted
for name in anna bob; do
    wait_until shows $name 'the flood is over'
    screen -a $name | grep '^hh:mm' | sed 's/ *$//' >shown
    assert_same shown wanted
    assert_empty <(screen -a $name | grep -v -e '^hh:mm ' -e '^Hello, ' -e '^This is ops' \
        -e '^ops>')
done
assert ends_with anna 'ops> half typed'
press anna C-u C-d
wait_until ends_with anna 'status 0'

close_terminals
done_testing
