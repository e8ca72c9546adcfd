#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The package descriptions have the version of the Makefile and ask for the libraries that
# contrib/install-deps installs for the build. Building them is for make check-packages.
. "$(dirname "$0")/lib.sh"

packaging=$ROOT/contrib/packaging
version=$(sed -n 's/^VERSION = //p' "$ROOT/Makefile")

# Column $1 of what install-deps installs for the build.
needed() {
    sed -n "/^build_table='/,/^'/p" "$ROOT/contrib/install-deps" | grep '^[a-z].* ' |
        awk -v column="$1" '{ print $column }' | tr , '\n' | grep -v '^-$' | sort -u
}

test_case "every package has the version of the Makefile"
assert_eq "$(sed -n '1s/^chancat (\(.*\)-[0-9]*) .*/\1/p' "$packaging/debian/changelog")" "$version"
assert_eq "$(sed -n 's/^Version: *//p' "$packaging/rpm/chancat.spec")" "$version"
assert_eq "$(grep -c "^%changelog\|^\* .* - $version-1$" "$packaging/rpm/chancat.spec")" 2
assert_eq "$(sed -n 's|^ *url ".*/chancat-\(.*\)\.tar\.gz"|\1|p' "$packaging/homebrew/chancat.rb")" \
    "$version"

test_case "the Debian packages are built with what the build needs"
sed -n '/^Build-Depends:/,/^[^ ]*: [^,]*$/p' "$packaging/debian/control" |
    grep -oE '[a-z0-9.-]+' | sort -u >has
needed 2 | grep -vx 'gcc\|libc6-dev\|make' >wanted # these every Debian build has
assert test -s wanted
comm -13 has wanted >missing
assert_empty missing

test_case "what every Debian build has is there before Debian packages are built"
mkdir fresh
printf '%s\n' '#!/bin/sh' 'exit 1' >fresh/dpkg-query # no package is installed
chmod +x fresh/dpkg-query
run env PATH="$PWD/fresh:$PATH" "$ROOT/contrib/install-deps" --check --packages
assert_status 1
assert_has err 'build-essential'

test_case "the RPM packages are built with what the build needs"
sed -n 's/^BuildRequires: *//p' "$packaging/rpm/chancat.spec" | sort -u >has
needed 3 >wanted
assert test -s wanted
comm -13 has wanted >missing
assert_empty missing

test_case "the Homebrew formula is built with what the build needs"
sed -n 's/^ *\(depends_on\|uses_from_macos\) "\([^"]*\)".*/\2/p' "$packaging/homebrew/chancat.rb" |
    sort -u >has
needed 6 | grep -vx llvm >wanted # Apple's compiler will do
assert test -s wanted
comm -13 has wanted >missing
assert_empty missing

test_case "the Debian packages know every unit of the system, and purge what it keeps"
for unit in "$ROOT"/contrib/systemd/*; do
    name=${unit##*/}
    package=chancat
    case $name in
    chancat-flush.*) continue ;; # a user's
    chancatd*)
        package=chancatd
        assert grep -qx "debian/$name" "$packaging/debian/clean"
        ;;
    *) assert grep -qx "debian/chancat.$name" "$packaging/debian/clean" ;;
    esac
    for directory in $(sed -n 's/^StateDirectory=//p' "$unit"); do
        assert grep -q "/var/lib/$directory /var/lib/private/$directory$" \
            "$packaging/debian/$package.postrm"
    done
done

test_case "the formula is filled in for a published tarball"
need openssl
printf 'tarball' >c.tar.gz
run "$packaging/formula" http://h.example/ http://h.example/c.tar.gz c.tar.gz
assert_status 0
assert_has out '^  homepage "http://h.example/"$'
assert_has out '^  url "http://h.example/c.tar.gz"$'
assert_has out "^  sha256 \"$(sha256sum c.tar.gz | cut -d ' ' -f 1)\"$"
assert_eq "$(diff out "$packaging/homebrew/chancat.rb" | grep -c '^<')" 3 'lines that differ'
run "$packaging/formula"
assert_status 2
assert_has err '^usage: formula HOMEPAGE URL TARBALL$'

test_case "the line that autopkgtest sends comes back"
mkdir bin tmp
ln -s "$CHANCAT" bin/chancat
ln -s "$CHANCATD" bin/chancatd
PATH=$PWD/bin:$PATH AUTOPKGTEST_TMP=$PWD/tmp run "$packaging/debian/tests/roundtrip"
assert_status 0
assert_file out 'roundtrip: the line came back'
assert_eq "$(ls -A tmp)" '' 'what it left behind'

test_case "autopkgtest fails when the line does not come back"
mkdir bin tmp
printf '%s\n' '#!/bin/sh' 'cat >/dev/null' >bin/silent
chmod +x bin/silent
mv bin/silent bin/chancat
ln -s "$CHANCATD" bin/chancatd
PATH=$PWD/bin:$PATH AUTOPKGTEST_TMP=$PWD/tmp run "$packaging/debian/tests/roundtrip" </dev/null
assert_status 1
assert_has out "^roundtrip: got ''$"
assert_eq "$(ls -A tmp)" '' 'what it left behind'

done_testing
