/* SPDX-License-Identifier: MIT */
/*
 * The store on SQLite: one writer thread commits whatever is queued as one transaction (group
 * commit), a second connection reads. WAL lets both work at once; synchronous=FULL puts each
 * commit on disk before it is acknowledged.
 *
 * Rows go in many to a statement (store_rows.h); who asks for a channel's newest id mostly asks no
 * database (newest.h).
 */
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"
#include "server/newest.h"
#include "server/store_files.h"
#include "server/store_impl.h"
#include "server/store_keys.h"
#include "server/store_queue.h"
#include "server/store_rows.h"
#include "server/store_schema.h"

#define BUSY_MS    5000 /* another process holds the database, such as a backup */
#define CACHE_KIB  "-8000"
#define FOREIGN_US 1000000 /* what somebody else changed is seen no later */

/* From LAST on they are the readers'. */
enum statement { BEGIN, COMMIT, ROLLBACK, VERSION, TOUCH, LAST, START, READ, BYTES, STATEMENTS };

static const char *const statement_sql[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [VERSION] = "PRAGMA user_version",
    [TOUCH] = STORE_SCHEMA_TOUCH,
    [LAST] = "SELECT coalesce(max(id), 0) FROM message WHERE channel = ?1",
    [START] = "SELECT id FROM message WHERE channel = ?1 AND id < ?2 "
              "ORDER BY id DESC LIMIT 1 OFFSET ?3",
    [READ] = "SELECT id, time, sender, content FROM message "
             "WHERE channel = ?1 AND id > ?2 AND id <= ?3 ORDER BY id LIMIT ?4",
    [BYTES] = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
};

struct sqlite_store {
    struct store base;
    /* the writer's, and with ":memory:" also the readers', then under read_lock */
    sqlite3 *write_db;
    sqlite3 *read_db;
    sqlite3_stmt *statements[STATEMENTS];
    struct store_keys keys;
    struct store_rows rows;
    struct store_place place;
    bool displaced; /* it has been told that the place does not hold */
    bool shared;    /* read_db == write_db */
    pthread_mutex_t read_lock;
    struct newest newest;
    store_listener_fn *listener;
    void *listener_context;
    pthread_t writer;
    bool writer_runs;
    /* counted by the writer */
    struct histogram commit;
    atomic_int_least64_t messages, failed;
    struct store_queue queue;
};

static enum error_kind open_connection(const char *where, int flags, sqlite3 **ret, struct error *e)
{
    char what[300];
    snprintf(what, sizeof(what), "database %.200s", where);
    int r = store_files_open(where, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, ret);
    if (r != SQLITE_OK)
        return store_sql_failed(*ret, what, e);
    sqlite3_busy_timeout(*ret, BUSY_MS);
    if (sqlite3_exec(*ret, "PRAGMA cache_size=" CACHE_KIB "; PRAGMA temp_store=MEMORY", NULL, NULL,
                     NULL) != SQLITE_OK)
        return store_sql_failed(*ret, what, e);
    return ERROR_NONE;
}

/* Readers and the writer would lock each other out in any other mode. */
static enum error_kind use_wal(sqlite3 *db, struct error *e)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(db, "PRAGMA journal_mode=WAL", -1, &statement, NULL) != SQLITE_OK)
        return store_sql_failed(db, "database", e);
    enum error_kind kind = ERROR_NONE;
    if (sqlite3_step(statement) != SQLITE_ROW)
        kind = store_sql_failed(db, "database", e);
    else if (strcmp((const char *)sqlite3_column_text(statement, 0), "wal") != 0)
        kind = error_set(e, ERROR_LOCAL, "the database cannot have a write-ahead log here");
    sqlite3_finalize(statement);
    return kind ? kind : store_sql_execute(db, "PRAGMA synchronous=FULL", e);
}

static enum error_kind prepare(struct sqlite_store *s, struct error *e)
{
    for (int i = 0; i < STATEMENTS; i++) {
        sqlite3 *db = i < LAST ? s->write_db : s->read_db;
        if (sqlite3_prepare_v3(db, statement_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &s->statements[i], NULL) != SQLITE_OK)
            return store_sql_failed(db, "database", e);
    }
    return store_keys_prepare(&s->keys, s->write_db) && store_rows_prepare(&s->rows, s->write_db)
               ? ERROR_NONE
               : store_sql_failed(s->write_db, "database", e);
}

static enum error_kind open_database(struct sqlite_store *s, const char *where, struct error *e)
{
    s->shared = strcmp(where, ":memory:") == 0;
    mode_t before = umask(077); /* the files are the owner's alone */
    enum error_kind kind = store_files_look(where, e);
    if (!kind)
        kind = open_connection(where, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &s->write_db, e);
    if (!kind)
        kind = store_schema_create(s->write_db, e);
    if (!kind && !s->shared)
        kind = use_wal(s->write_db, e);
    store_place_take(&s->place, where);
    if (!kind && !s->shared)
        kind = open_connection(where, SQLITE_OPEN_READWRITE, &s->read_db, e);
    umask(before);
    if (s->shared)
        s->read_db = s->write_db;
    return kind ? kind : prepare(s, e);
}

/* One step of a statement without rows. */
static bool step(struct sqlite_store *s, enum statement which)
{
    int r = sqlite3_step(s->statements[which]);
    sqlite3_reset(s->statements[which]);
    return r == SQLITE_DONE;
}

static void bind_text(sqlite3_stmt *statement, int at, struct span text)
{
    sqlite3_bind_text64(statement, at, text.data ? text.data : "", text.len, SQLITE_STATIC,
                        SQLITE_UTF8);
}

/* Writes to the disk what is there already. A later version that has taken the database over
 * meanwhile, as it should not, is not undone. */
static bool probe(struct sqlite_store *s)
{
    bool read = sqlite3_step(s->statements[VERSION]) == SQLITE_ROW;
    int version = read ? sqlite3_column_int(s->statements[VERSION], 0) : 0;
    sqlite3_reset(s->statements[VERSION]);
    return read && (version != STORE_SCHEMA_VERSION || step(s, TOUCH));
}

/* Inside the transaction. False: the database failed. */
static bool append_one(struct sqlite_store *s, struct store_append *a, int64_t now_s)
{
    a->kind = ERROR_NONE;
    if (a->count == 0)
        return probe(s);
    if (a->key.len > 0) {
        switch (store_keys_find(&s->keys, a, now_s)) {
        case STORE_KEYS_NEW:
            break;
        case STORE_KEYS_SAME: /* perhaps of another append of this very group */
            a->replayed = true;
            return true;
        case STORE_KEYS_OTHER:
            a->kind = ERROR_REFUSED;
            return true;
        case STORE_KEYS_FAILED:
            return false;
        }
    }
    return store_rows_add(&s->rows, a, now_s) && (a->key.len == 0 || store_keys_add(&s->keys, a));
}

static void forget(void *context, struct span channel, int64_t id)
{
    struct sqlite_store *s = context;
    (void)id;
    newest_forget(&s->newest, channel);
}

static void put(void *context, struct span channel, int64_t id)
{
    struct sqlite_store *s = context;
    newest_put(&s->newest, channel, id);
}

/* For store_stats(), after a commit that began at `from_us`. */
static void count_group(struct sqlite_store *s, const struct store_append *group, int64_t from_us)
{
    atomic_fetch_add_explicit(&s->messages, store_group_stored(group), memory_order_relaxed);
    histogram_add(&s->commit, clock_now_us() - from_us);
}

/* SQLite would go on with a file that has no name any more. */
static bool is_in_place(struct sqlite_store *s)
{
    bool holds = store_place_holds(&s->place);
    if (!holds && !s->displaced)
        log_error("database %s: removed or replaced while in use; nothing is stored until it is "
                  "back or the server is started again",
                  s->place.where);
    s->displaced = !holds;
    return holds;
}

/* All of the group in one transaction, or none of it. */
static bool commit_group(struct sqlite_store *s, struct store_append *group)
{
    struct store_append *youngest = group;
    while (youngest->next)
        youngest = youngest->next;
    sqlite3_busy_timeout(s->write_db, clock_left_ms(youngest->late_at));
    int64_t from_us = clock_now_us();
    bool good = step(s, BEGIN) && store_rows_begin(&s->rows);
    int64_t now_s = (int64_t)time(NULL);
    for (struct store_append *a = group; good && a; a = a->next) {
        if (!store_append_is_late(a)) /* the lock may have taken a while */
            good = append_one(s, a, now_s);
    }
    good = good && store_rows_end(&s->rows) && store_keys_prune(&s->keys, now_s);
    if (good) {
        store_group_news(group, forget, s);
        good = step(s, COMMIT);
    }
    if (good) {
        count_group(s, group, from_us);
        return true;
    }
    atomic_fetch_add_explicit(&s->failed, 1, memory_order_relaxed);
    log_error("cannot store: %s", sqlite3_errmsg(s->write_db));
    if (!sqlite3_get_autocommit(s->write_db))
        step(s, ROLLBACK);
    return false;
}

static void *writer_main(void *context)
{
    struct sqlite_store *s = context;
    struct store_append *group;
    while ((group = store_queue_take(&s->queue, STORE_QUEUE_MAX, STORE_GROUP_MAX))) {
        store_group_finish(store_group_take_late(&group), ERROR_UNREACHABLE);
        if (!group)
            continue;
        if (!is_in_place(s)) {
            atomic_fetch_add_explicit(&s->failed, 1, memory_order_relaxed);
            store_group_finish(group, ERROR_LOCAL);
            continue;
        }
        if (s->shared)
            pthread_mutex_lock(&s->read_lock);
        bool committed = commit_group(s, group);
        if (s->shared)
            pthread_mutex_unlock(&s->read_lock);
        if (committed)
            store_group_news(group, put, s);
        newest_settle(&s->newest);
        if (committed)
            store_group_news(group, s->listener, s->listener_context);
        store_group_finish(group, committed ? ERROR_NONE : ERROR_UNREACHABLE);
    }
    return NULL;
}

static void close_store(struct store *base)
{
    struct sqlite_store *s = (struct sqlite_store *)base;
    store_queue_close(&s->queue);
    if (s->writer_runs)
        pthread_join(s->writer, NULL);
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(s->statements[i]);
    store_keys_release(&s->keys);
    store_rows_release(&s->rows);
    store_place_release(&s->place);
    if (!s->shared)
        sqlite3_close(s->read_db);
    sqlite3_close(s->write_db); /* the last one to close takes the WAL in */
    pthread_mutex_destroy(&s->read_lock);
    store_queue_destroy(&s->queue);
    newest_destroy(&s->newest);
    free(s);
}

static enum error_kind queue_append(struct store *base, struct store_append *append)
{
    return store_queue_add(&((struct sqlite_store *)base)->queue, append);
}

/* Runs a query for one number; 0 when there is no row. */
static enum error_kind one_number(struct sqlite_store *s, sqlite3_stmt *statement, int64_t *ret,
                                  struct error *e)
{
    enum error_kind kind = ERROR_NONE;
    int r = sqlite3_step(statement);
    if (r == SQLITE_ROW)
        *ret = sqlite3_column_int64(statement, 0);
    else if (r == SQLITE_DONE)
        *ret = 0;
    else
        kind = store_sql_failed(s->read_db, "database", e);
    sqlite3_reset(statement);
    return kind;
}

static enum error_kind last_id(struct store *base, struct span channel, int64_t since_us,
                               int64_t *ret, struct error *e)
{
    struct sqlite_store *s = (struct sqlite_store *)base;
    (void)since_us; /* all changes but an administrator's go through here: none is missed */
    if (newest_find(&s->newest, channel, clock_now_us() - FOREIGN_US, ret))
        return ERROR_NONE;
    pthread_mutex_lock(&s->read_lock);
    uint64_t seen = newest_seen(&s->newest);
    int64_t at_us = clock_now_us();
    bind_text(s->statements[LAST], 1, channel);
    enum error_kind kind = one_number(s, s->statements[LAST], ret, e);
    if (!kind)
        newest_learn(&s->newest, channel, *ret, seen, at_us);
    pthread_mutex_unlock(&s->read_lock);
    return kind;
}

static enum error_kind find_start(struct store *base, struct span channel, int64_t before,
                                  int64_t count, int64_t *ret_after, struct error *e)
{
    struct sqlite_store *s = (struct sqlite_store *)base;
    int64_t id = 0;
    pthread_mutex_lock(&s->read_lock);
    sqlite3_stmt *statement = s->statements[START];
    bind_text(statement, 1, channel);
    sqlite3_bind_int64(statement, 2, before);
    sqlite3_bind_int64(statement, 3, count - 1);
    enum error_kind kind = one_number(s, statement, &id, e);
    pthread_mutex_unlock(&s->read_lock);
    if (!kind)
        *ret_after = id > 0 ? id - 1 : 0;
    return kind;
}

/* `data` is NULL when there was no memory. */
static struct span column_text(sqlite3_stmt *statement, int at)
{
    const void *text = sqlite3_column_text(statement, at);
    return (struct span){text, (size_t)sqlite3_column_bytes(statement, at)};
}

static enum error_kind read_rows(struct store *base, struct span channel, int64_t after,
                                 int64_t upto, int64_t limit, store_row_fn *row, void *context,
                                 struct error *e)
{
    struct sqlite_store *s = (struct sqlite_store *)base;
    enum error_kind kind = ERROR_NONE;
    pthread_mutex_lock(&s->read_lock);
    sqlite3_stmt *statement = s->statements[READ];
    bind_text(statement, 1, channel);
    sqlite3_bind_int64(statement, 2, after);
    sqlite3_bind_int64(statement, 3, upto);
    sqlite3_bind_int64(statement, 4, limit);
    int r = SQLITE_ROW;
    bool go_on = true;
    while (go_on && (r = sqlite3_step(statement)) == SQLITE_ROW) {
        struct store_message m = {
            .id = sqlite3_column_int64(statement, 0),
            .time_s = sqlite3_column_int64(statement, 1),
            .channel = channel,
            .sender = column_text(statement, 2),
            .content = column_text(statement, 3),
        };
        if (!m.sender.data || !m.content.data)
            break; /* r is no SQLITE_DONE: a failure */
        go_on = row(context, &m);
    }
    if (go_on && r != SQLITE_DONE)
        kind = store_sql_failed(s->read_db, "database", e);
    sqlite3_reset(statement);
    pthread_mutex_unlock(&s->read_lock);
    return kind;
}

/* Of the write-ahead log; 0 when there is none. */
static int64_t wal_bytes(const struct sqlite_store *s)
{
    struct stat info;
    const char *path = s->shared ? NULL : sqlite3_db_filename(s->read_db, "main");
    return path && *path && stat(sqlite3_filename_wal(path), &info) == 0 ? info.st_size : 0;
}

static void fill_stats(struct store *base, struct store_stats *ret)
{
    struct sqlite_store *s = (struct sqlite_store *)base;
    *ret = (struct store_stats){
        .messages = atomic_load_explicit(&s->messages, memory_order_relaxed),
        .failed = atomic_load_explicit(&s->failed, memory_order_relaxed),
        .queued = store_queue_len(&s->queue),
        .wal_bytes = wal_bytes(s),
        .commit = &s->commit,
    };
    pthread_mutex_lock(&s->read_lock);
    if (one_number(s, s->statements[BYTES], &ret->bytes, NULL))
        ret->bytes = 0;
    pthread_mutex_unlock(&s->read_lock);
}

static const struct store_ops ops = {
    .queue = queue_append,
    .last_id = last_id,
    .find_start = find_start,
    .read = read_rows,
    .stats = fill_stats,
    .close = close_store,
};

enum error_kind store_sqlite_open(const char *where, store_listener_fn *listener, void *context,
                                  struct store **ret, struct error *e)
{
    struct sqlite_store *s = calloc(1, sizeof(*s));
    if (!s)
        return error_set(e, ERROR_LOCAL, "no memory");
    s->base.ops = &ops;
    s->listener = listener;
    s->listener_context = context;
    newest_init(&s->newest);
    store_queue_init(&s->queue, STORE_QUEUE_MAX);
    pthread_mutex_init(&s->read_lock, NULL);
    enum error_kind kind = open_database(s, where, e);
    if (!kind) {
        int r = pthread_create(&s->writer, NULL, writer_main, s);
        s->writer_runs = r == 0;
        if (r)
            kind = error_set(e, ERROR_LOCAL, "cannot start a thread: %s", strerror(r));
    }
    if (kind)
        close_store(&s->base);
    else
        *ret = &s->base;
    return kind;
}
