/* SPDX-License-Identifier: MIT */
/*
 * place_sqlite: what tests do to an SQLite database beside the store that has it open. At the end
 * the database must be alone in its folder: a clean close leaves no -wal and no -shm.
 */
#ifndef CHANCAT_PLACE_SQLITE_H
#define CHANCAT_PLACE_SQLITE_H

#include <sqlite3.h>

#include "unit/store_fixture.h"

/* Another connection to the same file. */
sqlite3 *other_connection(const struct fixture *f);
void run_sql(sqlite3 *db, const char *sql);

#define SQLITE_CASE(test) cmocka_unit_test_setup_teardown(test, sqlite_set_up, store_tear_down)

#endif
