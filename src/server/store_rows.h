/* SPDX-License-Identifier: MIT */
/*
 * store_rows: new rows of the table of messages, many to a statement.
 *
 * One INSERT for each message costs four times what a row costs in an INSERT of many: the statement
 * itself, and AUTOINCREMENT, which reads and writes its counter once for each statement. So rows
 * are collected, and go in statements of 64, 16, 4 and 1 rows.
 *
 * The ids are counted here and are known before the rows are in; after each statement SQLite must
 * have given the id that was counted last. As AUTOINCREMENT only counts up, all ids of the
 * statement are then those that were counted, without a gap. That rows are taken in the order of
 * their VALUES is SQLite's way; the unit test holds it to that.
 *
 * Part of store_sqlite.c and of its writer's thread; inside a transaction.
 */
#ifndef CHANCATD_STORE_ROWS_H
#define CHANCATD_STORE_ROWS_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/store.h"

#define STORE_ROWS_MAX   64 /* in one statement */
#define STORE_ROWS_SIZES 4

struct store_rows {
    sqlite3 *db;
    sqlite3_stmt *last, *insert[STORE_ROWS_SIZES];
    int64_t last_id; /* given to the newest message */
    const struct store_message *waiting[STORE_ROWS_MAX];
    int count; /* of them */
};

/* False: the database failed. store_rows_release() in any case. */
bool store_rows_prepare(struct store_rows *r, sqlite3 *db);
void store_rows_release(struct store_rows *r);

/* At the start of a transaction: nothing waits, and the next id is the one above the highest that
 * there ever was. False: the database failed. */
bool store_rows_begin(struct store_rows *r);

/* Gives the messages of an append their ids and this time. Their rows may wait, so they must stay
 * until store_rows_end(). False: the database failed. */
bool store_rows_add(struct store_rows *r, struct store_append *a, int64_t now_s);

/* Before the transaction is committed: what waits goes in. False: the database failed. */
bool store_rows_end(struct store_rows *r);

#endif
