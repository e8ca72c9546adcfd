/* SPDX-License-Identifier: MIT */
#include "server/pg_read.h"

#include <string.h>

#include "common/clock.h"
#include "server/pg_append.h"
#include "server/until.h"

static const char last_sql[] = "SELECT id FROM chancat.message WHERE channel_key = $1"
                               " AND channel = $2 ORDER BY id DESC LIMIT 1";
static const char lasts_sql[] =
    "SELECT coalesce((SELECT m.id FROM chancat.message AS m WHERE m.channel_key = r.k"
    " AND m.channel = r.c ORDER BY m.id DESC LIMIT 1), 0)"
    " FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) WITH ORDINALITY AS r (k, c, n) "
    "ORDER BY r.n";
static const char start_sql[] = "SELECT id FROM chancat.message WHERE channel_key = $1"
                                " AND channel = $2 AND id < $3 ORDER BY id DESC LIMIT 1 OFFSET $4";
static const char bytes_sql[] = "SELECT pg_catalog.pg_total_relation_size('chancat.message')"
                                " + pg_catalog.pg_total_relation_size('chancat.append_key')";

static const char patience_sql[] = "SELECT pg_catalog.set_config('lock_timeout', '3s', true)";
static const char try_sql[] = "SELECT FROM chancat.message LIMIT 0";

/* A page ends with the row that makes it too long; what is behind it is not even fetched. */
#define SIZE "octet_length(sender) + octet_length(content)"
static const char rows_sql[] =
    "SELECT id, time, sender, content FROM"
    " (SELECT *, sum(" SIZE ") OVER (ORDER BY id) - (" SIZE ") AS before FROM"
    " (SELECT id, time, sender, content FROM chancat.message WHERE channel_key = $1"
    " AND channel = $2 AND id > $3 AND id <= $4 ORDER BY id LIMIT $5) AS page) AS sized"
    " WHERE before < $6 ORDER BY id";

/* --- the connection --------------------------------------------------------------------------- */

/* A table may be locked while the server takes connections; then readers need not hang to learn it.
 * The server gives up by itself, or what asks in vain would use up its connections. */
static bool answers(struct pg_link *link, struct error *e)
{
    struct pg_step steps[] = {{.sql = patience_sql}, {.sql = try_sql}};
    enum pg_end end = pg_run(link, steps, 2, clock_deadline(PG_CONNECT_MS), e);
    pg_clear(steps, 2);
    return end == PG_DONE;
}

/* Under the lock, which is given up meanwhile. */
static void connect_again(struct pg_read *r)
{
    struct pg_link link = {.conn = NULL};
    struct error e;
    pthread_mutex_unlock(&r->lock);
    bool good = !pg_open(&link, r->uri, clock_deadline(PG_CONNECT_MS), &e) && answers(&link, &e);
    if (good) {
        pg_state_is_up(r->state);
    } else {
        pg_close(&link);
        pg_state_is_down(r->state, &e);
    }
    pthread_mutex_lock(&r->lock);
    r->again_until = 0; /* nobody waits for a second try */
    pthread_cond_broadcast(&r->changed);
    if (good) {
        r->link = link;
        r->down = false;
        r->pause_ms = 0;
        return;
    }
    int64_t until = clock_deadline(pg_state_pause(&r->pause_ms));
    while (!r->ends && clock_left_ms(until) != 0)
        until_wait(&r->changed, &r->lock, until);
}

static void *connect_main(void *context)
{
    struct pg_read *r = context;
    pthread_mutex_lock(&r->lock);
    while (!r->ends) {
        if (r->down)
            connect_again(r);
        else
            pthread_cond_wait(&r->changed, &r->lock);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

enum error_kind pg_read_start(struct pg_read *r, const char *uri, struct pg_state *state,
                              struct error *e)
{
    *r = (struct pg_read){.uri = uri, .state = state};
    pthread_mutex_init(&r->lock, NULL);
    until_init(&r->changed);
    enum error_kind kind = pg_open(&r->link, uri, clock_deadline(PG_CONNECT_MS), e);
    int failure = kind ? 0 : pthread_create(&r->thread, NULL, connect_main, r);
    r->runs = !kind && failure == 0;
    return failure ? error_set(e, ERROR_LOCAL, "cannot start a thread: %s", strerror(failure))
                   : kind;
}

void pg_read_stop(struct pg_read *r)
{
    if (r->runs) {
        pthread_mutex_lock(&r->lock);
        r->ends = true;
        pthread_cond_broadcast(&r->changed);
        pthread_mutex_unlock(&r->lock);
        pthread_join(r->thread, NULL);
    }
    pg_close(&r->link);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
}

/* Under the lock, which is given up meanwhile. */
static bool has_link(struct pg_read *r)
{
    while (r->down && clock_left_ms(r->again_until) != 0)
        until_wait(&r->changed, &r->lock, r->again_until);
    return !r->down;
}

/* Under the lock. */
static void is_lost(struct pg_read *r, const struct error *why)
{
    pg_state_is_down(r->state, why);
    r->down = true;
    r->again_until = clock_deadline(PG_AGAIN_MS);
    pthread_cond_broadcast(&r->changed);
}

/* Under the lock. The caller clears the step in any case. */
static enum error_kind ask(struct pg_read *r, struct pg_step *step, struct error *e)
{
    struct error why;
    int64_t deadline = clock_deadline(PG_READ_MS);
    enum pg_end end = PG_LOST;
    for (int i = 0; i < 2 && end == PG_LOST && clock_left_ms(deadline) != 0; i++) {
        if (!has_link(r))
            return error_set(e, ERROR_LOCAL, "PostgreSQL does not answer");
        pg_clear(step, 1); /* of the connection that may have been lost long ago */
        end = pg_run(&r->link, step, 1, deadline, &why);
        if (end == PG_LOST)
            is_lost(r, &why);
    }
    return end == PG_DONE ? ERROR_NONE : error_set(e, ERROR_LOCAL, "%s", why.text);
}

/* A question for one number; 0 when there is no row. */
static enum error_kind ask_number(struct pg_read *r, struct pg_step *step, int64_t *ret,
                                  struct error *e)
{
    pthread_mutex_lock(&r->lock);
    enum error_kind kind = ask(r, step, e);
    if (!kind)
        *ret = PQntuples(step->result) > 0 ? pg_int8(step->result, 0, 0) : 0;
    pg_clear(step, 1);
    pthread_mutex_unlock(&r->lock);
    return kind;
}

/* --- the questions ---------------------------------------------------------------------------- */

static void begin_question(struct pg_step *step, const char *sql, struct span channel)
{
    *step = (struct pg_step){.sql = sql};
    pg_add_int8(step, pg_channel_key(channel));
    pg_add_bytea(step, channel);
}

static enum error_kind ask_many(struct pg_read *r, struct pg_step *step, size_t count, int64_t *ret,
                                struct error *e)
{
    pthread_mutex_lock(&r->lock);
    enum error_kind kind = ask(r, step, e);
    if (!kind && (size_t)PQntuples(step->result) != count)
        kind = error_set(e, ERROR_LOCAL, "PostgreSQL gave another number of rows");
    for (size_t i = 0; !kind && i < count; i++)
        ret[i] = pg_int8(step->result, (int)i, 0);
    pg_clear(step, 1);
    pthread_mutex_unlock(&r->lock);
    return kind;
}

enum error_kind pg_read_last_ids(struct pg_read *r, const struct span *channels, size_t count,
                                 int64_t *ret, struct error *e)
{
    struct pg_step step;
    struct buf keys, names;
    if (count == 1) {
        begin_question(&step, last_sql, channels[0]);
        return ask_number(r, &step, ret, e);
    }
    buf_init(&keys, SIZE_MAX / 2);
    buf_init(&names, SIZE_MAX / 2);
    int bad = pg_array_begin(&keys, PG_INT8) || pg_array_begin(&names, PG_BYTEA);
    for (size_t i = 0; !bad && i < count; i++)
        bad = pg_array_int8(&keys, pg_channel_key(channels[i])) ||
              pg_array_bytes(&names, channels[i]);
    enum error_kind kind = bad ? error_set(e, ERROR_LOCAL, "no memory") : ERROR_NONE;
    if (!kind) {
        step = (struct pg_step){.sql = lasts_sql};
        pg_add_array(&step, &keys, count, PG_INT8);
        pg_add_array(&step, &names, count, PG_BYTEA);
        kind = ask_many(r, &step, count, ret, e);
    }
    buf_release(&keys);
    buf_release(&names);
    return kind;
}

enum error_kind pg_read_find_start(struct pg_read *r, struct span channel, int64_t before,
                                   int64_t count, int64_t *ret_after, struct error *e)
{
    struct pg_step step;
    int64_t id = 0;
    begin_question(&step, start_sql, channel);
    pg_add_int8(&step, before);
    pg_add_int8(&step, count - 1);
    enum error_kind kind = ask_number(r, &step, &id, e);
    if (!kind)
        *ret_after = id > 0 ? id - 1 : 0;
    return kind;
}

/* Hands the rows of a page out. True: another page may follow. */
static bool hand_out(const PGresult *page, struct pg_range *range, int64_t asked, store_row_fn *row,
                     void *context)
{
    int rows = PQntuples(page);
    size_t bytes = 0;
    for (int i = 0; i < rows; i++) {
        const struct store_message m = {
            .id = pg_int8(page, i, 0),
            .time_s = pg_int8(page, i, 1),
            .channel = range->channel,
            .sender = pg_bytes(page, i, 2),
            .content = pg_bytes(page, i, 3),
        };
        range->after = m.id;
        range->limit--;
        bytes += m.sender.len + m.content.len;
        if (!row(context, &m))
            return false;
    }
    return range->limit > 0 && rows > 0 && (rows == asked || bytes >= PG_PAGE_BYTES);
}

enum error_kind pg_read_rows(struct pg_read *r, const struct pg_range *range, store_row_fn *row,
                             void *context, struct error *e)
{
    struct pg_range left = *range;
    enum error_kind kind = ERROR_NONE;
    for (bool more = left.limit > 0; more && !kind;) {
        struct pg_step step;
        int64_t asked = left.limit < PG_PAGE_ROWS ? left.limit : PG_PAGE_ROWS;
        begin_question(&step, rows_sql, left.channel);
        pg_add_int8(&step, left.after);
        pg_add_int8(&step, left.upto);
        pg_add_int8(&step, asked);
        pg_add_int8(&step, PG_PAGE_BYTES);
        pthread_mutex_lock(&r->lock);
        kind = ask(r, &step, e);
        pthread_mutex_unlock(&r->lock);
        more = !kind && hand_out(step.result, &left, asked, row, context);
        pg_clear(&step, 1);
    }
    return kind;
}

int64_t pg_read_bytes(struct pg_read *r)
{
    struct pg_step step = {.sql = bytes_sql};
    int64_t bytes;
    return ask_number(r, &step, &bytes, NULL) ? 0 : bytes;
}
