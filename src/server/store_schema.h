/* SPDX-License-Identifier: MIT */
/*
 * store_schema: the tables of the SQLite store, and whose database a file is; a part of
 * store_sqlite.c, and of what looks at its database from outside (check.c, backup.c).
 *
 * A database of this program has its version in user_version. One of an earlier version is brought
 * to the present one when it is opened, all at once or not at all.
 *
 * Every function uses the connection it is given and belongs to that connection's thread.
 */
#ifndef CHANCATD_STORE_SCHEMA_H
#define CHANCATD_STORE_SCHEMA_H

#include <sqlite3.h>

#include "common/error.h"

#define STORE_SCHEMA_VERSION 3

/* Sets the version that is there already: a write of one page that changes nothing. */
#define STORE_SCHEMA_TOUCH "PRAGMA user_version = 3"

/* ERROR_LOCAL with SQLite's own sentence behind `what`; `db` NULL: no memory. */
enum error_kind store_sql_failed(sqlite3 *db, const char *what, struct error *e);

/* Statements without rows. ERROR_LOCAL. */
enum error_kind store_sql_execute(sqlite3 *db, const char *sql, struct error *e);

/* Makes the tables, or those that a database of an earlier version lacks: all or nothing.
 * ERROR_LOCAL: also when it is another program's or a later version's; it is left as it was. */
enum error_kind store_schema_create(sqlite3 *db, struct error *e);

/* Whose database is it, without writing? *ret_version: 0 when it is empty. ERROR_LOCAL: another
 * program's, or of a later version. */
enum error_kind store_schema_look(sqlite3 *db, int *ret_version, struct error *e);

#endif
