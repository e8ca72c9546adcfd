#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# systemd finds nothing wrong with the units in contrib/systemd, and they are well locked up.
. "$(dirname "$0")/lib.sh"
need systemd-analyze

# The units as they would be with the programs of this build.
for unit in "$ROOT"/contrib/systemd/*; do
    sed -e "s#^ExecStart=chancatd#ExecStart=$CHANCATD#" -e "s#^ExecStart=chancat #ExecStart=$CHANCAT #" \
        -e "s#/usr/bin/env chancat #$CHANCAT #" "$unit" >"$WORK/${unit##*/}"
done
export XDG_RUNTIME_DIR=$WORK/runtime
mkdir -m 700 "$XDG_RUNTIME_DIR"

test_case "the units of the system are right"
run systemd-analyze verify --man=no "$WORK/chancatd.service" "$WORK/chancatd.socket" \
    "$WORK/chancat-follow@ops.service"
assert_status 0
assert_empty out
assert_empty err

test_case "the units of a user are right"
run systemd-analyze verify --man=no --user "$WORK/chancat-flush.service" \
    "$WORK/chancat-flush.timer"
assert_status 0
assert_empty out
assert_empty err

test_case "the services are exposed by 1.5 of 10 at most"
for service in chancatd.service chancat-follow@.service; do
    run systemd-analyze security --offline=true --threshold=15 --no-pager "$WORK/$service"
    assert_status 0
    assert_has out 'Overall exposure level'
done

test_case "what the units say to the programs is understood"
XDG_CONFIG_HOME=$PWD XDG_STATE_HOME=$PWD run "$CHANCATD" --check
assert_status 0
start_server
post ops me hello
sed -n 's/^ExecStart=chancat //p' "$ROOT/contrib/systemd/chancat-follow@.service" |
    sed "s#\${STATE_DIRECTORY}#$PWD#; s#%i#ops#; s#%I#ops#" >arguments
assert_lines arguments 1
# shellcheck disable=SC2046
run "$CHANCAT" --count 1 $(cat arguments)
assert_status 0
assert_has out '"content":"hello"'
assert test -s ops
stop_server

done_testing
