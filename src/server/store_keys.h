/* SPDX-License-Identifier: MIT */
/*
 * store_keys: the keys of appends in the SQLite store; a part of store_sqlite.c.
 *
 * A key's row says under which ids and when its messages were stored, and what they were, as a
 * fingerprint. Everything here runs inside a transaction of the store's writer, on its connection
 * and in its thread, so a key and its messages are stored together or not at all.
 *
 * The age of a key goes by the wall clock, as it has to outlive the server. An old key counts as
 * none; its row goes when it is used again or by store_keys_prune().
 */
#ifndef CHANCATD_STORE_KEYS_H
#define CHANCATD_STORE_KEYS_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/store.h"

#define STORE_KEYS_PRUNE_MAX 1000  /* rows in one transaction; as many appends as it may have */
#define STORE_KEYS_PRUNE_MS  60000 /* between looks for old rows, when there are few */

/* The ids of one append follow each other without gaps: there is one writer. */
#define STORE_KEYS_SCHEMA                                                                          \
    "CREATE TABLE append_key (name TEXT PRIMARY KEY, fingerprint INTEGER NOT NULL,"                \
    " first_id INTEGER NOT NULL, messages INTEGER NOT NULL, time INTEGER NOT NULL)"                \
    " WITHOUT ROWID;"                                                                              \
    "CREATE INDEX append_key_time ON append_key (time);"

/* But those of a key that was copied from another store may have some. Then all of them are here,
 * 8 bytes each, big-endian; NULL: no gaps. */
#define STORE_KEYS_GAPS "ALTER TABLE append_key ADD COLUMN ids BLOB;"

struct store_keys {
    sqlite3_stmt *find, *add, *prune;
    int64_t prune_at; /* clock_now_ms() */
};

enum store_keys_found {
    STORE_KEYS_NEW,    /* or too old */
    STORE_KEYS_SAME,   /* the messages have their ids and time now */
    STORE_KEYS_OTHER,  /* it belongs to other messages */
    STORE_KEYS_FAILED, /* the database did; see sqlite3_errmsg() */
};

/* False: the database failed. store_keys_release() in any case. */
bool store_keys_prepare(struct store_keys *k, sqlite3 *db);
void store_keys_release(struct store_keys *k);

/* Looks for the append's key. `now_s`: the wall clock. */
enum store_keys_found store_keys_find(struct store_keys *k, const struct store_append *a,
                                      int64_t now_s);

/* Stores the key of an append whose messages have just been stored. False: the database failed. */
bool store_keys_add(struct store_keys *k, const struct store_append *a);

/* Removes some of the old rows, when it is time to. False: the database failed. */
bool store_keys_prune(struct store_keys *k, int64_t now_s);

#endif
