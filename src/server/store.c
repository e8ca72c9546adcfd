/* SPDX-License-Identifier: MIT */
#include "server/store_impl.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"

static int add_path(const char *where, struct buf *b)
{
    return text_add_visible(b, span_of(where));
}

/* Whoever takes a place first has it. */
static const struct store_kind {
    const char *prefixes[2];
    store_open_fn *open;
    enum error_kind (*check)(const char *where, struct error *e);
    enum error_kind (*backup)(const char *where, const char *to, bool (*stop)(void),
                              struct error *e);
    int (*add_name)(const char *where, struct buf *b);
    copy_end_open_fn *copy_end;
} kinds[] = {
    {{"postgresql://", "postgres://"},
     store_pg_open,
     store_pg_check,
     store_pg_backup,
     store_pg_add_name,
     store_pg_copy_end},
    {{""},
     store_sqlite_open,
     store_sqlite_check,
     store_sqlite_backup,
     add_path,
     store_sqlite_copy_end},
};

static const struct store_kind *kind_of(const char *where)
{
    for (const struct store_kind *k = kinds;; k++) { /* the last takes everything */
        for (size_t i = 0; i < sizeof(k->prefixes) / sizeof(k->prefixes[0]); i++) {
            if (k->prefixes[i] && strncmp(where, k->prefixes[i], strlen(k->prefixes[i])) == 0)
                return k;
        }
    }
}

enum error_kind store_open(const char *where, store_listener_fn *listener, void *context,
                           struct store **ret, struct error *e)
{
    return kind_of(where)->open(where, listener, context, ret, e);
}

enum error_kind store_check(const char *where, struct error *e)
{
    return kind_of(where)->check(where, e);
}

enum error_kind store_backup(const char *where, const char *to, bool (*stop)(void), struct error *e)
{
    return kind_of(where)->backup(where, to, stop, e);
}

enum error_kind copy_end_open(const char *where, enum copy_role role, struct copy_end **ret,
                              struct error *e)
{
    return kind_of(where)->copy_end(where, role, ret, e);
}

int store_add_name(const char *where, struct buf *b)
{
    return kind_of(where)->add_name(where, b);
}

void store_close(struct store *store)
{
    if (store)
        store->ops->close(store);
}

enum error_kind store_queue(struct store *store, struct store_append *append)
{
    return store->ops->queue(store, append);
}

enum error_kind store_last_id(struct store *store, struct span channel, int64_t since_us,
                              int64_t *ret, struct error *e)
{
    return store->ops->last_id(store, channel, since_us, ret, e);
}

enum error_kind store_last_ids(struct store *store, const struct span *channels, size_t count,
                               int64_t *ret, struct error *e)
{
    enum error_kind kind = ERROR_NONE;
    if (store->ops->last_ids)
        return store->ops->last_ids(store, channels, count, ret, e);
    for (size_t i = 0; !kind && i < count; i++)
        kind = store_last_id(store, channels[i], clock_now_us(), &ret[i], e);
    return kind;
}

int store_recheck_ms(const struct store *store)
{
    return store->ops->recheck_ms;
}

enum error_kind store_find_start(struct store *store, struct span channel, int64_t before,
                                 int64_t count, int64_t *ret_after, struct error *e)
{
    if (count > 0)
        return store->ops->find_start(store, channel, before, count, ret_after, e);
    *ret_after = count < 0 ? 0 : INT64_MAX;
    return ERROR_NONE;
}

enum error_kind store_read(struct store *store, struct span channel, int64_t after, int64_t upto,
                           int64_t limit, store_row_fn *row, void *context, struct error *e)
{
    return store->ops->read(store, channel, after, upto, limit, row, context, e);
}

void store_stats(struct store *store, struct store_stats *ret)
{
    store->ops->stats(store, ret);
}

const char *store_libraries(void)
{
    static char text[64];
    const char *pg = store_pg_library();
    snprintf(text, sizeof(text), "SQLite/%s%s%s", sqlite3_libversion(), pg ? ", " : "",
             pg ? pg : "");
    return text;
}
