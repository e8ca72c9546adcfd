#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A conversation on terminals of 40 and of 200 columns, and on one that is resized while a line is
# being typed.
. "$(dirname "$0")/lib.sh"
. "$ROOT/tests/term/lib.sh"
need_screen
start_server
start_terminals

long='The quick brown fox jumps over the lazy dog and then, since nobody stops it, over the fence, too.'
post ops bob "$long"
post ops 'a person with a rather long name' 'short'
post ops anna 'https://example.org/a/path/that/is/longer/than/any/row/of/forty/columns/can/be/made'
post ops bob '日本語のとても長い文章は四十桁の端末では何行にもなります。'

test_case "40 columns: rows are broken at spaces, indented, and the typed line wraps"
open_terminal narrow 40 24 "$CHANCAT" -S carl ops
wait_until ends_with narrow 'ops>'
type_text narrow 'a line that is longer than one row, ü'
assert_screen narrow <<'END'
Hello, carl!
This is ops. /help shows what else can
  be typed here.
hh:mm bob: The quick brown fox jumps
      over the lazy dog and then, since
      nobody stops it, over the fence,
      too.
hh:mm a person with a rat…: short
hh:mm anna: https://example.org/a/path/t
      hat/is/longer/than/any/row/of/fort
      y/columns/can/be/made
hh:mm bob: 日本語のとても長い文章は四十
      桁の端末では何行にもなります。
ops> a line that is longer than one row,
 ü
END
press narrow Enter
wait_until shows narrow '^hh:mm carl: a line that is longer than$'
assert_screen narrow <<'END'
Hello, carl!
This is ops. /help shows what else can
  be typed here.
hh:mm bob: The quick brown fox jumps
      over the lazy dog and then, since
      nobody stops it, over the fence,
      too.
hh:mm a person with a rat…: short
hh:mm anna: https://example.org/a/path/t
      hat/is/longer/than/any/row/of/fort
      y/columns/can/be/made
hh:mm bob: 日本語のとても長い文章は四十
      桁の端末では何行にもなります。
hh:mm carl: a line that is longer than
      one row, ü
ops>
END

test_case "200 columns: nothing is broken that fits"
open_terminal wide 200 24 "$CHANCAT" -S carl -n 4 ops
wait_until ends_with wide 'ops>'
post ops bob "$long $long $long"
assert_screen wide <<END
Hello, carl!
This is ops. /help shows what else can be typed here.
hh:mm a person with a rather …: short
hh:mm anna: https://example.org/a/path/that/is/longer/than/any/row/of/forty/columns/can/be/made
hh:mm bob: 日本語のとても長い文章は四十桁の端末では何行にもなります。
hh:mm carl: a line that is longer than one row, ü
hh:mm bob: $long The quick brown fox jumps over the lazy dog and then, since nobody stops it, over the
      fence, too. $long
ops>
END
close_terminal wide

test_case "a line that wraps stays whole when the terminal gets narrower and wider"
seq -f 'message %g' 30 | "$CHANCAT" -s -S bob ops
open_terminal sized 80 24 "$CHANCAT" -S carl ops
wait_until ends_with sized 'ops>'
typed=$(printf 'w%02d ' {1..40})
type_text sized "${typed}end"
press sized Left Left Left
# shellcheck disable=SC2317 # called by wait_until
line_fills() { # ROWS
    [ "$(screen sized | tail -n "$1" | tr -d ' \n')" = "ops>${typed// /}end" ]
}
check_line() { # COLUMNS ROWS
    wait_until line_fills "$2"
    wait_until cursor_is sized "$(((5 + ${#typed}) % $1)),23"
    assert_eq "$(screen sized | grep -c 'ops>')" 1 "prompts at $1 columns"
}
check_line 80 3
resize_terminal sized 40 24
check_line 40 5
post ops bob 'at forty'
wait_until shows sized '^hh:mm bob: at forty$'
check_line 40 5
resize_terminal sized 120 24
check_line 120 2
post ops bob 'at a hundred and twenty'
wait_until shows sized 'hundred and twenty$'
check_line 120 2
type_text sized 'the '
press sized Enter
wait_until shows sized 'w40 the end$'
wait_until ends_with sized 'ops>'
assert_eq "$("$CHANCAT" -r -n 1 ops | jq -r .content)" "${typed}the end"

close_terminals
done_testing
