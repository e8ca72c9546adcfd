#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The section DIAGNOSTICS of chancat.1 lists each message that the client's sources can print, and
# no other. Words in capitals in the list stand for what is put there.
. "$(dirname "$0")/lib.sh"

# The formats in the calls of the functions $1 (alternatives of an ERE) in files of C, one a line.
formats() {
    local functions=$1
    shift
    awk -v functions="$functions" '
        # The first string in the arguments of a call, its pieces joined.
        function first_string(text,   i, c, out, inside, seen, depth) {
            for (i = 1; i <= length(text); i++) {
                c = substr(text, i, 1)
                if (inside && c == "\\") {
                    i++
                    out = out substr(text, i, 1)
                } else if (c == "\"") {
                    inside = !inside
                    seen = 1
                } else if (inside) {
                    out = out c
                } else if (c == "(") {
                    depth++
                } else if (c == ")" && depth-- == 0) {
                    break
                } else if (c == "," && seen && depth == 0) {
                    break
                } else if (match(substr(text, i), /^PRI[a-zA-Z0-9]+/)) {
                    i += RLENGTH - 1
                    out = out "d"
                }
            }
            return out
        }
        { text = text $0 "\n" }
        END {
            while (match(text, "(" functions ")\\(")) {
                text = substr(text, RSTART + RLENGTH)
                format = first_string(text)
                if (format != "")
                    print format
            }
        }' "$@" | sort -u
}

listed() {
    sed -n '/^\.Sh DIAGNOSTICS/,/^\.Sh SEE ALSO/s/^\.It Li //p' "$ROOT/man/chancat.1" |
        sed 's/\\(dq/"/g; s/\\&//g'
}

# unmatched A B: the lines of A that no line of B fits. In each line what varies is a conversion
# or a word in capitals; one of the two, taken as a pattern, must fit the other. Lines that are
# hardly more than conversions prove nothing.
unmatched() {
    awk '
        function plain(s) {
            gsub(/%[-+ 0-9.*]*[hlzj]*[a-z]/, "x", s)
            return s
        }
        function pattern(s) {
            gsub(/%[-+ 0-9.*]*[hlzj]*[a-z]|[A-Z][A-Z]+/, "\001", s)
            gsub(/[][\\.^$*+?(){}|]/, "\\\\&", s)
            gsub(/\001/, ".*", s)
            return "^" s "$"
        }
        function says_something(s) {
            gsub(/%[-+ 0-9.*]*[hlzj]*[a-z]|[^a-z]/, "", s)
            return length(s) >= 4
        }
        !says_something($0) { next }
        NR == FNR { text[++n] = plain($0); fits[n] = pattern($0); next }
        {
            found = 0
            for (i = 1; i <= n && !found; i++)
                found = plain($0) ~ fits[i] || text[i] ~ pattern($0)
            if (!found)
                print
        }' "$2" "$1"
}

cd "$WORK" || exit 1
sources=("$ROOT"/src/client/*.c "$ROOT"/src/common/*.c)
formats 'log_error|log_warn|error_set' "${sources[@]}" >said
# At a terminal; nobody looks up a greeting.
formats 'say|give_back' "$ROOT"/src/client/{chat,terminal}.c |
    grep -vE '^(Hello|This is|You are|-- )' >notices
formats 'log_error|log_warn|error_set|snprintf|buf_addf' "${sources[@]}" | cat - notices >known
listed >list

test_case "the sources are read as they should be"
cat >x.c <<'EOF'
    log_error("a \"%s\" of %" PRId64
              " things, (%d)", f(a, "b"), n);
    return error_set(e, x ? A(1) : B, "second");
EOF
assert_file <(formats 'log_error|error_set' x.c) $'a "%s" of %d things, (%d)\nsecond'
printf 'a "NAME" of NUM things, (NUM)\nno WHAT of it\nunknown\n' >a
printf 'a "%%s" of %%d things, (%%d)\nno memory of it\n%%s: %%s\nnothing like that\n' >b
assert_file <(unmatched a b) 'unknown'
assert_file <(unmatched b a) 'nothing like that'

test_case "each message of the sources is in the manual"
cd "$WORK" || exit 1
[ "$(wc -l <said)" -ge 100 ] || fail "only $(wc -l <said) messages found"
unmatched said list >missing
assert_empty missing
[ "$(wc -l <notices)" -ge 6 ] || fail "only $(wc -l <notices) notices found"
unmatched notices list >missing
assert_empty missing

test_case "each message in the manual is in the sources"
cd "$WORK" || exit 1
[ "$(wc -l <list)" -ge 90 ] || fail "only $(wc -l <list) messages listed"
unmatched list known >surplus
assert_empty surplus

done_testing
