#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What the documents name exists: links, files and directories in code quotes, make targets; and
# each recipe is named in README.md and run by a test.
. "$(dirname "$0")/lib.sh"

cd "$ROOT" || exit 1
documents=(README.md CONTRIBUTING.md SECURITY.md)

test_case "the links lead somewhere"
cd "$ROOT" || exit 1
grep -ohE '\]\([^)#]+' "${documents[@]}" | sed 's/^](//' | grep -v '^https\{0,1\}:' | sort -u >"$WORK/links"
assert test -s "$WORK/links"
while read -r path; do
    [ -e "$path" ] || fail "there is no $path"
done <"$WORK/links"

test_case "the files, and the targets of make, exist"
cd "$ROOT" || exit 1
# shellcheck disable=SC2016
grep -ohE '`(src|tests|contrib|man|\.ci)/[a-z0-9_./*-]*`' "${documents[@]}" | tr -d '`' | sort -u >"$WORK/paths"
assert test -s "$WORK/paths"
while read -r path; do
    compgen -G "$path" >/dev/null || fail "there is no $path"
done <"$WORK/paths"
grep -ohE '(`|^    )make [a-z-]+' "${documents[@]}" | sed 's/.*make //' | sort -u >"$WORK/targets"
assert test -s "$WORK/targets"
while read -r target; do
    grep -qE "^([a-z -]* )?${target}[a-z -]*:" Makefile || fail "there is no target $target"
done <"$WORK/targets"

test_case "each recipe is in README.md and in a test"
cd "$ROOT" || exit 1
for recipe in contrib/recipes/*; do
    grep -qF "($recipe)" README.md || fail "README.md does not name $recipe"
    # shellcheck disable=SC2016
    grep -qE '(RECIPES|recipes)/'"${recipe##*/}"'("| |$)' tests/e2e/recipes_*.sh || fail "$recipe has no test"
done

done_testing
