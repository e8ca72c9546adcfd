/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "unit/place_sqlite.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int make(char *folder, size_t folder_size, char *where, size_t where_size)
{
    const char *base = getenv("TMPDIR");
    snprintf(folder, folder_size, "%s/store-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(folder))
        return -1;
    snprintf(where, where_size, "%s/chat.db", folder);
    return 0;
}

static int remove_all(const char *folder, const char *where)
{
    unlink(where);
    return rmdir(folder);
}

static sqlite3 *connect_to(const char *where)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(where, &db), SQLITE_OK);
    return db;
}

sqlite3 *other_connection(const struct fixture *f)
{
    return connect_to(f->path);
}

void run_sql(sqlite3 *db, const char *sql)
{
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static void run(const char *where, const char *sql)
{
    sqlite3 *db = connect_to(where);
    run_sql(db, sql);
    sqlite3_close(db);
}

static int number(const char *where, const char *sql)
{
    sqlite3 *db = connect_to(where);
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int ret = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return ret;
}

static void *hold(const char *where)
{
    sqlite3 *db = connect_to(where);
    run_sql(db, "BEGIN IMMEDIATE");
    return db;
}

static void release(void *held)
{
    run_sql(held, "ROLLBACK");
    sqlite3_close(held);
}

const struct place place_sqlite = {
    .make = make,
    .remove = remove_all,
    .run = run,
    .number = number,
    .hold = hold,
    .release = release,
    .no_poison = "CREATE TRIGGER no_poison BEFORE INSERT ON message WHEN new.content = 'poison'"
                 " BEGIN SELECT RAISE(ABORT, 'poison'); END;"
                 "CREATE TRIGGER no_poisoned_key BEFORE INSERT ON append_key"
                 " WHEN new.name = 'poison' BEGIN SELECT RAISE(ABORT, 'poison'); END",
    .poison = "DROP TRIGGER no_poison; DROP TRIGGER no_poisoned_key",
};
