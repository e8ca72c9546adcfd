/* SPDX-License-Identifier: MIT */
/*
 * The store on PostgreSQL, which many servers may share. What each thread does:
 *
 *   writers (WRITERS)  each takes the appends of its share of the channels, so that writers of one
 *                      server do not wait for each other's locks, and tries a group until it is
 *                      stored or too late (pg_append.h)
 *   news               tells other servers and hears from them (pg_news.h)
 *   whoever reads      uses the one connection for that, under its lock
 *
 * Nothing of a channel is remembered for longer than those wait who asked before: another server
 * may have stored something since.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"
#include "server/newest.h"
#include "server/pg_append.h"
#include "server/pg_news.h"
#include "server/pg_read.h"
#include "server/pg_schema.h"
#include "server/pg_state.h"
#include "server/store_impl.h"
#include "server/store_queue.h"

#define WRITERS     4
#define GROUP_MAX   64 /* appends in a transaction */
#define LINGER_MS   2  /* at most, for those who were answered to come again */
#define START_MS    10000
#define FIND_OUT_MS 5000 /* after a lost commit, to learn how it ended */

struct pg_store;

struct writer {
    struct pg_store *store;
    struct store_queue queue;
    struct pg_append append;
    pthread_t thread;
    bool runs;
};

struct pg_store {
    struct store base;
    char *uri;
    store_listener_fn *listener;
    void *context;
    struct pg_state state;
    struct writer writers[WRITERS];
    struct pg_read read;
    struct newest newest;
    struct pg_news news;
    struct histogram commit;
    atomic_int_least64_t messages, failed;
};

static struct pg_store *of(struct store *base)
{
    return (struct pg_store *)base;
}

/* --- writers ---------------------------------------------------------------------------------- */

static int64_t latest_deadline(const struct store_append *group)
{
    int64_t latest = 0;
    for (const struct store_append *a = group; a; a = a->next)
        latest = a->late_at > latest ? a->late_at : latest;
    return latest;
}

static void pause_for(int ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    while (nanosleep(&t, &t) && errno == EINTR)
        continue;
}

/* One try. */
static enum error_kind try_group(struct writer *w, struct store_append *group, int64_t deadline)
{
    struct pg_store *s = w->store;
    struct error e;
    int64_t from_us = clock_now_us();
    enum error_kind kind = pg_append_group(&w->append, s->uri, group, deadline, &e);
    if (!kind) {
        pg_state_is_up(&s->state);
        histogram_add(&s->commit, clock_now_us() - from_us);
        return kind;
    }
    atomic_fetch_add_explicit(&s->failed, 1, memory_order_relaxed);
    if (w->append.link.conn)
        log_info("cannot store: %s", e.text);
    else
        pg_state_is_down(&s->state, &e);
    return kind;
}

/* Until it is stored, or too late. What cannot be known for now is asked for a while longer.
 * Returns what is left of the group: those that were too late are answered and gone. */
static enum error_kind store_group(struct writer *w, struct store_append **group)
{
    int pause_ms = 0;
    int64_t deadline = CLOCK_NEVER;
    enum error_kind kind = ERROR_UNREACHABLE;
    while (kind) {
        if (kind != ERROR_UNKNOWN)
            store_group_finish(store_group_take_late(group), ERROR_UNREACHABLE);
        if (!*group)
            break;
        if (kind != ERROR_UNKNOWN)
            deadline = latest_deadline(*group);
        else if (clock_left_ms(deadline) == 0)
            break;
        enum error_kind before = kind;
        kind = try_group(w, *group, deadline);
        if (kind == ERROR_UNKNOWN && before != kind)
            deadline = clock_deadline(FIND_OUT_MS);
        else if (kind && clock_left_ms(deadline) != 0)
            pause_for(pg_state_pause(&pause_ms));
    }
    return kind;
}

/* After a group of `len` was answered, when `more` had come already. What comes alone never waits,
 * and nothing longer than about as long as the transaction before took. */
static void linger(struct writer *w, unsigned len, unsigned more, int64_t took_us)
{
    unsigned enough = len + more < GROUP_MAX ? len + more : GROUP_MAX;
    int64_t ms = (took_us + 999) / 1000;
    if (len > 0 && enough > 1)
        store_queue_linger(&w->queue, enough, clock_deadline(ms < LINGER_MS ? ms : LINGER_MS));
}

static void *writer_main(void *context)
{
    struct writer *w = context;
    struct pg_store *s = w->store;
    struct store_append *group;
    while ((group = store_queue_take(&w->queue, GROUP_MAX, STORE_GROUP_MAX))) {
        int64_t from_us = clock_now_us();
        enum error_kind kind = store_group(w, &group);
        int64_t took_us = clock_now_us() - from_us;
        if (group && !kind) {
            atomic_fetch_add_explicit(&s->messages, store_group_stored(group),
                                      memory_order_relaxed);
            store_group_news(group, s->listener, s->context);
            store_group_news(group, pg_news_tell, &s->news);
        }
        w->append.doubt = NULL;
        unsigned len = store_group_len(group), more = store_queue_len(&w->queue);
        store_group_finish(group, kind);
        linger(w, len, more, took_us);
    }
    return NULL;
}

static enum error_kind queue_append(struct store *base, struct store_append *append)
{
    struct pg_store *s = of(base);
    uint64_t share = append->count > 0 ? (uint64_t)pg_channel_key(append->messages[0].channel) : 0;
    return store_queue_add(&s->writers[share % WRITERS].queue, append);
}

/* --- readers ---------------------------------------------------------------------------------- */

static enum error_kind last_id(struct store *base, struct span channel, int64_t since_us,
                               int64_t *ret, struct error *e)
{
    struct pg_store *s = of(base);
    if (newest_find(&s->newest, channel, since_us, ret))
        return ERROR_NONE;
    uint64_t seen = newest_seen(&s->newest);
    int64_t at_us = clock_now_us();
    enum error_kind kind = pg_read_last_ids(&s->read, &channel, 1, ret, e);
    if (!kind)
        newest_learn(&s->newest, channel, *ret, seen, at_us);
    return kind;
}

static enum error_kind last_ids(struct store *base, const struct span *channels, size_t count,
                                int64_t *ret, struct error *e)
{
    return pg_read_last_ids(&of(base)->read, channels, count, ret, e);
}

static enum error_kind find_start(struct store *base, struct span channel, int64_t before,
                                  int64_t count, int64_t *ret_after, struct error *e)
{
    return pg_read_find_start(&of(base)->read, channel, before, count, ret_after, e);
}

static enum error_kind read_rows(struct store *base, struct span channel, int64_t after,
                                 int64_t upto, int64_t limit, store_row_fn *row, void *context,
                                 struct error *e)
{
    const struct pg_range range = {channel, after, upto, limit};
    return pg_read_rows(&of(base)->read, &range, row, context, e);
}

static void fill_stats(struct store *base, struct store_stats *ret)
{
    struct pg_store *s = of(base);
    *ret = (struct store_stats){
        .messages = atomic_load_explicit(&s->messages, memory_order_relaxed),
        .failed = atomic_load_explicit(&s->failed, memory_order_relaxed),
        .commit = &s->commit,
        .bytes = pg_read_bytes(&s->read),
    };
    for (size_t i = 0; i < WRITERS; i++)
        ret->queued += store_queue_len(&s->writers[i].queue);
}

/* --- beginning and end ------------------------------------------------------------------------ */

static void close_store(struct store *base)
{
    struct pg_store *s = of(base);
    for (size_t i = 0; i < WRITERS; i++)
        store_queue_close(&s->writers[i].queue);
    for (size_t i = 0; i < WRITERS; i++) {
        struct writer *w = &s->writers[i];
        if (w->runs)
            pthread_join(w->thread, NULL);
        pg_append_release(&w->append);
        store_queue_destroy(&w->queue);
    }
    pg_news_stop(&s->news); /* after the last commit */
    pg_read_stop(&s->read);
    newest_destroy(&s->newest);
    free(s->uri);
    free(s);
}

static enum error_kind start_writers(struct pg_store *s, struct error *e)
{
    for (size_t i = 0; i < WRITERS; i++) {
        struct writer *w = &s->writers[i];
        int r = pthread_create(&w->thread, NULL, writer_main, w);
        w->runs = r == 0;
        if (r)
            return error_set(e, ERROR_LOCAL, "cannot start a thread: %s", strerror(r));
    }
    return ERROR_NONE;
}

static enum error_kind look_at_database(const char *uri,
                                        enum error_kind (*look)(struct pg_link *link,
                                                                int64_t deadline, struct error *e),
                                        struct error *e)
{
    struct pg_link link = {.conn = NULL};
    int64_t deadline = clock_deadline(START_MS);
    enum error_kind kind = pg_open(&link, uri, deadline, e);
    if (!kind)
        kind = look(&link, deadline, e);
    pg_close(&link);
    return kind;
}

static const struct store_ops ops = {
    .queue = queue_append,
    .last_id = last_id,
    .last_ids = last_ids,
    .find_start = find_start,
    .read = read_rows,
    .stats = fill_stats,
    .close = close_store,
    .recheck_ms = PG_NEWS_RECHECK_MS,
};

enum error_kind store_pg_open(const char *where, store_listener_fn *listener, void *context,
                              struct store **ret, struct error *e)
{
    enum error_kind kind = look_at_database(where, pg_schema_create, e);
    if (kind)
        return kind;
    struct pg_store *s = calloc(1, sizeof(*s));
    if (!s || !(s->uri = strdup(where))) {
        free(s);
        return error_set(e, ERROR_LOCAL, "no memory");
    }
    s->base.ops = &ops;
    s->listener = listener;
    s->context = context;
    newest_init(&s->newest);
    for (size_t i = 0; i < WRITERS; i++) {
        s->writers[i].store = s;
        store_queue_init(&s->writers[i].queue, STORE_QUEUE_MAX / WRITERS);
        pg_append_init(&s->writers[i].append);
    }
    kind = pg_read_start(&s->read, s->uri, &s->state, e);
    if (!kind)
        kind = pg_news_start(&s->news, s->uri, &s->state, listener, context, e);
    if (!kind)
        kind = start_writers(s, e);
    if (kind)
        close_store(&s->base);
    else
        *ret = &s->base;
    return kind;
}

enum error_kind store_pg_check(const char *where, struct error *e)
{
    return look_at_database(where, pg_schema_look, e);
}

enum error_kind store_pg_backup(const char *where, const char *to, bool (*stop)(void),
                                struct error *e)
{
    (void)where, (void)to, (void)stop;
    return error_set(e, ERROR_USAGE, "a PostgreSQL database is copied with pg_dump");
}

/* The host or its address, and the database. The rest of a URI is left out: a password may stand in
 * more than one place of it. */
int store_pg_add_name(const char *where, struct buf *b)
{
    const char *shown[] = {"service", "host", "port", "dbname"};
    PQconninfoOption *options = PQconninfoParse(where, NULL);
    int bad = buf_add_str(b, "PostgreSQL");
    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
        for (const PQconninfoOption *o = options; !bad && o && o->keyword; o++) {
            if (o->val && strcmp(o->keyword, shown[i]) == 0)
                bad = buf_addf(b, " %s=", o->keyword) || text_add_visible(b, span_of(o->val));
        }
    }
    PQconninfoFree(options);
    return bad;
}

const char *store_pg_library(void)
{
    static char text[32];
    int version = PQlibVersion();
    snprintf(text, sizeof(text), "libpq/%d.%d", version / 10000, version % 10000);
    return text;
}
