#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Tab completes the options of both programs in a real bash, as --help lists them.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/completion/lib.sh"

# Readline reads a pipe as it reads a terminal; a key that inserts all completions and a function in
# the place of the command show what was offered.
start_shell() {
    # shellcheck disable=SC2016
    printf '%s\n' PS1= 'unset HISTFILE' "bind '\"\C-xa\": insert-completions'" \
        ". '$WORK/completions/chancat.bash'" ". '$WORK/completions/chancatd.bash'" \
        'chancat() { printf "<%s>" "$@"; echo; }' 'chancatd() { chancat "$@"; }' >"$WORK/bashrc"
    sed $'s/$/\030a/' | INPUTRC=/dev/null TERM=dumb timeout "$WAIT_SECS" \
        bash --noprofile --rcfile "$WORK/bashrc" -i 2>/dev/null
}

completion_cases bash

test_case "the completions for bash are a clean script"
for file in "$WORK/completions/chancat.bash" "$WORK/completions/chancatd.bash"; do
    assert bash -n "$file"
    if command -v shellcheck >/dev/null; then
        assert shellcheck -s bash "$file"
    fi
done

test_case "no completions are made from a text without options"
: | awk -v shell=bash -v program=chancat -f "$ROOT/contrib/completions/generate.awk" >out 2>err
assert_eq "${PIPESTATUS[1]}" 1 status
assert_empty out

done_testing
