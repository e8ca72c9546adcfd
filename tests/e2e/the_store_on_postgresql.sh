#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What any store promises, on PostgreSQL: the unit programs test_store*, which run on SQLite by
# themselves, on databases of a private server; each has its own, so they run side by side.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pg.sh"

export UNIT_BIN=${UNIT_BIN:-$ROOT/build/default/tests}
[ -x "$UNIT_BIN/test_store" ] || skip 'the unit tests are not built'
start_postgres -c fsync=off -c max_connections=200
programs=() names=()

# make_database ENCODING [SETTING]: PG_URI is that of a new one with this encoding, in which
# sessions have this setting.
make_database() {
    local name=encoded${#programs[@]}
    PG_DATABASE=postgres pg_sql "CREATE DATABASE $name OWNER chancat ENCODING '$1'
        TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
    [ -z "${2:-}" ] || PG_DATABASE=postgres pg_sql "ALTER DATABASE $name SET $2"
    PG_URI=$("$PG_TOOL" uri "$PG_DIR" "$name")
}

# run_there PROGRAM WHAT: in the background, in PG_URI.
run_there() {
    CHANCAT_TEST_STORE=$PG_URI spawn "$UNIT_BIN/$1" >"$WORK/unit.${#programs[@]}" 2>&1
    programs+=("$SPAWNED")
    names+=("$1 $2")
}

for program in "$ROOT"/tests/unit/test_store*.c; do
    make_database UTF8
    run_there "$(basename "$program" .c)" 'passes'
done
for encoding in LATIN1 SQL_ASCII EUC_JP; do
    make_database "$encoding"
    run_there test_store_texts "passes in a database of $encoding"
done
make_database UTF8 "default_transaction_isolation = 'serializable'"
run_there test_store_shared 'passes where transactions are serializable by default'
make_database UTF8 "default_transaction_isolation = 'repeatable read'"
run_there test_store_keys 'passes where transactions are repeatable by default'

for i in "${!programs[@]}"; do
    test_case "${names[i]}"
    wait_for "${programs[i]}"
    assert_status 0
    assert_has "$WORK/unit.$i" 'PASSED'
    assert_not_has "$WORK/unit.$i" 'FAILED'
done

done_testing
