#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# make install puts everything where it is told, and make uninstall takes all of it away again.
. "$(dirname "$0")/lib.sh"
need make

# make as from a shell of its own, with the programs of this test run and without building anything.
make_here() {
    env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -C "$ROOT" B="$(dirname "$CHANCAT")" \
        -o all "$@" >>make.out 2>&1 || fail "make $*: $(tail -n 5 make.out)"
}

# Every file, directory and mode below $1.
tree() {
    (cd "$1" && find . -printf '%y %m %p\n' | sort)
}

standard='bin lib share share/man'

test_case "install puts programs, pages, completions and units below PREFIX"
mkdir stage
umask 077
make_here install DESTDIR="$PWD/stage" PREFIX=/opt/chancat
umask 022
tree stage/opt/chancat >tree
for program in chancat chancatd; do
    assert_has tree "^f 755 ./bin/$program$"
    assert_has tree "^f 644 ./share/bash-completion/completions/$program$"
    assert_has tree "^f 644 ./share/zsh/site-functions/_$program$"
    assert_has tree "^f 644 ./share/fish/vendor_completions.d/$program.fish$"
done
for page in "$ROOT"/man/*.[178]; do
    assert_has tree "^f 644 ./share/man/man${page##*.}/${page##*/}$"
done
assert_eq "$(find stage ! -path 'stage/opt/chancat*' ! -path stage ! -path stage/opt)" ''
assert_eq "$(grep '^d' tree | grep -vc '^d 755')" 0 'directories that not everybody may read'
run stage/opt/chancat/bin/chancat --version
assert_status 0

test_case "a unit is the system's or the user's, and starts the program that was installed"
mkdir stage
make_here install DESTDIR="$PWD/stage" PREFIX=/opt/chancat SYSTEMDDIR=/units
for unit in "$ROOT"/contrib/systemd/*; do
    name=${unit##*/}
    case $name in
    chancat-flush.*) installed=stage/units/user/$name ;;
    *) installed=stage/units/system/$name ;;
    esac
    assert test -e "$installed"
    grep '^Exec' "$installed" | grep -v '=/opt/chancat/bin/chancatd\{0,1\}\( \|$\)' >others
    assert_empty others
done
assert_has stage/units/user/chancat-flush.service '^ExecStart=/opt/chancat/bin/chancat --flush '
make_here uninstall DESTDIR="$PWD/stage" PREFIX=/opt/chancat SYSTEMDDIR=/units
assert test ! -e stage/units

test_case "every directory can be chosen, and no units are installed when there is no place for them"
make_here install PREFIX="$PWD/p" BINDIR="$PWD/b" MANDIR="$PWD/m" BASHDIR="$PWD/c1" \
    ZSHDIR="$PWD/c2" FISHDIR="$PWD/c3" SYSTEMDDIR=
assert test -x b/chancatd
assert test -e m/man8/chancatd.8
assert test -e c1/chancatd
assert test -e c2/_chancatd
assert test -e c3/chancatd.fish
assert test ! -e p

test_case "uninstall leaves the tree as it was before install"
# shellcheck disable=SC2086
(mkdir prefix && cd prefix && mkdir $standard)
tree prefix >before
make_here install PREFIX="$PWD/prefix"
tree prefix >between
assert test "$(wc -l <between)" -gt "$(wc -l <before)"
make_here uninstall PREFIX="$PWD/prefix"
tree prefix >after
assert_same before after

test_case "uninstall leaves what others have there"
# shellcheck disable=SC2086
(mkdir prefix && cd prefix && mkdir $standard share/man/man1 share/zsh share/zsh/site-functions lib/systemd)
touch prefix/bin/other prefix/share/man/man1/other.1 prefix/share/zsh/site-functions/_other \
    prefix/lib/systemd/other
tree prefix >before
make_here install PREFIX="$PWD/prefix"
make_here uninstall PREFIX="$PWD/prefix"
tree prefix >after
assert_same before after

test_case "uninstall of what is not installed is no error"
mkdir prefix
make_here uninstall PREFIX="$PWD/prefix"
assert_eq "$(ls -A prefix)" ''

test_case "a directory name with a space is taken as one"
mkdir 'my stage'
make_here install DESTDIR="$PWD/my stage"
assert test -x "my stage/usr/local/bin/chancat"
make_here uninstall DESTDIR="$PWD/my stage"
assert_eq "$(find 'my stage' -type f)" ''

done_testing
