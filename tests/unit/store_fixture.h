/* SPDX-License-Identifier: MIT */
/*
 * store_fixture: a store on a database file in a folder of its own, and appends to wait for.
 */
#ifndef CHANCAT_STORE_FIXTURE_H
#define CHANCAT_STORE_FIXTURE_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>

#include "common/text.h"
#include "server/store.h"

struct fixture {
    char folder[4096], path[4200];
    struct store *store; /* closed by the end of the test */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int done, failed, heard; /* appends ended, failed; messages the listener was told of */
    int done_before_heard;
};

struct item {
    struct store_message message;
    struct store_append append;
    enum error_kind kind; /* how it ended */
    char content[32];
};

/* For cmocka. At the end the database must be alone in its folder: a clean close leaves no -wal
 * and no -shm. */
int store_set_up(void **state);
int store_tear_down(void **state);

/* The listener and the end of an item's append; the context is the fixture. */
void store_on_message(void *context, struct span channel, int64_t id);
void store_on_done(struct store_append *append, enum error_kind kind);

void open_store(struct fixture *f);
void reopen_store(struct fixture *f);

/* Queues the append of an item, after its `done` and `context` are filled in. */
void queue_append(struct fixture *f, struct item *item);

/* Queues an item as one message without a key. */
void queue(struct fixture *f, struct item *item, struct span channel, struct span content);

/* Until so many appends have ended since the beginning. */
void wait_for(struct fixture *f, int done);

/* Another connection to the same file. */
sqlite3 *other_connection(const struct fixture *f);
void run_sql(sqlite3 *db, const char *sql);

/* The same on a connection for this once. */
void run_sql_once(const struct fixture *f, const char *sql);
int query_number(const struct fixture *f, const char *sql);

#endif
