/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "unit/store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void store_on_message(void *context, struct span channel, int64_t id)
{
    struct fixture *f = context;
    pthread_mutex_lock(&f->lock);
    f->heard += id > 0 && channel.len > 0; /* no assert here: this is the writer's thread */
    pthread_mutex_unlock(&f->lock);
}

void store_on_done(struct store_append *append, enum error_kind kind)
{
    struct fixture *f = append->context;
    pthread_mutex_lock(&f->lock);
    struct item *item = (struct item *)((char *)append - offsetof(struct item, append));
    item->kind = kind;
    f->done++;
    f->failed += kind != ERROR_NONE;
    f->done_before_heard += f->done > f->heard;
    pthread_cond_signal(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

void open_store(struct fixture *f)
{
    struct error e = {0};
    enum error_kind kind = store_open(f->path, store_on_message, f, &f->store, &e);
    if (kind)
        print_error("%s\n", e.text);
    assert_int_equal(kind, ERROR_NONE);
}

int store_set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    const char *base = getenv("TMPDIR");
    if (!f)
        return -1;
    snprintf(f->folder, sizeof(f->folder), "%s/store-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(f->folder))
        return -1;
    snprintf(f->path, sizeof(f->path), "%s/chat.db", f->folder);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    *state = f;
    return 0;
}

int store_tear_down(void **state)
{
    struct fixture *f = *state;
    store_close(f->store);
    unlink(f->path);
    int r = rmdir(f->folder); /* a clean close leaves no -wal and no -shm */
    free(f);
    return r;
}

void reopen_store(struct fixture *f)
{
    store_close(f->store);
    f->store = NULL;
    open_store(f);
}

void queue_append(struct fixture *f, struct item *item)
{
    item->append.done = store_on_done;
    item->append.context = f;
    assert_int_equal(store_queue(f->store, &item->append), ERROR_NONE);
}

void queue(struct fixture *f, struct item *item, struct span channel, struct span content)
{
    item->message =
        (struct store_message){.channel = channel, .sender = span_of("s"), .content = content};
    item->append = (struct store_append){.messages = &item->message, .count = 1};
    queue_append(f, item);
}

void wait_for(struct fixture *f, int done)
{
    pthread_mutex_lock(&f->lock);
    while (f->done < done)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

sqlite3 *other_connection(const struct fixture *f)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    return db;
}

void run_sql(sqlite3 *db, const char *sql)
{
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
}

void run_sql_once(const struct fixture *f, const char *sql)
{
    sqlite3 *db = other_connection(f);
    run_sql(db, sql);
    sqlite3_close(db);
}

int query_number(const struct fixture *f, const char *sql)
{
    sqlite3 *db = other_connection(f);
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int number = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return number;
}
