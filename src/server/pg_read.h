/* SPDX-License-Identifier: MIT */
/*
 * pg_read: the questions of readers, on one connection.
 *
 * Who reads is mostly the HTTP server's thread, which must not hang: a question waits PG_READ_MS at
 * most, and of that, when the connection was lost, PG_AGAIN_MS for a new one. It is a thread that
 * does nothing else that connects, since libpq waits for the resolver of names as long as that
 * takes. While it has no connection on which the table can be read all questions fail at once.
 * Any thread; a question at a time.
 */
#ifndef CHANCATD_PG_READ_H
#define CHANCATD_PG_READ_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/pg_link.h"
#include "server/pg_state.h"
#include "server/store.h"

#define PG_READ_MS    3000
#define PG_AGAIN_MS   1000
#define PG_PAGE_ROWS  256     /* that are read at once, at most */
#define PG_PAGE_BYTES 262144u /* of texts after which no further row is read at once */

struct pg_read {
    const char *uri;
    struct pg_state *state;
    pthread_t thread;
    bool runs;
    /* under the lock */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct pg_link link;
    bool down, ends;
    int64_t again_until; /* so long questions wait for a new connection */
    int pause_ms;        /* of the last try to connect again */
};

/* Messages with after < id <= upto, ascending, at most `limit`. */
struct pg_range {
    struct span channel;
    int64_t after, upto, limit;
};

/* All: ERROR_LOCAL. */
enum error_kind pg_read_start(struct pg_read *r, const char *uri, struct pg_state *state,
                              struct error *e);
void pg_read_stop(struct pg_read *r);

/* As in store.h. */
enum error_kind pg_read_last_ids(struct pg_read *r, const struct span *channels, size_t count,
                                 int64_t *ret, struct error *e);
enum error_kind pg_read_find_start(struct pg_read *r, struct span channel, int64_t before,
                                   int64_t count, int64_t *ret_after, struct error *e);
enum error_kind pg_read_rows(struct pg_read *r, const struct pg_range *range, store_row_fn *row,
                             void *context, struct error *e);

/* Of the tables and their indexes; 0: unknown. */
int64_t pg_read_bytes(struct pg_read *r);

#endif
