# SPDX-License-Identifier: MIT
#
# chancat --help | awk -v shell=bash -v program=chancat -f contrib/completions/generate.awk
#
# Writes the completions of a program for bash, zsh or fish, made from the options that its --help
# lists, so that they are never others. What the help calls a value tells how it is completed:
# FILE, PATH, WHERE, FROM: files; DIR: directories; WORD: the words that the help names behind its
# colon (`: a, b or c`); any other: free text, but for a word that the help gives as well (`NUM ...,
# or all`). The operand (a channel) is free text.
# Status 1 when the input has no options.

function kind_of(arg) {
    if (arg ~ /^(FILE|PATH|WHERE|FROM)$/) return "file"
    if (arg == "DIR") return "directory"
    return arg == "" ? "flag" : "text"
}

# The words that may stand for a value, with spaces between.
function words_of(arg, help) {
    if (arg == "WORD" && sub(/^.*: /, "", help)) {
        gsub(/,| or /, " ", help)
        gsub(/  +/, " ", help)
        return help
    }
    if (arg ~ /^(NUM|N|SECS)$/ && match(help, /, or [a-z]+($|[ ;])/))
        return substr(help, RSTART + 5, RLENGTH - 5 - (help !~ /, or [a-z]+$/))
    return ""
}

# text as one word of a shell; fish knows the backslash between single quotes.
function quoted(text) {
    if (shell == "fish") {
        gsub(/\\/, "\\\\", text)
        gsub(/'/, "\\'", text)
    } else
        gsub(/'/, "'\\''", text)
    return "'" text "'"
}

/^usage: .*\[[A-Z]+\]$/ {
    operand = $NF
    gsub(/\[|\]/, "", operand)
}

/^  (-., |    )--[a-z]/ {
    option = $0
    letter = substr(option, 3, 1) == "-" ? substr(option, 4, 1) : ""
    option = substr(option, 9)
    match(option, /^[a-z0-9-]+/)
    name = substr(option, 1, RLENGTH)
    option = substr(option, RLENGTH + 1)
    arg = match(option, /^ [A-Z]+/) ? substr(option, 2, RLENGTH - 1) : ""
    option = substr(option, RLENGTH > 0 ? RLENGTH + 1 : 1)
    n++
    letters[n] = letter
    names[n] = name
    args[n] = arg
    kinds[n] = kind_of(arg)
    if (option == "") getline option # behind a long name the text has a line of its own
    sub(/^ +/, "", option)
    helps[n] = option
    words[n] = words_of(arg, option)
}

# ---- bash --------------------------------------------------------------------------------------

# A pattern of case with the options of one kind that have no words; "" when there are none.
function bash_pattern(kind,  i, list) {
    for (i = 1; i <= n; i++)
        if (kinds[i] == kind && words[i] == "")
            list = list (list == "" ? "" : " | ") bash_names(i, " | ")
    return list
}

function bash_names(i, between) {
    return (letters[i] == "" ? "" : "-" letters[i] between) "--" names[i]
}

function bash_case(pattern, command) {
    if (pattern != "")
        printf "    %s)\n%s        return\n        ;;\n", pattern, command
}

function bash_words(list) {
    return "mapfile -t COMPREPLY < <(compgen -W '" list "' -- \"$cur\")\n"
}

function write_bash(  i, flags, takers, all) {
    for (i = 1; i <= n; i++) {
        if (kinds[i] == "flag") flags = flags letters[i]
        else takers = takers letters[i]
        all = all (i == 1 ? "" : " ") bash_names(i, " ")
    }
    print "# bash completion for " program ", made from its --help    -*- shell-script -*-\n"
    print "_" program "() {"
    print "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} i"
    print "    COMPREPLY=()"
    print "    # To bash --name=value is three words."
    print "    if [ \"$cur\" = = ]; then"
    print "        cur="
    print "    elif [ \"$prev\" = = ] && [ \"$COMP_CWORD\" -ge 2 ]; then"
    print "        prev=${COMP_WORDS[COMP_CWORD - 2]}"
    print "    fi"
    print "    # The last of several letters is the one that takes a value."
    print "    if [[ $prev =~ ^-[" flags "]+([" takers "])$ ]]; then"
    print "        prev=-${BASH_REMATCH[1]}"
    print "    fi"
    print "    case $prev in"
    bash_case(bash_pattern("file"), "        compopt -o default\n")
    bash_case(bash_pattern("directory"), "        compopt -o dirnames\n")
    bash_case(bash_pattern("text"), "")
    for (i = 1; i <= n; i++)
        if (words[i] != "")
            bash_case(bash_names(i, " | "), "        " bash_words(words[i]))
    print "    esac"
    print "    for ((i = 1; i < COMP_CWORD; i++)); do"
    print "        [ \"${COMP_WORDS[i]}\" != -- ] || return 0"
    print "    done"
    print "    if [[ $cur == -* ]]; then"
    printf "        %s", bash_words(all)
    print "    fi"
    print "}"
    print "complete -F _" program " " program
}

# ---- zsh ---------------------------------------------------------------------------------------

function zsh_value(i,  action) {
    if (kinds[i] == "flag") return ""
    action = " "
    if (words[i] != "") action = "(" words[i] ")"
    else if (kinds[i] == "file") action = "_files"
    else if (kinds[i] == "directory") action = "_files -/"
    return ":" args[i] ":" action
}

function zsh_spec(i,  help, rest, others, short, long) {
    help = helps[i]
    gsub(/\\|\[|\]|:/, "\\\\&", help)
    rest = quoted("[" help "]" zsh_value(i))
    short = letters[i] == "" ? "" : "-" letters[i] (kinds[i] == "flag" ? "" : "+")
    long = "--" names[i] (kinds[i] == "flag" ? "" : "=")
    if (names[i] ~ /^(help|version)$/)
        others = "(- *)"
    else
        others = "(" bash_names(i, " ") ")"
    return quoted(others) (short == "" ? long : "{" short "," long "}") rest
}

function write_zsh(  i) {
    print "#compdef " program
    print "# zsh completion for " program ", made from its --help\n"
    print "_arguments -s -S : \\"
    for (i = 1; i <= n; i++)
        print "    " zsh_spec(i) (i < n || operand != "" ? " \\" : "")
    if (operand != "")
        print "    '1:" operand ":()'"
}

# ---- fish --------------------------------------------------------------------------------------

function fish_value(i) {
    if (kinds[i] == "flag") return ""
    if (words[i] != "") return " -x -a '" words[i] "'"
    if (kinds[i] == "file") return " -r -F"
    if (kinds[i] == "directory") return " -x -a '(__fish_complete_directories)'"
    return " -x"
}

function write_fish(  i) {
    print "# fish completion for " program ", made from its --help\n"
    print "complete -c " program " -f"
    for (i = 1; i <= n; i++)
        print "complete -c " program (letters[i] == "" ? "" : " -s " letters[i]) \
            " -l " names[i] fish_value(i) " -d " quoted(helps[i])
}

END {
    if (n == 0) exit 1
    if (shell == "bash") write_bash()
    else if (shell == "zsh") write_zsh()
    else write_fish()
}
