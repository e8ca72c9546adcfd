# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: MIT
#
# pg.sh: a PostgreSQL server of the script's own, see contrib/cluster/postgres. After lib.sh:
#
#   . "$(dirname "$0")/pg.sh"
#   start_postgres
#   start_server -d "$PG_URI"
#
# Where no PostgreSQL server is installed, or chancatd was built without libpq, the script is
# skipped. The server is ended with the script.

PG_TOOL=$ROOT/contrib/cluster/postgres
PG_DIR=$WORK/pg
# What libpq connects with to the database in use, and the name of it.
PG_URI=
PG_DATABASE=
pg_databases=0

for _name in ${!PG@}; do
    case $_name in
    PG_*) ;;
    *) unset "$_name" ;; # of the caller, for libpq
    esac
done
unset _name

# For scripts that do more where there is one.
have_postgres() {
    "$PG_TOOL" bindir >/dev/null 2>&1 && "$CHANCATD" -V | grep -q 'libpq/'
}

need_postgres() {
    "$PG_TOOL" bindir >/dev/null 2>&1 || skip 'no PostgreSQL server is installed'
    "$CHANCATD" -V | grep -q 'libpq/' || skip 'chancatd was built without libpq'
}

# start_postgres [-c NAME=VALUE]...: the first time with an empty database; later, when it was ended,
# with what is committed, and under the same PG_URI.
start_postgres() {
    need_postgres
    at_end+=(end_postgres)
    if ! "$PG_TOOL" start "$@" "$PG_DIR" 2>"$WORK/pg.err"; then
        echo 'FAIL: PostgreSQL does not start:'
        cat "$WORK/pg.err"
        exit 1
    fi
    PG_DATABASE=${PG_DATABASE:-chancat}
    PG_URI=$("$PG_TOOL" uri "$PG_DIR" "$PG_DATABASE")
}

# Ends it in order, or with `immediate` as if the machine had lost power.
stop_postgres() {
    "$PG_TOOL" stop "$PG_DIR" "$@" || fail 'PostgreSQL does not stop'
}

# SIGKILL to all its processes at one moment.
kill_postgres() {
    "$PG_TOOL" kill "$PG_DIR" || fail 'PostgreSQL was not there to be killed'
}

# From here on PG_URI is that of an empty database.
new_database() {
    pg_databases=$((pg_databases + 1))
    PG_DATABASE=test$pg_databases
    "$PG_TOOL" create "$PG_DIR" "$PG_DATABASE" || exit 1
    PG_URI=$("$PG_TOOL" uri "$PG_DIR" "$PG_DATABASE")
}

# pg_sql TEXT: what a superuser's SQL in the database in use answers, columns between |.
pg_sql() {
    "$PG_TOOL" sql "$PG_DIR" "$PG_DATABASE" <<<"$1"
}

# shellcheck disable=SC2317 # called by lib.sh
end_postgres() {
    "$PG_TOOL" stop "$PG_DIR" immediate
}
