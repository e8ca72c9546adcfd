# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# What every shell must complete; sourced by the scripts that bring the shell:
#
#   start_shell   loads the completions $WORK/completions/{chancat,chancatd}.SHELL, reads command
#                 lines on stdin as they are typed so far, asks for all completions of each last
#                 word and writes a line of what the command would get: <word><word>...
#
# then call `completion_cases SHELL`.

# The options that $1 --help lists, each letter and each name as one line.
options_of() {
    "$1" --help | grep -oE '^  (-., |    )--[a-z-]+' | tr -d , | tr -s ' ' '\n' | grep . | sort
}

# Lines `typed so far|what the command gets`, but for the table's file names.
expectations='
chancat --fol|<--follow>
chancat -r --retry|<-r><--retry-for>
chancat --outbox |<--outbox><dir>
chancat --cursor-file |<--cursor-file><dir><my file><other>
chancat -rC |<-rC><dir><my file><other>
chancat --config=my|<--config=my file>
chancat --on-reset |<--on-reset><fail><restart><skip>
chancat --on-reset=re|<--on-reset=restart>
chancat -n |<-n><all>
chancat --url |<--url>
chancat -S o|<-S><o>
chancat o|<o>
chancat -r -- o|<-r><--><o>
chancat -- -|<--><->
chancatd --data|<--database>
chancatd -d o|<-d><other>
chancatd -l o|<-l><o>
'

completion_cases() {
    local shell=$1 name program=$CHANCAT number
    mkdir "$WORK/completions" "$WORK/files" "$WORK/files/dir"
    : >"$WORK/files/my file"
    : >"$WORK/files/other"
    for name in chancat chancatd; do
        [ $name = chancat ] || program=$CHANCATD
        "$program" --help | awk -v shell="$shell" -v program=$name \
            -f "$ROOT/contrib/completions/generate.awk" >"$WORK/completions/$name.$shell"
    done

    test_case "$shell offers the options that --help lists"
    printf '%s\n' 'chancat -' 'chancatd -' >typed
    (cd "$WORK/files" && start_shell) <typed >offered 2>err
    for number in 1 2; do
        [ $number = 1 ] && program=$CHANCAT || program=$CHANCATD
        options_of "$program" >wanted
        assert test -s wanted
        sed -n "${number}p" offered | tr -s '<>' '\n' | grep . | sort >got
        assert_same got wanted
    done

    test_case "$shell offers files, directories and words where they fit, and none for a channel"
    grep . <<<"$expectations" | cut -d '|' -f 1 >typed
    (cd "$WORK/files" && start_shell) <typed >got 2>err
    grep . <<<"$expectations" | cut -d '|' -f 2 >wanted
    assert_same got wanted
}
