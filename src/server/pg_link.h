/* SPDX-License-Identifier: MIT */
/*
 * pg_link: one connection to PostgreSQL on which nothing waits longer than it was told to.
 *
 * Statements go in runs: a run is sent as a whole and answered as a whole (libpq's pipeline mode),
 * so it costs one round trip, and a statement that fails keeps those behind it from being done.
 * A run without BEGIN is one transaction of its own. Parameters and results are binary, texts are
 * bytea: any bytes, in a database of any encoding.
 *
 * An owner whose statements come again and again may have them prepared: PostgreSQL then reads and
 * plans each once for a connection. A pooler that hands out another connection for each transaction
 * may stand in between all the same: where a name is not known, or known already, the run fails,
 * and from then on nothing is prepared. A name is made of the statement, so nobody's name can mean
 * another statement.
 *
 * A link that was lost, or whose answer did not come in time, is down and stays so until it is
 * opened again; what the server made of the last run is then not known. One thread at a time.
 */
#ifndef CHANCATD_PG_LINK_H
#define CHANCATD_PG_LINK_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/text.h"

#define PG_PARAMS_MAX 6
#define PG_STEPS_MAX  8  /* in a run */
#define PG_NAMES_MAX  16 /* statements that are prepared */

/* What is read behind a lock must be what is there then, whatever the database's defaults: a
 * snapshot of the transaction's begin would be older than the lock. */
#define PG_BEGIN "BEGIN ISOLATION LEVEL READ COMMITTED"

/* Seconds since 1970 by the clock of the database, which all servers share. */
#define PG_NOW "floor(extract(epoch FROM pg_catalog.clock_timestamp()))::bigint"

struct pg_param {
    Oid type;
    const char *data;
    size_t len;
    char number[8];
};

/* One statement, of which the caller sets `sql` and adds parameters. Its bytes must stay until the
 * run has ended. */
struct pg_step {
    const char *sql;
    int count;
    struct pg_param params[PG_PARAMS_MAX];
    PGresult *result; /* after pg_run(): the rows; pg_clear() frees it */
};

struct pg_link {
    PGconn *conn;       /* NULL: down */
    bool (*stop)(void); /* asked when a signal interrupts a wait: true ends it; NULL: none does */
    char sqlstate[6];   /* of the statement that failed last */
    bool listens;       /* the owner takes notifications; else they are dropped */
    bool prepares;      /* statements with parameters are prepared; see above */
    const char *prepared[PG_NAMES_MAX];
    size_t prepared_count;
};

enum pg_end {
    PG_DONE,   /* every statement was done */
    PG_FAILED, /* one was refused, and its transaction with it; see sqlstate */
    PG_LOST,   /* the link is down */
};

/* Connects, to a server that can be written to; the link was down. Of several servers each has its
 * share of the time, so that a silent one does not keep the next from being asked. A name is looked
 * up by libpq, which waits for the resolver past any deadline. ERROR_LOCAL. */
enum error_kind pg_open(struct pg_link *link, const char *uri, int64_t deadline, struct error *e);
void pg_close(struct pg_link *link);

/* Sends the steps and waits for their results until `deadline` (clock_now_ms()). */
enum pg_end pg_run(struct pg_link *link, struct pg_step *steps, size_t count, int64_t deadline,
                   struct error *e);
void pg_clear(struct pg_step *steps, size_t count);

/* Has the link got a sqlstate of this class or code ("23505", "53")? */
bool pg_failed_with(const struct pg_link *link, const char *state);

void pg_add_int8(struct pg_step *step, int64_t number);
void pg_add_bytea(struct pg_step *step, struct span bytes);
void pg_add_text(struct pg_step *step, const char *text);

/* An array parameter: made in `b` by pg_array_begin(), then any number of elements, then added.
 * 0, or -1: no memory. */
#define PG_INT8  20u
#define PG_BYTEA 17u
#define PG_TEXT  25u
int pg_array_begin(struct buf *b, Oid type);
int pg_array_int8(struct buf *b, int64_t number);
int pg_pack_int8(struct buf *b, int64_t number); /* its 8 bytes, big-endian, alone */
int pg_array_bytes(struct buf *b, struct span bytes);
/* `count` elements were put in; `type` is that of one of them. */
void pg_add_array(struct pg_step *step, struct buf *b, size_t count, Oid type);

/* Of a binary result; the span is the result's. */
int64_t pg_int8(const PGresult *result, int row, int column);
struct span pg_bytes(const PGresult *result, int row, int column);

#endif
