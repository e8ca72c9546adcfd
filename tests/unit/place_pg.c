/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "unit/store_fixture.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

/* What writers share (pg_append.c), so that one who has it alone keeps all of them waiting. */
#define HOLD "SELECT pg_advisory_lock(7163082334259211379)"

static void check(PGconn *db, PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        print_error("%s", PQerrorMessage(db));
    assert_true(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK);
}

static void run_on(PGconn *db, const char *sql)
{
    PGresult *result = PQexec(db, sql);
    check(db, result);
    PQclear(result);
}

static PGconn *connect_to(const char *where)
{
    PGconn *db = PQconnectdb(where);
    if (PQstatus(db) != CONNECTION_OK)
        print_error("%s", PQerrorMessage(db));
    assert_int_equal(PQstatus(db), CONNECTION_OK);
    run_on(db, "SET client_min_messages = warning; SET search_path = chancat");
    return db;
}

static void run(const char *where, const char *sql)
{
    PGconn *db = connect_to(where);
    run_on(db, sql);
    PQfinish(db);
}

static int make(char *folder, size_t folder_size, char *where, size_t where_size)
{
    folder[0] = '\0';
    (void)folder_size;
    snprintf(where, where_size, "%s", getenv("CHANCAT_TEST_STORE"));
    run(where, "DROP SCHEMA IF EXISTS chancat CASCADE");
    return 0;
}

static int remove_all(const char *folder, const char *where)
{
    (void)folder;
    run(where, "DROP SCHEMA IF EXISTS chancat CASCADE");
    return 0;
}

static int number(const char *where, const char *sql)
{
    PGconn *db = connect_to(where);
    PGresult *result = PQexec(db, sql);
    check(db, result);
    assert_int_equal(PQntuples(result), 1);
    int ret = atoi(PQgetvalue(result, 0, 0));
    PQclear(result);
    PQfinish(db);
    return ret;
}

static void *hold(const char *where)
{
    PGconn *db = connect_to(where);
    run_on(db, HOLD);
    return db;
}

static void release(void *held)
{
    run_on(held, "SELECT pg_advisory_unlock_all()");
    PQfinish(held);
}

const struct place place_postgres = {
    .shared = true,
    .make = make,
    .remove = remove_all,
    .run = run,
    .number = number,
    .hold = hold,
    .release = release,
    .no_poison = "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS"
                 " $$ BEGIN RAISE 'poison'; END $$;"
                 " CREATE TRIGGER no_poison BEFORE INSERT ON message FOR EACH ROW"
                 " WHEN (new.content = 'poison') EXECUTE FUNCTION poison();"
                 " CREATE TRIGGER no_poison BEFORE INSERT ON append_key FOR EACH ROW"
                 " WHEN (new.name = 'poison') EXECUTE FUNCTION poison()",
    .poison = "DROP FUNCTION poison() CASCADE",
};
