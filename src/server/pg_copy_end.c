/* SPDX-License-Identifier: MIT */
/*
 * An end of a copy that is a PostgreSQL database.
 *
 * There is no index on ids alone, and one is not made for a copy. The ids, with the keys and sizes
 * that belong to them, are sorted by the server into a cursor, 20 bytes a message; a page is then
 * fetched by the primary key.
 *
 * Ids of different channels become visible out of order. So the snapshot of the source is taken
 * while nobody stores, which the lock of all channels is for: what gets an id later has a higher
 * one than all that is in the snapshot, and a second copy is not asked for a message below those
 * of the first. The target keeps that lock until it is closed: servers that use it answer 503.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/stop.h"
#include "server/pg_append.h"
#include "server/pg_schema.h"
#include "server/store_impl.h"

#define START_MS 10000
#define LOCK_MS  "10000"

#define STEP_MS   60000               /* for a page */
#define SORT_MS   (6 * 3600 * 1000LL) /* until the cursor gives its first row */
#define FETCH     "4000"              /* rows of the cursor at a time */
#define FETCH_MAX 4000
#define ARRAY_MAX (1u << 30)
#define KEPT      (2u * COPY_PAGE_BYTES)
#define NAME_MAX  4096

#define SEQUENCE "'chancat.message_id'::pg_catalog.regclass"
#define HIGHEST  "coalesce(pg_catalog.pg_sequence_last_value(" SEQUENCE "), 0)"

/* A copy takes its time, also between two statements. One whose machine went away must not keep the
 * lock of all channels for the hours that TCP gives it. A page is to be fetched through the index,
 * also when the database does not know yet how large the table is. What the version of PostgreSQL
 * does not have is passed over. */
static const char settings_sql[] =
    "SELECT pg_catalog.set_config(s.name, v.value, false) FROM (VALUES ('statement_timeout', '0'),"
    " ('transaction_timeout', '0'), ('idle_in_transaction_session_timeout', '0'),"
    " ('idle_session_timeout', '0'), ('lock_timeout', '" LOCK_MS "'),"
    " ('tcp_keepalives_idle', '10'), ('tcp_keepalives_interval', '5'),"
    " ('tcp_keepalives_count', '3'), ('enable_hashjoin', 'off'), ('enable_mergejoin', 'off'))"
    " AS v (name, value) JOIN pg_catalog.pg_settings AS s ON s.name = v.name";
static const char lock_sql[] = "SELECT pg_catalog.pg_advisory_lock(" PG_ALL_CHANNELS ")";
static const char unlock_sql[] = "SELECT pg_catalog.pg_advisory_unlock(" PG_ALL_CHANNELS ")";
static const char is_there_sql[] = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_class"
                                   " WHERE oid = pg_catalog.to_regclass('chancat.version')::oid";
static const char snapshot_sql[] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

static const char last_sql[] = "SELECT pg_catalog.max(id) FROM chancat.message";
static const char highest_sql[] = "SELECT " HIGHEST;
static const char open_sql[] =
    "DECLARE pages NO SCROLL CURSOR FOR SELECT channel_key, id,"
    " pg_catalog.octet_length(channel)::bigint + pg_catalog.octet_length(sender)"
    " + pg_catalog.octet_length(content)"
    " FROM chancat.message WHERE id > $1 ORDER BY id";
static const char fetch_sql[] = "FETCH " FETCH " FROM pages";
static const char page_sql[] = "SELECT m.id, m.time, m.channel, m.sender, m.content"
                               " FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS "
                               "r (k, i) JOIN chancat.message AS m"
                               " ON m.channel_key = r.k AND m.id = r.i ORDER BY m.id";
static const char keys_sql[] = "SELECT name, fingerprint, time, ids FROM chancat.append_key"
                               " WHERE name > $1 ORDER BY name LIMIT $2";

static const char insert_sql[] =
    "INSERT INTO chancat.message (channel_key, id, channel, sender, content, time)"
    " SELECT * FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), "
    "pg_catalog.unnest($3), pg_catalog.unnest($4), pg_catalog.unnest($5), pg_catalog.unnest($6))";
static const char drop_keys_sql[] = "DELETE FROM chancat.append_key WHERE name > $1 AND name <= $2";
static const char drop_rest_sql[] = "DELETE FROM chancat.append_key WHERE name > $1";
static const char insert_keys_sql[] =
    "INSERT INTO chancat.append_key (name, fingerprint, ids, time)"
    " SELECT * FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), "
    "pg_catalog.unnest($3), pg_catalog.unnest($4))";
static const char raise_sql[] = "SELECT pg_catalog.setval(" SEQUENCE ", $1) WHERE $1 > " HIGHEST;

/* What the cursor gave and no page has had yet. */
struct window {
    int64_t keys[FETCH_MAX], ids[FETCH_MAX], sizes[FETCH_MAX];
    size_t count, at;
    bool ended;
};

enum array { KEYS, IDS, CHANNELS, SENDERS, CONTENTS, TIMES, ARRAYS };

struct pg_copy {
    struct copy_end base;
    struct pg_link link;
    enum copy_role role;
    bool in_transaction, writing;
    struct window window;
    struct buf arrays[ARRAYS];
    struct pg_step page; /* its result holds the rows that were handed out */
    struct store_message messages[COPY_PAGE_ROWS];
    struct copy_key keys[COPY_KEYS_ROWS];
};

static struct pg_copy *of(struct copy_end *base)
{
    return (struct pg_copy *)base;
}

static bool is_stopped(void)
{
    return stop_signal() != 0;
}

static enum error_kind run_for(struct pg_copy *p, struct pg_step *steps, size_t count, int64_t ms,
                               struct error *e)
{
    if (pg_run(&p->link, steps, count, clock_deadline(ms), e) == PG_DONE)
        return ERROR_NONE;
    return is_stopped() ? error_set(e, ERROR_STOPPED, "stopped by a signal") : ERROR_LOCAL;
}

/* Statements whose rows are of no interest. */
static enum error_kind run(struct pg_copy *p, struct pg_step *steps, size_t count, struct error *e)
{
    enum error_kind kind = run_for(p, steps, count, STEP_MS, e);
    pg_clear(steps, count);
    return kind;
}

static enum error_kind run_sql(struct pg_copy *p, const char *sql, struct error *e)
{
    struct pg_step step = {.sql = sql};
    return run(p, &step, 1, e);
}

static enum error_kind no_memory(struct error *e)
{
    return error_set(e, ERROR_LOCAL, "no memory for the copy");
}

/* A question for one number; `none` where it is null. */
static enum error_kind ask(struct pg_copy *p, const char *sql, int64_t none, int64_t *ret,
                           struct error *e)
{
    struct pg_step step = {.sql = sql};
    enum error_kind kind = run_for(p, &step, 1, SORT_MS, e);
    *ret = none;
    if (!kind && PQntuples(step.result) == 1 && !PQgetisnull(step.result, 0, 0))
        *ret = pg_int8(step.result, 0, 0);
    pg_clear(&step, 1);
    return kind;
}

/* --- transactions ----------------------------------------------------------------------------- */

/* The source has one for all its life; the target one for each run of reads, and of writes. */
static enum error_kind end_transaction(struct pg_copy *p, struct error *e)
{
    enum error_kind kind = p->in_transaction ? run_sql(p, "COMMIT", e) : ERROR_NONE;
    p->in_transaction = p->writing = false;
    return kind;
}

static enum error_kind begin_reading(struct pg_copy *p, struct error *e)
{
    if (p->role == COPY_FROM) /* there may be a cursor */
        return run_sql(p, "CLOSE ALL", e);
    enum error_kind kind = end_transaction(p, e);
    if (!kind)
        kind = run_sql(p, snapshot_sql, e);
    p->in_transaction = !kind;
    return kind;
}

static enum error_kind begin_writing(struct pg_copy *p, struct error *e)
{
    if (p->writing)
        return ERROR_NONE;
    enum error_kind kind = end_transaction(p, e);
    if (!kind)
        kind = run_sql(p, PG_BEGIN, e);
    p->in_transaction = p->writing = !kind;
    return kind;
}

static enum error_kind commit(struct copy_end *base, struct error *e)
{
    return end_transaction(of(base), e);
}

/* --- reading ---------------------------------------------------------------------------------- */

static enum error_kind last_id(struct copy_end *base, int64_t *ret, struct error *e)
{
    return ask(of(base), last_sql, COPY_NONE, ret, e);
}

static enum error_kind highest_id(struct copy_end *base, int64_t *ret, struct error *e)
{
    return ask(of(base), highest_sql, 0, ret, e);
}

static enum error_kind seek(struct copy_end *base, int64_t after, struct error *e)
{
    struct pg_copy *p = of(base);
    struct pg_step step = {.sql = open_sql};
    enum error_kind kind = begin_reading(p, e);
    pg_add_int8(&step, after);
    p->window.count = p->window.at = 0;
    p->window.ended = false;
    return kind ? kind : run(p, &step, 1, e);
}

static enum error_kind fill_window(struct pg_copy *p, struct error *e)
{
    struct window *w = &p->window;
    struct pg_step step = {.sql = fetch_sql};
    enum error_kind kind = run_for(p, &step, 1, SORT_MS, e);
    w->at = 0;
    w->count = kind ? 0 : (size_t)PQntuples(step.result);
    for (size_t i = 0; i < w->count; i++) {
        w->keys[i] = pg_int8(step.result, (int)i, 0);
        w->ids[i] = pg_int8(step.result, (int)i, 1);
        w->sizes[i] = pg_int8(step.result, (int)i, 2);
    }
    w->ended = w->count < FETCH_MAX;
    pg_clear(&step, 1);
    return kind;
}

/* Takes as many rows out of the window as a page may have. */
static int begin_page(struct pg_copy *p, struct pg_step *step, size_t *ret_count)
{
    struct window *w = &p->window;
    size_t count = 0;
    int64_t bytes = 0;
    int bad = pg_array_begin(&p->arrays[KEYS], PG_INT8) || pg_array_begin(&p->arrays[IDS], PG_INT8);
    for (; !bad && w->at < w->count && count < COPY_PAGE_ROWS && bytes < COPY_PAGE_BYTES; count++) {
        bad = pg_array_int8(&p->arrays[KEYS], w->keys[w->at]) ||
              pg_array_int8(&p->arrays[IDS], w->ids[w->at]);
        bytes += w->sizes[w->at++];
        if (w->at < w->count && bytes + w->sizes[w->at] > 2 * COPY_PAGE_BYTES)
            bytes = COPY_PAGE_BYTES; /* a large one comes alone */
    }
    if (bad)
        return -1;
    *step = (struct pg_step){.sql = page_sql};
    pg_add_array(step, &p->arrays[KEYS], count, PG_INT8);
    pg_add_array(step, &p->arrays[IDS], count, PG_INT8);
    *ret_count = count;
    return 0;
}

static struct store_message message_at(const PGresult *rows, int i)
{
    return (struct store_message){
        .id = pg_int8(rows, i, 0),
        .time_s = pg_int8(rows, i, 1),
        .channel = pg_bytes(rows, i, 2),
        .sender = pg_bytes(rows, i, 3),
        .content = pg_bytes(rows, i, 4),
    };
}

static enum error_kind next(struct copy_end *base, struct copy_page *ret, struct error *e)
{
    struct pg_copy *p = of(base);
    struct window *w = &p->window;
    size_t count = 0;
    pg_clear(&p->page, 1);
    *ret = (struct copy_page){.messages = p->messages};
    enum error_kind kind = w->at == w->count && !w->ended ? fill_window(p, e) : ERROR_NONE;
    if (kind || w->at == w->count)
        return kind;
    if (begin_page(p, &p->page, &count))
        return no_memory(e);
    kind = run_for(p, &p->page, 1, STEP_MS, e);
    if (!kind && (size_t)PQntuples(p->page.result) != count)
        kind = error_set(e, ERROR_LOCAL, "PostgreSQL gave another number of rows");
    for (size_t i = 0; !kind && i < count; i++)
        p->messages[i] = message_at(p->page.result, (int)i);
    ret->count = kind ? 0 : count;
    return kind;
}

static enum error_kind next_keys(struct copy_end *base, const char *after, struct copy_keys *ret,
                                 struct error *e)
{
    struct pg_copy *p = of(base);
    pg_clear(&p->page, 1);
    p->page = (struct pg_step){.sql = keys_sql};
    pg_add_text(&p->page, after);
    pg_add_int8(&p->page, COPY_KEYS_ROWS);
    *ret = (struct copy_keys){.keys = p->keys};
    enum error_kind kind = run_for(p, &p->page, 1, STEP_MS, e);
    size_t count = kind ? 0 : (size_t)PQntuples(p->page.result);
    for (size_t i = 0; i < count; i++)
        p->keys[i] = (struct copy_key){
            .name = pg_bytes(p->page.result, (int)i, 0),
            .fingerprint = pg_int8(p->page.result, (int)i, 1),
            .time_s = pg_int8(p->page.result, (int)i, 2),
            .ids = pg_bytes(p->page.result, (int)i, 3),
        };
    ret->count = count;
    return kind;
}

/* --- writing ---------------------------------------------------------------------------------- */

static const Oid array_types[ARRAYS] = {PG_INT8, PG_INT8, PG_BYTEA, PG_BYTEA, PG_BYTEA, PG_INT8};

static int add_message(struct pg_copy *p, const struct store_message *m)
{
    struct buf *a = p->arrays;
    return pg_array_int8(&a[KEYS], pg_channel_key(m->channel)) || pg_array_int8(&a[IDS], m->id) ||
           pg_array_bytes(&a[CHANNELS], m->channel) || pg_array_bytes(&a[SENDERS], m->sender) ||
           pg_array_bytes(&a[CONTENTS], m->content) || pg_array_int8(&a[TIMES], m->time_s);
}

static enum error_kind write_page(struct copy_end *base, const struct copy_page *page,
                                  struct error *e)
{
    struct pg_copy *p = of(base);
    struct pg_step step = {.sql = insert_sql};
    enum error_kind kind = begin_writing(p, e);
    int bad = 0;
    for (int i = 0; !bad && i < ARRAYS; i++)
        bad = pg_array_begin(&p->arrays[i], array_types[i]);
    for (size_t i = 0; !bad && i < page->count; i++)
        bad = add_message(p, &page->messages[i]);
    if (kind || bad)
        return kind ? kind : no_memory(e);
    for (int i = 0; i < ARRAYS; i++)
        pg_add_array(&step, &p->arrays[i], page->count, array_types[i]);
    kind = run(p, &step, 1, e);
    for (int i = 0; i < ARRAYS; i++)
        buf_shrink(&p->arrays[i], KEPT);
    return kind;
}

static enum error_kind drop_keys(struct pg_copy *p, const char *after, const struct copy_keys *keys,
                                 bool rest, struct error *e)
{
    struct pg_step step = {.sql = rest ? drop_rest_sql : drop_keys_sql};
    struct buf last;
    buf_init(&last, NAME_MAX);
    pg_add_text(&step, after);
    int bad = 0;
    if (!rest) {
        struct span name = keys->keys[keys->count - 1].name;
        bad = buf_add(&last, name.data, name.len);
        pg_add_text(&step, last.data ? last.data : "");
    }
    enum error_kind kind = bad ? no_memory(e) : run(p, &step, 1, e);
    buf_release(&last);
    return kind;
}

static enum error_kind insert_keys(struct pg_copy *p, const struct copy_keys *keys, struct error *e)
{
    static const Oid types[] = {PG_TEXT, PG_INT8, PG_BYTEA, PG_INT8};
    struct pg_step step = {.sql = insert_keys_sql};
    struct buf *a = p->arrays;
    int bad = 0;
    for (int i = 0; !bad && i < 4; i++)
        bad = pg_array_begin(&a[i], types[i]);
    for (size_t i = 0; !bad && i < keys->count; i++) {
        const struct copy_key *k = &keys->keys[i];
        bad = pg_array_bytes(&a[0], k->name) || pg_array_int8(&a[1], k->fingerprint) ||
              pg_array_bytes(&a[2], k->ids) || pg_array_int8(&a[3], k->time_s);
    }
    if (bad)
        return no_memory(e);
    for (int i = 0; i < 4; i++)
        pg_add_array(&step, &a[i], keys->count, types[i]);
    return run(p, &step, 1, e);
}

static enum error_kind replace_keys(struct copy_end *base, const char *after,
                                    const struct copy_keys *keys, bool rest, struct error *e)
{
    struct pg_copy *p = of(base);
    enum error_kind kind = begin_writing(p, e);
    if (!kind)
        kind = drop_keys(p, after, keys, rest || keys->count == 0, e);
    return kind || keys->count == 0 ? kind : insert_keys(p, keys, e);
}

static enum error_kind raise_ids(struct copy_end *base, int64_t id, struct error *e)
{
    struct pg_copy *p = of(base);
    struct pg_step step = {.sql = raise_sql};
    enum error_kind kind = begin_writing(p, e);
    pg_add_int8(&step, id);
    return kind ? kind : run(p, &step, 1, e);
}

/* --- beginning and end ------------------------------------------------------------------------ */

static void close_end(struct copy_end *base)
{
    struct pg_copy *p = of(base);
    pg_clear(&p->page, 1);
    pg_close(&p->link); /* an open transaction goes with it, and the lock */
    for (int i = 0; i < ARRAYS; i++)
        buf_release(&p->arrays[i]);
    free(p);
}

static enum error_kind lock(struct pg_copy *p, struct error *e)
{
    enum error_kind kind = run_sql(p, lock_sql, e);
    if (kind == ERROR_LOCAL && pg_failed_with(&p->link, "55P03"))
        return error_set(e, kind, "%s: another copy uses it, or it is too busy",
                         p->role == COPY_FROM ? "the source" : "the target");
    return kind;
}

static enum error_kind take_snapshot(struct pg_copy *p, struct error *e)
{
    struct pg_step steps[] = {{.sql = snapshot_sql}, {.sql = "SELECT 1"}, {.sql = unlock_sql}};
    int64_t there;
    enum error_kind kind = ask(p, is_there_sql, 0, &there, e);
    if (!kind && !there)
        kind = error_set(e, ERROR_LOCAL, "the source: there is nothing in it");
    if (!kind)
        kind = pg_schema_look(&p->link, clock_deadline(START_MS), e);
    if (!kind)
        kind = lock(p, e);
    return kind ? kind : run(p, steps, sizeof(steps) / sizeof(steps[0]), e);
}

static enum error_kind open_end(struct pg_copy *p, const char *where, struct error *e)
{
    int64_t deadline = clock_deadline(START_MS);
    enum error_kind kind = pg_open(&p->link, where, deadline, e);
    if (!kind)
        kind = run_sql(p, settings_sql, e);
    if (!kind && p->role == COPY_FROM)
        return take_snapshot(p, e);
    if (!kind)
        kind = pg_schema_create(&p->link, deadline, e);
    return kind ? kind : lock(p, e);
}

static const struct copy_end_ops ops = {
    .last_id = last_id,
    .highest_id = highest_id,
    .seek = seek,
    .next = next,
    .next_keys = next_keys,
    .write = write_page,
    .replace_keys = replace_keys,
    .raise_ids = raise_ids,
    .commit = commit,
    .close = close_end,
};

enum error_kind store_pg_copy_end(const char *where, enum copy_role role, struct copy_end **ret,
                                  struct error *e)
{
    struct pg_copy *p = calloc(1, sizeof(*p));
    if (!p)
        return no_memory(e);
    p->base.ops = &ops;
    p->role = role;
    p->link.stop = is_stopped;
    for (int i = 0; i < ARRAYS; i++)
        buf_init(&p->arrays[i], ARRAY_MAX);
    enum error_kind kind = open_end(p, where, e);
    if (kind)
        close_end(&p->base);
    else
        *ret = &p->base;
    return kind;
}
