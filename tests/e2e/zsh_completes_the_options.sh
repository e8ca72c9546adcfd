#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Tab completes the options of both programs in a real zsh, as --help lists them.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/completion/lib.sh"
need zsh socat

key=$'\030a'

# On a terminal (socat's), with a key that inserts all completions and a function in the place of
# the command that shows what was offered.
start_shell() {
    mkdir -p "$WORK/functions"
    cp "$WORK/completions/chancat.zsh" "$WORK/functions/_chancat"
    cp "$WORK/completions/chancatd.zsh" "$WORK/functions/_chancatd"
    : >"$WORK/said"
    cat >"$WORK/zshrc" <<END
fpath=('$WORK/functions' \$fpath)
autoload -U compinit && compinit -D -u
_everything() { _main_complete "\$@"; compstate[insert]=all; }
zle -C everything complete-word _everything
bindkey '^Xa' everything
bindkey '^Xb' complete-word
chancat() { { printf '<%s>' "\$@"; echo; } >>'$WORK/said'; }
chancatd() { chancat "\$@"; }
END
    (
        echo ". '$WORK/zshrc'"
        sed "s/\$/$key/"
        echo exit
    ) | TERM=dumb timeout "$WAIT_SECS" socat -t "$WAIT_SECS" - \
        EXEC:'zsh -f -i',pty,setsid,ctty,stderr >/dev/null
    cat "$WORK/said"
}

completion_cases zsh

test_case "an ordinary Tab inserts what is the only completion"
key=$'\030b'
printf '%s\n' 'chancat --fol' 'chancat --re' >typed
(cd "$WORK/files" && start_shell) <typed >out
assert_file out '<--follow>
<--re>'

done_testing
