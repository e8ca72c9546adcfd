#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# fish completes the options of both programs, as --help lists them.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/completion/lib.sh"
need fish

# What `complete -C` offers is put behind the words before; when it offers nothing, the last word
# stays as it was typed.
start_shell() {
    # shellcheck disable=SC2016
    fish --no-config -c '
        source $argv[1]/chancat.fish
        source $argv[1]/chancatd.fish
        while read -l line
            set -l words (string split " " -- $line)
            set -l offered (complete -C $line | string replace -r "\t.*" "" | string trim -rc /)
            if not set -q offered[1]; and test -n "$words[-1]"
                set offered $words[-1]
            end
            string join "" "<"$words[2..-2]">" "<"$offered">"
        end' "$WORK/completions" 2>/dev/null
}

completion_cases fish
done_testing
