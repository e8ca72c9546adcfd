/* SPDX-License-Identifier: MIT */
/*
 * Several stores at one place, as several servers have them: what one stores the other shows, in
 * the same order to all, and hears of. And several threads at one store. Cases for any store (see
 * store_fixture.h); those that need a second store, for one that can be shared.
 */
#include "unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "server/store.h"
#include "unit/store_fixture.h"

#define WRITERS  4
#define EACH     400 /* appends of a writer */
#define IN_WORK  16  /* of them at a time */
#define KEYS     100
#define CHANNELS 80

/* --- writers and a follower ------------------------------------------------------------------- */

/* One thread that appends to one channel; the fixture is its own, for its appends. */
struct writer {
    struct fixture ends;
    struct store *store;
    struct item items[EACH];
    pthread_t thread;
    bool good;
};

static void *write_many(void *context)
{
    struct writer *w = context;
    w->good = true;
    for (int i = 0; i < EACH && w->good; i++) {
        struct item *item = &w->items[i];
        item->message = (struct store_message){
            .channel = span_of("c"), .sender = span_of("s"), .content = span_of("x")};
        item->append = (struct store_append){
            .messages = &item->message, .count = 1, .done = store_on_done, .context = &w->ends};
        w->good = store_queue(w->store, &item->append) == ERROR_NONE;
        wait_for(&w->ends, i + 1 - IN_WORK);
    }
    wait_for(&w->ends, EACH);
    w->good = w->good && w->ends.failed == 0;
    return NULL;
}

struct follower {
    int64_t last_id;
    int rows;
};

static bool follow(void *context, const struct store_message *m)
{
    struct follower *x = context;
    assert_true(m->id > x->last_id);
    x->last_id = m->id;
    x->rows++;
    return true;
}

/* Everybody writes to one channel, and who asks for what is above the last id misses nothing. */
static void write_and_follow(struct store *const *stores, size_t count, struct store *reader)
{
    struct writer *writers = calloc(WRITERS, sizeof(*writers));
    struct follower x = {0};
    assert_non_null(writers);
    for (size_t i = 0; i < WRITERS; i++) {
        struct writer *w = &writers[i];
        pthread_mutex_init(&w->ends.lock, NULL);
        pthread_cond_init(&w->ends.changed, NULL);
        w->store = stores[i % count];
        assert_int_equal(pthread_create(&w->thread, NULL, write_many, w), 0);
    }
    int64_t until = clock_deadline(60000);
    while (x.rows < WRITERS * EACH && clock_left_ms(until) > 0) {
        int64_t last = -1, from = x.last_id;
        assert_int_equal(store_last_id(reader, span_of("c"), clock_now_us(), &last, NULL), 0);
        assert_int_equal(store_read(reader, span_of("c"), from, last, 50, follow, &x, NULL), 0);
    }
    for (size_t i = 0; i < WRITERS; i++) {
        pthread_join(writers[i].thread, NULL);
        assert_true(writers[i].good);
    }
    assert_int_equal(x.rows, WRITERS * EACH);
    for (int i = 0; i < WRITERS * EACH; i++) { /* of each thread in the order it asked for */
        if (i % EACH)
            assert_true(writers[i / EACH].items[i % EACH].message.id >
                        writers[i / EACH].items[i % EACH - 1].message.id);
    }
    free(writers);
}

static void who_follows_many_threads_misses_nothing(void **state)
{
    struct fixture *f = *state;
    open_store(f);
    write_and_follow(&f->store, 1, f->store);
    assert_int_equal(f->heard, WRITERS * EACH);
    if (!f->place->shared)
        assert_int_equal(store_recheck_ms(f->store), 0); /* there is nobody else */
}

/* --- two stores --------------------------------------------------------------------------------
 */

/* A listener's notes of what another store stored. */
struct other {
    struct fixture f; /* only what listeners use */
    struct store *store;
};

static void open_two(struct fixture *f, struct other *o)
{
    pthread_mutex_init(&o->f.lock, NULL);
    pthread_cond_init(&o->f.changed, NULL);
    open_store(f);
    o->store = open_another(f, store_on_message, &o->f);
    wait_until_is(f, &f->unknown, 1); /* from then on they hear each other */
    wait_until_is(&o->f, &o->f.unknown, 1);
}

static void who_follows_many_stores_misses_nothing(void **state)
{
    struct fixture *f = *state;
    struct other o = {0};
    open_two(f, &o);
    struct store *reader = open_another(f, store_on_message, &o.f);
    struct store *stores[] = {f->store, o.store};
    write_and_follow(stores, 2, reader);
    store_close(reader);
    store_close(o.store);
}

static void what_one_stores_the_other_shows_at_once(void **state)
{
    struct fixture *f = *state;
    struct other o = {0};
    struct item items[50];
    open_two(f, &o);
    for (int i = 0; i < (int)COUNT(items); i++) {
        int64_t last = -1;
        assert_int_equal(store_last_id(o.store, span_of("c"), clock_now_us(), &last, NULL), 0);
        assert_int_equal(last, i ? items[i - 1].message.id : 0);
        queue(f, &items[i], span_of("c"), span_of("x"));
        wait_for(f, i + 1);
        assert_int_equal(store_last_id(o.store, span_of("c"), clock_now_us(), &last, NULL), 0);
        assert_int_equal(last, items[i].message.id);
        assert_int_equal(rows_of(o.store, span_of("c")), i + 1);
    }
    store_close(o.store);
}

static void what_one_stores_the_other_hears_of(void **state)
{
    struct fixture *f = *state;
    struct other o = {0};
    struct item item;
    static char long_name[64 << 10];
    memset(long_name, 'n', sizeof(long_name));
    open_two(f, &o);
    assert_true(store_recheck_ms(o.store) > 0); /* word may get lost */
    queue(f, &item, LITERAL("\0 \n any"), span_of("x"));
    wait_for(f, 1);
    wait_until_is(&o.f, &o.f.heard, 1);
    assert_int_equal(f->heard, 1); /* not told again of what is one's own */
    queue(f, &item, (struct span){long_name, sizeof(long_name)}, span_of("x"));
    wait_for(f, 2);
    wait_until_is(&o.f, &o.f.unknown, 2); /* too long to be named */
    store_close(o.store);
}

static void news_of_very_many_channels_are_news(void **state)
{
    struct fixture *f = *state;
    struct other o = {0};
    static struct store_message messages[STORE_GROUP_MAX];
    static char names[COUNT(messages)][24];
    open_two(f, &o);
    for (size_t i = 0; i < COUNT(messages); i++) {
        snprintf(names[i], sizeof(names[i]), "%zu", i);
        messages[i] = (struct store_message){
            .channel = span_of(names[i]), .sender = span_of("s"), .content = span_of("x")};
    }
    struct item item = {.append = {.messages = messages, .count = 300}}; /* one by one */
    queue_append(f, &item);
    wait_for(f, 1);
    wait_until_is(&o.f, &o.f.heard, 300);
    item.append.count = COUNT(messages); /* too many to name at once */
    queue_append(f, &item);
    wait_for(f, 2);
    pthread_mutex_lock(&o.f.lock); /* or in two parts, each of them short enough */
    while (o.f.unknown < 2 && o.f.heard < 300 + (int)COUNT(messages))
        pthread_cond_wait(&o.f.changed, &o.f.lock);
    pthread_mutex_unlock(&o.f.lock);
    assert_int_equal(f->failed, 0);
    store_close(o.store);
}

/* --- keys ------------------------------------------------------------------------------------- */

static void set_keyed(struct item *item, const char *channel, const char *content, const char *key)
{
    item->message = (struct store_message){
        .channel = span_of(channel), .sender = span_of("s"), .content = span_of(content)};
    item->append =
        (struct store_append){.messages = &item->message, .count = 1, .key = span_of(key)};
}

static void a_key_counts_in_every_store(void **state)
{
    struct fixture *f = *state;
    struct other o = {0};
    struct item first, again, other;
    open_two(f, &o);
    set_keyed(&first, "c", "x", "k");
    set_keyed(&again, "c", "x", "k");
    set_keyed(&other, "d", "x", "k");
    queue_append(f, &first);
    wait_for(f, 1);
    queue_append_to(o.store, f, &again);
    queue_append_to(o.store, f, &other);
    wait_for(f, 3);
    assert_int_equal(again.kind, ERROR_NONE);
    assert_true(again.append.replayed);
    assert_int_equal(again.message.id, first.message.id);
    assert_int_equal(other.kind, ERROR_REFUSED);
    store_close(o.store);
}

/* The same key at both at the same time: for the same message, and for different ones. */
static void a_key_used_at_two_stores_at_once_is_stored_once(void **state)
{
    struct fixture *f = *state;
    struct other o = {0};
    static struct item here[2 * KEYS], there[2 * KEYS];
    static char keys[2 * KEYS][16];
    open_two(f, &o);
    for (int i = 0; i < 2 * KEYS; i++) {
        snprintf(keys[i], sizeof(keys[i]), "k%d", i);
        set_keyed(&here[i], "c", "x", keys[i]);
        set_keyed(&there[i], i % 2 ? "c" : "d", "x", keys[i]);
        queue_append(f, &here[i]);
        queue_append_to(o.store, f, &there[i]);
    }
    wait_for(f, 4 * KEYS);
    for (int i = 0; i < 2 * KEYS; i++) {
        bool same = i % 2;
        bool here_first = !here[i].kind && !here[i].append.replayed;
        bool there_first = !there[i].kind && !there[i].append.replayed;
        const struct item *second = here_first ? &there[i] : &here[i];
        assert_true(here_first != there_first);
        assert_int_equal(second->kind, same ? ERROR_NONE : ERROR_REFUSED);
        if (same)
            assert_int_equal(here[i].message.id, there[i].message.id);
    }
    assert_int_equal(query_number(f, "SELECT count(*) FROM message"), 2 * KEYS);
    store_close(o.store);
}

/* --- batches ---------------------------------------------------------------------------------- */

/* One batch's channels forwards, the other's backwards: nobody may wait for the other for ever. */
static void batches_in_any_order_do_not_block_each_other(void **state)
{
    struct fixture *f = *state;
    struct other o = {0};
    enum { ROUNDS = 20 };
    static struct store_message messages[2 * ROUNDS][CHANNELS];
    static struct item items[2 * ROUNDS];
    static char names[CHANNELS][24];
    open_two(f, &o);
    for (size_t i = 0; i < 2 * ROUNDS; i++) {
        size_t count =
            i % 4 < 2 ? CHANNELS : CHANNELS / 2; /* above and below what is locked one by one */
        for (size_t k = 0; k < count; k++) {
            size_t name = i % 2 ? k : count - 1 - k;
            snprintf(names[name], sizeof(names[name]), "%zu", name);
            messages[i][k] = (struct store_message){
                .channel = span_of(names[name]), .sender = span_of("s"), .content = span_of("x")};
        }
        items[i].append = (struct store_append){.messages = messages[i], .count = count};
        queue_append_to(i % 2 ? f->store : o.store, f, &items[i]);
    }
    wait_for(f, 2 * ROUNDS);
    assert_int_equal(f->failed, 0);
    for (size_t i = 0; i < 2 * ROUNDS; i++) {
        for (size_t k = 1; k < items[i].append.count; k++)
            assert_true(messages[i][k].id > messages[i][k - 1].id);
    }
    assert_int_equal(rows_of(f->store, span_of("0")), 2 * ROUNDS);
    assert_int_equal(rows_of(o.store, span_of("79")), ROUNDS);
    store_close(o.store);
}

struct batch_look {
    struct store *store;
    pthread_mutex_t lock;
    bool ends;
    int partly, looks;
};

static bool count_row(void *context, const struct store_message *m)
{
    ++*(int *)context;
    return m->id > 0;
}

static void *look_for_parts(void *context)
{
    struct batch_look *l = context;
    bool ends = false;
    while (!ends) {
        int rows = 0;
        int64_t last = 0;
        pthread_mutex_lock(&l->lock);
        ends = l->ends;
        pthread_mutex_unlock(&l->lock);
        enum error_kind kind = store_last_id(l->store, span_of("c"), clock_now_us(), &last, NULL);
        if (!kind)
            kind = store_read(l->store, span_of("c"), 0, last, INT64_MAX, count_row, &rows, NULL);
        l->partly += kind || rows % 100 != 0;
        l->looks++;
    }
    return NULL;
}

/* A reader at another store, where there can be one, never sees a part of a batch. */
static void a_batch_becomes_visible_all_at_once(void **state)
{
    struct fixture *f = *state;
    struct other o = {0};
    struct batch_look l = {0};
    pthread_t thread;
    static struct store_message messages[100];
    open_store(f);
    pthread_mutex_init(&o.f.lock, NULL);
    pthread_cond_init(&o.f.changed, NULL);
    pthread_mutex_init(&l.lock, NULL);
    if (f->place->shared)
        o.store = open_another(f, store_on_message, &o.f);
    l.store = o.store ? o.store : f->store;
    assert_int_equal(pthread_create(&thread, NULL, look_for_parts, &l), 0);
    for (int i = 0; i < 20; i++) {
        struct item item = {.append = {.messages = messages, .count = COUNT(messages)}};
        for (size_t k = 0; k < COUNT(messages); k++)
            messages[k] = (struct store_message){
                .channel = span_of("c"), .sender = span_of("s"), .content = span_of("x")};
        queue_append(f, &item);
        wait_for(f, i + 1);
    }
    pthread_mutex_lock(&l.lock);
    l.ends = true;
    pthread_mutex_unlock(&l.lock);
    pthread_join(thread, NULL);
    assert_true(l.looks > 1);
    assert_int_equal(l.partly, 0);
    store_close(o.store);
}

int main(void)
{
    const struct CMUnitTest alone[] = {
        STORE_CASE(who_follows_many_threads_misses_nothing),
        STORE_CASE(a_batch_becomes_visible_all_at_once),
    };
    const struct CMUnitTest shared[] = {
        STORE_CASE(who_follows_many_stores_misses_nothing),
        STORE_CASE(what_one_stores_the_other_shows_at_once),
        STORE_CASE(what_one_stores_the_other_hears_of),
        STORE_CASE(news_of_very_many_channels_are_news),
        STORE_CASE(a_key_counts_in_every_store),
        STORE_CASE(a_key_used_at_two_stores_at_once_is_stored_once),
        STORE_CASE(batches_in_any_order_do_not_block_each_other),
    };
    int failed = cmocka_run_group_tests(alone, NULL, NULL);
    if (store_place()->shared)
        failed += cmocka_run_group_tests(shared, NULL, NULL);
    return failed;
}
