/* SPDX-License-Identifier: MIT */
/*
 * store_fixture: a store in an empty place of its own, and appends to wait for.
 *
 * What store.h promises is tested once, by cases (test_store*.c) that take whatever store the
 * environment names:
 *
 *   CHANCAT_TEST_STORE   postgresql://...: an existing database, in which each test makes and drops
 *                        the schema chancat: for one program at a time. Unset: SQLite, in a file.
 *
 * What is SQLite's alone is in test_sqlite*.c, for which see place_sqlite.h.
 */
#ifndef CHANCAT_STORE_FIXTURE_H
#define CHANCAT_STORE_FIXTURE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/text.h"
#include "server/store.h"

/* Where a store of one kind lives, and what cases do there behind its back. All fail the test when
 * they cannot. `where` is that of store_open(). */
struct place {
    bool shared; /* several stores may be open there at once, and hear of each other */
    int (*make)(char *folder, size_t folder_size, char *where, size_t where_size);
    int (*remove)(const char *folder, const char *where);
    void (*run)(const char *where, const char *sql); /* tables need no schema before them */
    int (*number)(const char *where, const char *sql);
    void *(*hold)(const char *where); /* no writer gets on until release() */
    void (*release)(void *held);
    const char *no_poison; /* SQL: no message may have the content "poison", no key that name */
    const char *poison;    /* SQL: any may again */
};

extern const struct place place_sqlite, place_postgres;

struct fixture {
    const struct place *place;
    char folder[4096], path[4200]; /* `path`: where the store is */
    struct store *store;           /* closed by the end of the test */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int done, failed, heard; /* appends ended, failed; messages the listener was told of */
    int done_before_heard;
    int unknown; /* times it was told that nobody knows where there are news */
};

struct item {
    struct store_message message;
    struct store_append append;
    enum error_kind kind; /* how it ended */
    char content[32];
};

/* For cmocka: what the environment names, or SQLite whatever it says. */
int store_set_up(void **state);
int sqlite_set_up(void **state);
int store_tear_down(void **state);

#define STORE_CASE(test) cmocka_unit_test_setup_teardown(test, store_set_up, store_tear_down)

/* What the environment names. */
const struct place *store_place(void);

/* The listener and the end of an item's append; the context is the fixture. */
void store_on_message(void *context, struct span channel, int64_t id);
void store_on_done(struct store_append *append, enum error_kind kind);

void open_store(struct fixture *f);
void reopen_store(struct fixture *f);

/* Another store at the same place, with a listener of its own; the caller closes it. */
struct store *open_another(const struct fixture *f, store_listener_fn *listener, void *context);

/* Queues the append of an item, after its `done` and `context` are filled in. */
void queue_append(struct fixture *f, struct item *item);
void queue_append_to(struct store *store, struct fixture *f, struct item *item);

/* Queues an item as one message without a key. */
void queue(struct fixture *f, struct item *item, struct span channel, struct span content);

/* Until so many appends have ended since the beginning. */
void wait_for(struct fixture *f, int done);

/* Until a number that changes under the fixture's lock is that high. */
void wait_until_is(struct fixture *f, const int *number, int least);

/* How many messages the channel has; they are in order. */
int rows_of(struct store *store, struct span channel);

/* Behind the store's back. */
void run_sql_once(const struct fixture *f, const char *sql);
int query_number(const struct fixture *f, const char *sql);

#endif
