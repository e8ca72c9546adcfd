/* SPDX-License-Identifier: MIT */
/*
 * Files that the SQLite store leaves alone. What holds for any store is in test_store.c.
 */
#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/store.h"
#include "unit/place_sqlite.h"

static void somebody_elses_database_is_left_alone(void **state)
{
    struct fixture *f = *state;
    static const char *const table[] = {
        "CREATE TABLE bookmarks (url TEXT)",
        "PRAGMA user_version = 1",
        "PRAGMA user_version = 2",
        "DROP TABLE bookmarks; PRAGMA user_version = 999",
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct store *store = NULL;
        struct error e = {0};
        sqlite3 *db = other_connection(f);
        run_sql(db, table[i]);
        sqlite3_close(db);
        assert_int_equal(store_open(f->path, store_on_message, f, &store, &e), ERROR_LOCAL);
        assert_true(e.text[0] != '\0');
        assert_null(store);
        assert_int_equal(query_number(f, "SELECT count(*) FROM sqlite_master"), i < 3);
    }
}

static void what_is_no_database_is_told(void **state)
{
    struct fixture *f = *state;
    struct store *store = NULL;
    struct error e = {0};
    FILE *file = fopen(f->path, "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++)
        fputs("this is no database\n", file);
    fclose(file);
    assert_int_equal(store_open(f->path, store_on_message, f, &store, &e), ERROR_LOCAL);
    assert_true(e.text[0] != '\0');
    assert_null(store);
    assert_int_equal(store_open(f->folder, store_on_message, f, &store, &e), ERROR_LOCAL);
    assert_null(store);
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(mkfifo(f->path, 0600), 0); /* nobody is at its other end */
    assert_int_equal(store_open(f->path, store_on_message, f, &store, &e), ERROR_LOCAL);
    assert_int_equal(store_check(f->path, &e), ERROR_LOCAL);
    assert_non_null(strstr(e.text, "no regular file"));
    assert_null(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQLITE_CASE(somebody_elses_database_is_left_alone),
        SQLITE_CASE(what_is_no_database_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
