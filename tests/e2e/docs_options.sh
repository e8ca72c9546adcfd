#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The manual pages and --help describe the same options, variables and version.
. "$(dirname "$0")/lib.sh"

# Options as `letter long ARG` (`-` for what there is not), sorted.
of_help() {
    "$1" --help | sed -nE \
        -e 's/^  -(.), --([a-z-]+) ?([A-Z]*).*/\1 \2 \3/p' \
        -e 's/^      --([a-z-]+) ?([A-Z]*).*/- \1 \2/p' | sed 's/ $/ -/' | sort
}

of_page() {
    awk '/^\.It Fl / {
        letter = long = arg = "-"
        for (i = 2; i < NF; i++) {
            if ($i == "Fl" && $(i + 1) ~ /^-/) long = substr($(i + 1), 2)
            else if ($i == "Fl") letter = $(i + 1)
            else if ($i == "Ar") arg = $(i + 1)
        }
        print letter, long, arg
    }' "$1" | sort
}

# Letters and long names used in the page's SYNOPSIS.
of_synopsis() {
    sed -n '/^\.Sh SYNOPSIS/,/^\.Sh DESCRIPTION/p' "$1" | grep '^\.\(Op \)\{0,1\}Fl ' |
        sed -E 's/^\.(Op )?//; s/ \| Fl /\nFl /g; s/ \| /\nFl /g' |
        awk '$2 ~ /^-/ { print substr($2, 2); next }
            { for (i = 1; i <= length($2); i++) print substr($2, i, 1) }' | sort -u
}

version=$(sed -n 's/^VERSION = //p' "$ROOT/Makefile")

for page in chancat.1 chancatd.8; do
    program=$CHANCAT
    [ "$page" = chancat.1 ] || program=$CHANCATD

    test_case "$page describes the options that --help lists"
    of_help "$program" >help
    of_page "$ROOT/man/$page" >page
    assert test -s help
    assert_same help page

    test_case "the synopsis of $page uses options that exist"
    of_help "$program" >help
    of_synopsis "$ROOT/man/$page" | while read -r name; do
        grep -qE "^$name |^. $name " help || echo "$name"
    done >unknown
    assert_empty unknown

    test_case "$page describes the variables that --help names"
    "$program" --help | grep -oE '[$]CHANCAT[A-Z_]*' | tr -d '$' | sort -u >help
    grep -oE '^\.It Ev CHANCAT.*' "$ROOT/man/$page" | grep -oE 'CHANCAT[A-Z_]*' | sort -u >page
    assert test -s help
    comm -23 help page >missing
    assert_empty missing

    test_case "${page%.*} --version gives the version of the Makefile"
    run "$program" --version
    assert_status 0
    assert_lines out 1
    assert_has out "^${page%.*} ${version//./[.]} "
done

test_case "chancat.1 describes each variable that the client reads"
grep -ohE 'getenv\("[A-Z_]+"\)' "$ROOT"/src/client/*.c "$ROOT"/src/common/*.c |
    grep -oE '[A-Z_]{2,}' | grep -vx NETRC | sort -u >variables # NETRC is looked at for libcurl's sake
assert test -s variables
sed -n '/^\.Sh ENVIRONMENT/,/^\.Sh FILES/s/^\.It Ev //p' "$ROOT/man/chancat.1" |
    grep -oE '[A-Z_]{2,}' | sort -u >page
comm -23 variables page >missing
assert_empty missing

test_case "the configuration file shown in chancat.1 uses options that exist"
of_help "$CHANCAT" >help
sed -n '/^\.Sh FILES/,/^\.Sh EXIT/p' "$ROOT/man/chancat.1" |
    sed -n '/^\.Bd/,/^\.Ed/p' | grep -v '^[.#]' >config
assert test -s config
while read -r name _; do
    assert grep -q " $name " help
done <config

test_case "chancat.1 lists the exit statuses 0 to 7"
sed -n '/^\.Sh EXIT STATUS/,/^\.Sh EXAMPLES/s/^\.It //p' "$ROOT/man/chancat.1" >page
assert_file page "$(seq 0 7)"

test_case "chancatd.8 lists the exit statuses 0 to 2"
sed -n '/^\.Sh EXIT STATUS/,/^\.Sh EXAMPLES/s/^\.It //p' "$ROOT/man/chancatd.8" >page
assert_file page "$(seq 0 2)"

done_testing
