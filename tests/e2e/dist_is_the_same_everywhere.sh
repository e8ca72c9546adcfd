#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# make dist gives the same bytes for the same commit, and what it packs builds without git.
. "$(dirname "$0")/lib.sh"
need git make gcc
git -C "$ROOT" rev-parse -q --verify HEAD >/dev/null 2>&1 || skip 'this is no git checkout'

alone=(env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS)
version=$(git -C "$ROOT" show HEAD:Makefile | sed -n 's/^VERSION = //p')
name=chancat-$version
tarball=$WORK/one/build/$name.tar.gz

test_case "clones in two places, with other settings and other masks, pack the same bytes"
git clone -q "$ROOT" "$WORK/one" 2>err
git clone -q "$ROOT" "$WORK/another place" 2>err
run "${alone[@]}" make -C "$WORK/one" dist
assert_status 0
git -C "$WORK/another place" config tar.umask 0
git -C "$WORK/another place" config core.autocrlf true
touch "$WORK/another place/Makefile" "$WORK/another place/not of the commit"
(umask 077 && run "${alone[@]}" TZ=Asia/Tokyo make -C "$WORK/another place" dist)
assert_same "$tarball" "$WORK/another place/build/$name.tar.gz"

test_case "the tarball holds what is committed, in one directory"
tar tzf "$tarball" | grep -v '/$' | sort >got
git -C "$ROOT" ls-tree -r --name-only HEAD | sed "s|^|$name/|" | sort >wanted
assert_same got wanted
tar tvzf "$tarball" | cut -c 1-10 | sort -u >modes
assert_file modes $'-rw-r--r--\n-rwxr-xr-x\ndrwxr-xr-x'

test_case "it builds and installs without git"
mkdir bin stage
printf '%s\n' '#!/bin/sh' "echo called >>'$PWD/git.calls'" 'exit 1' >bin/git
chmod +x bin/git
tar xzf "$tarball"
PATH=$PWD/bin:$PATH run "${alone[@]}" make -C "$name" -j2 CFLAGS=-O0 install DESTDIR="$PWD/stage"
assert_status 0
assert test ! -e git.calls
run stage/usr/local/bin/chancatd --version
assert_has out "^chancatd ${version//./[.]} "
run "${alone[@]}" make -C "$name" dist
assert_status 2
assert_has err '^make dist: it packs a commit'

done_testing
