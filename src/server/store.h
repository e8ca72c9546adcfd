/* SPDX-License-Identifier: MIT */
/*
 * store: where messages live. One small interface; the place named at opening picks the
 * implementation (store.c): an SQLite file that is this server's alone (store_sqlite.c), or a
 * PostgreSQL database that many servers share (store_pg.c).
 *
 * What every implementation promises:
 *   - an append is durable when its callback says ERROR_NONE, and not stored when it says anything
 *     else, nor will it ever be; only ERROR_UNKNOWN says that nobody could find out in time;
 *   - an append that has waited for more than STORE_WAIT_MAX_MS when its transaction could begin is
 *     not stored: whoever sent it may have given up and looked already;
 *   - an append under a key is stored once, however often it is queued, for STORE_KEY_KEPT_S by the
 *     wall clock and over restarts; the key is stored with the messages or not at all;
 *   - the ids of a channel grow in the order its messages become visible to readers, whichever
 *     server stored them, and no id is used again; those of one append grow, and its messages
 *     become visible all at once;
 *   - store_read() called by the listener's caller or later sees the message.
 */
#ifndef CHANCATD_STORE_H
#define CHANCATD_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/text.h"
#include "server/histogram.h"

#define STORE_QUEUE_MAX   10000 /* appends waiting for the writer */
#define STORE_GROUP_MAX   1000  /* messages after which a transaction takes no further append */
#define STORE_WAIT_MAX_MS 5000  /* from store_queue() until its transaction begins */
#define STORE_KEY_KEPT_S  (INT64_C(7) * 24 * 3600)

struct store;

struct store_message {
    int64_t id;
    int64_t time_s; /* seconds since 1970, UTC */
    struct span channel, sender, content;
};

/* An append in work: all of its messages or none. Made by the caller, whose memory (the messages
 * and their spans, too) must stay until `done` is called. */
struct store_append {
    struct store_message *messages; /* id and time_s are filled in before `done` */
    size_t count;                   /* 0: a probe, see store_queue() */
    /* Empty: none. An append under a key that was used for the same messages (as many, the same
     * channel, sender and content in the same order) stores nothing and sets `replayed`; ids and
     * times are those of the first time. */
    struct span key;
    bool replayed; /* filled in before `done` */
    /* Called once, from a writer's thread: ERROR_NONE, or with nothing stored ERROR_UNREACHABLE,
     * ERROR_LOCAL: the database was removed or replaced while it was in use (also said in the log),
     * ERROR_REFUSED: the key belongs to other messages; or ERROR_UNKNOWN: the database went away
     * during the commit; a repeat under the same key is safe. */
    void (*done)(struct store_append *append, enum error_kind kind);
    void *context;
    /* the store's */
    struct store_append *next;
    int64_t late_at;      /* clock_now_ms() */
    enum error_kind kind; /* for `done` */
};

/* False stops the reading. Spans are valid during the call. */
typedef bool store_row_fn(void *context, const struct store_message *m);

/* Told after each commit, before the `done` callbacks, of messages that were stored, from the
 * writer's thread: of each, or only of the last of several that follow each other in one append and
 * in one channel. Of messages that other servers stored it is told when that is heard of, which may
 * be never, see store_recheck_ms(); with a channel of no name (data NULL, id 0) when nobody knows
 * where there are news. */
typedef void store_listener_fn(void *context, struct span channel, int64_t id);

/* Opens or makes the database `where`: a path, ":memory:", or a URI postgresql://... ERROR_LOCAL:
 * also when it is somebody else's or a later version's, and then it is left as it was. One of an
 * earlier version becomes one of this version, or stays as it was. */
enum error_kind store_open(const char *where, store_listener_fn *listener, void *context,
                           struct store **ret, struct error *e);

/* Could store_open() open this database, or make it? Changes nothing and makes nothing that stays,
 * and may be asked while a server has it open. ERROR_LOCAL. */
enum error_kind store_check(const char *where, struct error *e);

/* Copies one state of this database into the empty file `to`, also while a server has it open. The
 * copy is complete but not yet durable. `stop` is asked now and then. ERROR_LOCAL, or
 * ERROR_STOPPED; `to` may hold anything then, and nothing is beside it. */
enum error_kind store_backup(const char *where, const char *to, bool (*stop)(void),
                             struct error *e);

/* Finishes what is queued, then closes. NULL is fine. */
void store_close(struct store *store);

/* Queues an append. ERROR_UNREACHABLE: the queue is full, `done` will not be called.
 * One without messages and key is a probe: it goes the way of all others, writes to the disk and
 * waits for it, but stores nothing and tells nobody. What its `done` says is what an append of the
 * same moment would have been told. */
enum error_kind store_queue(struct store *store, struct store_append *append);

/* What the highest id of the channel (0: none) was at some moment after `since_us`, clock_now_us().
 * So those who ask because of the same news cost one look. ERROR_LOCAL. */
enum error_kind store_last_id(struct store *store, struct span channel, int64_t since_us,
                              int64_t *ret, struct error *e);

/* How long the listener's silence may last while there are news; who waits must look for himself as
 * often. 0: the listener is told of all, and at once. */
int store_recheck_ms(const struct store *store);

/* The present highest ids of `count` channels, in few questions. ERROR_LOCAL. */
enum error_kind store_last_ids(struct store *store, const struct span *channels, size_t count,
                               int64_t *ret, struct error *e);

/* The id behind which the newest `count` messages with id < `before` begin (count < 0: all of
 * them, 0: none). */
enum error_kind store_find_start(struct store *store, struct span channel, int64_t before,
                                 int64_t count, int64_t *ret_after, struct error *e);

/* Messages with after < id <= upto, ascending, at most `limit`. ERROR_LOCAL. */
enum error_kind store_read(struct store *store, struct span channel, int64_t after, int64_t upto,
                           int64_t limit, store_row_fn *row, void *context, struct error *e);

/* What the store has done since it was opened, and what it has to do. */
struct store_stats {
    int64_t messages;  /* stored; a repeat under its key is none */
    int64_t failed;    /* transactions that were not committed */
    int64_t queued;    /* appends waiting for a writer */
    int64_t bytes;     /* of the database */
    int64_t wal_bytes; /* of the log beside it, of which the database does not have all yet */
    const struct histogram
        *commit; /* transactions that were committed; the store's, as long as it is open */
};

/* Cheap, but one look into the database. What cannot be told is 0. */
void store_stats(struct store *store, struct store_stats *ret);

/* Appends what to call the place in a sentence: without secrets, and safe to show. 0, or -1. */
int store_add_name(const char *where, struct buf *b);

/* The libraries of the stores and their versions, "SQLite/3.40.1, libpq/15.18". */
const char *store_libraries(void);

#endif
