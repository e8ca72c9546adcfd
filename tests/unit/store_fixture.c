/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "unit/store_fixture.h"

#include <stdlib.h>
#include <string.h>

void store_on_message(void *context, struct span channel, int64_t id)
{
    struct fixture *f = context;
    pthread_mutex_lock(&f->lock);
    f->heard += id > 0 && channel.len > 0; /* no assert here: this is the writer's thread */
    f->unknown += id == 0 && !channel.data;
    pthread_cond_broadcast(&f->changed);
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
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

struct store *open_another(const struct fixture *f, store_listener_fn *listener, void *context)
{
    struct error e = {0};
    struct store *store = NULL;
    enum error_kind kind = store_open(f->path, listener, context, &store, &e);
    if (kind)
        print_error("%s\n", e.text);
    assert_int_equal(kind, ERROR_NONE);
    return store;
}

void open_store(struct fixture *f)
{
    f->store = open_another(f, store_on_message, f);
}

const struct place *store_place(void)
{
    return getenv("CHANCAT_TEST_STORE") ? &place_postgres : &place_sqlite;
}

static int set_up(void **state, const struct place *place)
{
    struct fixture *f = calloc(1, sizeof(*f));
    if (!f || place->make(f->folder, sizeof(f->folder), f->path, sizeof(f->path))) {
        free(f);
        return -1;
    }
    f->place = place;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    *state = f;
    return 0;
}

int store_set_up(void **state)
{
    return set_up(state, store_place());
}

int sqlite_set_up(void **state)
{
    return set_up(state, &place_sqlite);
}

int store_tear_down(void **state)
{
    struct fixture *f = *state;
    store_close(f->store);
    int r = f->place->remove(f->folder, f->path);
    free(f);
    return r;
}

void reopen_store(struct fixture *f)
{
    store_close(f->store);
    f->store = NULL;
    open_store(f);
}

void queue_append_to(struct store *store, struct fixture *f, struct item *item)
{
    item->append.done = store_on_done;
    item->append.context = f;
    assert_int_equal(store_queue(store, &item->append), ERROR_NONE);
}

void queue_append(struct fixture *f, struct item *item)
{
    queue_append_to(f->store, f, item);
}

void queue(struct fixture *f, struct item *item, struct span channel, struct span content)
{
    item->message =
        (struct store_message){.channel = channel, .sender = span_of("s"), .content = content};
    item->append = (struct store_append){.messages = &item->message, .count = 1};
    queue_append(f, item);
}

void wait_until_is(struct fixture *f, const int *number, int least)
{
    pthread_mutex_lock(&f->lock);
    while (*number < least)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

void wait_for(struct fixture *f, int done)
{
    wait_until_is(f, &f->done, done);
}

struct counting {
    int64_t last_id;
    int rows;
};

static bool count_row(void *context, const struct store_message *m)
{
    struct counting *c = context;
    assert_true(m->id > c->last_id);
    c->last_id = m->id;
    c->rows++;
    return true;
}

int rows_of(struct store *store, struct span channel)
{
    struct counting c = {0};
    assert_int_equal(store_read(store, channel, 0, INT64_MAX, INT64_MAX, count_row, &c, NULL), 0);
    return c.rows;
}

void run_sql_once(const struct fixture *f, const char *sql)
{
    f->place->run(f->path, sql);
}

int query_number(const struct fixture *f, const char *sql)
{
    return f->place->number(f->path, sql);
}
