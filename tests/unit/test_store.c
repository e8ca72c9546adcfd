/* SPDX-License-Identifier: MIT */
/*
 * What store.h promises, as cases for any store (see store_fixture.h): order, visibility, bounds,
 * batches, restart, what is counted. Keys are in test_store_keys.c, any bytes in
 * test_store_texts.c, several stores at one place in test_store_shared.c.
 */
#include "unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "server/store.h"
#include "unit/store_fixture.h"

#define MANY     3000
#define CHANNELS 200 /* of a batch in many channels */

/* Stores MANY messages in "a", every third in "b" instead. */
static struct item *store_many(struct fixture *f)
{
    struct item *items = calloc(MANY, sizeof(*items));
    assert_non_null(items);
    int before = f->done;
    for (int i = 0; i < MANY; i++) {
        snprintf(items[i].content, sizeof(items[i].content), "m%d", i);
        queue(f, &items[i], span_of(i % 3 ? "a" : "b"), span_of(items[i].content));
    }
    wait_for(f, before + MANY);
    return items;
}

struct row_check {
    int64_t last_id;
    int rows, stop_at;
    char last_content[64];
};

static bool on_row(void *context, const struct store_message *m)
{
    struct row_check *c = context;
    assert_true(m->id > c->last_id);
    assert_true(m->time_s > 1600000000);
    c->last_id = m->id;
    snprintf(c->last_content, sizeof(c->last_content), "%.*s", (int)m->content.len,
             m->content.data);
    return ++c->rows != c->stop_at;
}

static int64_t last_of(struct fixture *f, const char *channel)
{
    int64_t last = -1;
    assert_int_equal(store_last_id(f->store, span_of(channel), clock_now_us(), &last, NULL), 0);
    return last;
}

static void appends_are_in_order_and_visible_when_done(void **state)
{
    struct fixture *f = *state;
    open_store(f);
    struct item *items = store_many(f);
    assert_int_equal(f->failed, 0);
    assert_int_equal(f->heard, MANY);
    assert_int_equal(f->done_before_heard, 0);
    for (int i = 3; i < MANY; i++) {
        if (i % 3 != 1) /* of "a" each but the first after one of "b", of "b" each */
            assert_true(items[i].message.id > items[i - (i % 3 ? 1 : 3)].message.id);
    }
    struct row_check c = {0};
    assert_int_equal(store_read(f->store, span_of("a"), 0, INT64_MAX, INT64_MAX, on_row, &c, NULL),
                     ERROR_NONE);
    assert_int_equal(c.rows, MANY / 3 * 2);
    assert_string_equal(c.last_content, "m2999");
    assert_int_equal(rows_of(f->store, span_of("b")), MANY / 3);
    free(items);
}

/* A store, and how often what the listener was told of was not there. */
struct looking {
    struct store *store;
    int looks, missing;
};

static bool note_id(void *context, const struct store_message *m)
{
    *(int64_t *)context = m->id;
    return true;
}

static void look_at_once(void *context, struct span channel, int64_t id)
{
    struct looking *l = context;
    int64_t found = 0;
    if (!channel.data) /* it is told of nothing in particular */
        return;
    enum error_kind kind = store_read(l->store, channel, id - 1, id, 1, note_id, &found, NULL);
    l->looks++;
    l->missing += kind || found != id;
}

static void the_listener_sees_what_it_is_told_of(void **state)
{
    struct fixture *f = *state;
    struct looking l = {0};
    static struct item items[100];
    f->store = l.store = open_another(f, look_at_once, &l);
    for (size_t i = 0; i < COUNT(items); i++)
        queue(f, &items[i], span_of("c"), span_of("x"));
    wait_for(f, COUNT(items));
    assert_int_equal(l.looks, COUNT(items));
    assert_int_equal(l.missing, 0);
}

static void readings_keep_their_bounds(void **state)
{
    struct fixture *f = *state;
    open_store(f);
    struct item *items = store_many(f);
    int64_t second = items[2].message.id, third = items[4].message.id, after;
    struct row_check c = {0};
    assert_int_equal(store_read(f->store, span_of("a"), second, INT64_MAX, 5, on_row, &c, NULL), 0);
    assert_int_equal(c.rows, 5);
    assert_string_equal(c.last_content, "m10");
    c = (struct row_check){0};
    assert_int_equal(store_read(f->store, span_of("a"), second, third, 5, on_row, &c, NULL), 0);
    assert_int_equal(c.rows, 1);
    assert_string_equal(c.last_content, "m4");
    c = (struct row_check){.stop_at = 2};
    assert_int_equal(store_read(f->store, span_of("a"), 0, INT64_MAX, 100, on_row, &c, NULL), 0);
    assert_int_equal(c.rows, 2);
    c = (struct row_check){0};
    assert_int_equal(store_read(f->store, span_of("a"), 0, INT64_MAX, 0, on_row, &c, NULL), 0);
    assert_int_equal(store_read(f->store, span_of("none"), 0, INT64_MAX, 9, on_row, &c, NULL), 0);
    assert_int_equal(c.rows, 0);
    assert_int_equal(store_find_start(f->store, span_of("a"), INT64_MAX, 1, &after, NULL), 0);
    assert_int_equal(after, items[MANY - 1].message.id - 1);
    assert_int_equal(store_find_start(f->store, span_of("a"), third, 1, &after, NULL), 0);
    assert_int_equal(after, second - 1);
    assert_int_equal(store_find_start(f->store, span_of("a"), INT64_MAX, MANY, &after, NULL), 0);
    assert_int_equal(after, 0);
    assert_int_equal(store_find_start(f->store, span_of("a"), INT64_MAX, -1, &after, NULL), 0);
    assert_int_equal(after, 0);
    assert_int_equal(store_find_start(f->store, span_of("a"), INT64_MAX, 0, &after, NULL), 0);
    assert_true(after == INT64_MAX);
    free(items);
}

static void the_last_ids_are_told(void **state)
{
    struct fixture *f = *state;
    open_store(f);
    struct item *items = store_many(f);
    int64_t a = items[MANY - 1].message.id, b = items[MANY - 3].message.id, last[4] = {7, 7, 7, 7};
    const struct span asked[] = {span_of("a"), span_of("none"), span_of("b"), span_of("a")};
    assert_int_equal(last_of(f, "a"), a);
    assert_int_equal(last_of(f, "b"), b);
    assert_int_equal(last_of(f, "none"), 0);
    assert_int_equal(store_last_ids(f->store, asked, 4, last, NULL), 0);
    assert_true(last[0] == a && last[1] == 0 && last[2] == b && last[3] == a);
    last[0] = last[1] = 7;
    assert_int_equal(store_last_ids(f->store, asked, 1, last, NULL), 0);
    assert_true(last[0] == a && last[1] == 7);
    assert_int_equal(store_last_ids(f->store, asked, 0, last, NULL), 0);
    free(items);
}

static void ids_are_never_used_again(void **state)
{
    struct fixture *f = *state;
    struct item item;
    open_store(f);
    queue(f, &item, span_of("c"), span_of("one"));
    wait_for(f, 1);
    int64_t id = item.message.id;
    for (int round = 0; round < 2; round++) {
        if (round == 1)
            run_sql_once(f, "DELETE FROM message");
        reopen_store(f); /* a second start finds what was stored */
        assert_int_equal(last_of(f, "c"), round == 0 ? id : 0);
        queue(f, &item, span_of("c"), span_of("next"));
        wait_for(f, 2 + round);
        assert_true(item.message.id > id);
        id = item.message.id;
        assert_int_equal(last_of(f, "c"), id);
    }
}

static void a_batch_is_stored_whole_or_not_at_all(void **state)
{
    struct fixture *f = *state;
    open_store(f);
    run_sql_once(f, f->place->no_poison);
    struct store_message messages[] = {
        {.channel = span_of("a"), .sender = span_of("s"), .content = span_of("1")},
        {.channel = span_of("b"), .sender = span_of("s"), .content = span_of("2")},
        {.channel = span_of("a"), .sender = span_of("s"), .content = span_of("poison")},
    };
    struct item item = {.append = {.messages = messages, .count = COUNT(messages)}};
    queue_append(f, &item);
    wait_for(f, 1);
    assert_int_equal(item.kind, ERROR_UNREACHABLE);
    assert_int_equal(f->heard, 0);
    assert_int_equal(rows_of(f->store, span_of("a")) + rows_of(f->store, span_of("b")), 0);
    messages[2].content = span_of("3");
    queue_append(f, &item);
    wait_for(f, 2);
    assert_int_equal(item.kind, ERROR_NONE);
    assert_int_equal(f->heard, 3);
    assert_true(messages[0].id < messages[1].id && messages[1].id < messages[2].id);
    assert_int_equal(rows_of(f->store, span_of("a")), 2);
}

static void a_batch_may_have_many_channels(void **state)
{
    struct fixture *f = *state;
    static struct store_message messages[2 * CHANNELS];
    static char names[CHANNELS][16];
    open_store(f);
    for (size_t i = 0; i < COUNT(messages); i++) {
        char *name = names[i % CHANNELS];
        snprintf(name, sizeof(names[0]), "channel %zu", i % CHANNELS);
        messages[i] = (struct store_message){
            .channel = span_of(name), .sender = span_of("s"), .content = span_of("x")};
    }
    struct item item = {.append = {.messages = messages, .count = COUNT(messages)}};
    queue_append(f, &item);
    wait_for(f, 1);
    assert_int_equal(item.kind, ERROR_NONE);
    for (size_t i = 1; i < COUNT(messages); i++)
        assert_true(messages[i].id > messages[i - 1].id);
    for (size_t i = 0; i < CHANNELS; i++)
        assert_int_equal(rows_of(f->store, span_of(names[i])), 2);
    assert_int_equal(f->heard, COUNT(messages));
}

/* The end of an append, and how many messages the listener had been told of by then. */
struct noting {
    struct item item;
    int heard;
};

static void note_heard(struct store_append *append, enum error_kind kind)
{
    struct fixture *f = append->context;
    struct item *item = (struct item *)((char *)append - offsetof(struct item, append));
    pthread_mutex_lock(&f->lock);
    ((struct noting *)(void *)item)->heard = f->heard;
    pthread_mutex_unlock(&f->lock);
    store_on_done(append, kind);
}

static void queue_noting(struct fixture *f, struct noting *n, struct store_message *messages,
                         size_t count)
{
    n->item.append = (struct store_append){
        .messages = messages, .count = count, .done = note_heard, .context = f};
    assert_int_equal(store_queue(f->store, &n->item.append), ERROR_NONE);
}

static void a_long_batch_is_told_briefly_and_ends_a_group(void **state)
{
    struct fixture *f = *state;
    static struct store_message messages[STORE_GROUP_MAX + 2];
    static struct noting items[3];
    open_store(f);
    for (size_t i = 0; i < COUNT(messages); i++)
        messages[i] = (struct store_message){.channel = span_of(i % 500 < 400 ? "a" : "b"),
                                             .sender = span_of("s"),
                                             .content = span_of("x")};
    void *held = f->place->hold(f->path);
    queue_noting(f, &items[0], &messages[0], 1); /* the writer may have begun with this one */
    queue_noting(f, &items[1], &messages[1], STORE_GROUP_MAX);
    queue_noting(f, &items[2], &messages[STORE_GROUP_MAX + 1], 1);
    f->place->release(held);
    wait_for(f, 3);
    assert_int_equal(f->failed, 0);
    assert_int_equal(items[1].heard, 1 + 5); /* a b a b, and one more in a */
    assert_int_equal(items[2].heard, 1 + 5 + 1);
    for (size_t i = 1; i < COUNT(messages); i++)
        assert_true(messages[i].id > messages[i - 1].id);
    assert_int_equal(rows_of(f->store, span_of("a")) + rows_of(f->store, span_of("b")),
                     COUNT(messages));
}

static struct store_stats stats_of(struct fixture *f)
{
    struct store_stats stats;
    store_stats(f->store, &stats);
    return stats;
}

/* Queues one message after the other until no more is taken. */
static int fill_queue(struct fixture *f, struct item *items, size_t count)
{
    size_t queued = 0;
    bool full = false;
    while (!full && queued < count) {
        struct item *item = &items[queued];
        item->message = (struct store_message){
            .channel = span_of("c"), .sender = span_of("s"), .content = span_of("x")};
        item->append = (struct store_append){
            .messages = &item->message, .count = 1, .done = store_on_done, .context = f};
        enum error_kind kind = store_queue(f->store, &item->append);
        full = kind != ERROR_NONE;
        assert_true(!full || kind == ERROR_UNREACHABLE);
        queued += !full;
    }
    assert_true(full);
    return (int)queued;
}

static void a_full_queue_takes_no_more_and_a_failed_group_stores_nothing(void **state)
{
    struct fixture *f = *state;
    static struct item items[STORE_QUEUE_MAX + STORE_GROUP_MAX + 1];
    static struct item one;
    open_store(f);
    void *held = f->place->hold(f->path); /* until the writer gives up, after seconds */
    int queued = fill_queue(f, items, COUNT(items));
    assert_true(queued >= STORE_GROUP_MAX);
    assert_true(stats_of(f).queued >= queued - STORE_GROUP_MAX);
    wait_for(f, 1); /* those of the first group, at least */
    f->place->release(held);
    wait_for(f, queued);
    assert_true(f->failed > 0);
    assert_int_equal(items[0].kind, ERROR_UNREACHABLE);
    assert_int_equal(rows_of(f->store, span_of("c")), queued - f->failed);
    assert_int_equal(f->heard, queued - f->failed);
    queue(f, &one, span_of("c"), span_of("after")); /* and it goes on */
    wait_for(f, queued + 1);
    assert_int_equal(one.kind, ERROR_NONE);
    assert_int_equal(stats_of(f).messages, queued - f->failed + 1);
    assert_int_equal(stats_of(f).queued, 0);
    assert_true(stats_of(f).failed > 0);
}

static void closing_finishes_what_is_queued(void **state)
{
    struct fixture *f = *state;
    static struct item items[STORE_GROUP_MAX + 500];
    open_store(f);
    for (size_t i = 0; i < COUNT(items); i++)
        queue(f, &items[i], span_of("c"), span_of("x"));
    store_close(f->store);
    assert_int_equal(f->done, COUNT(items));
    assert_int_equal(f->failed, 0);
    f->store = NULL;
    open_store(f);
    assert_int_equal(rows_of(f->store, span_of("c")), COUNT(items));
}

static int64_t commits(struct fixture *f)
{
    int64_t count = 0;
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
        count += stats_of(f).commit->counts[i];
    return count;
}

static void what_is_stored_is_counted_once(void **state)
{
    struct fixture *f = *state;
    struct item one, keyed;
    open_store(f);
    assert_int_equal(stats_of(f).messages, 0);
    queue(f, &one, span_of("c"), span_of("x"));
    wait_for(f, 1);
    keyed.message = (struct store_message){
        .channel = span_of("c"), .sender = span_of("s"), .content = span_of("keyed")};
    keyed.append =
        (struct store_append){.messages = &keyed.message, .count = 1, .key = span_of("k")};
    for (int i = 0; i < 3; i++) { /* the second and third time it is there already */
        queue_append(f, &keyed);
        wait_for(f, 2 + i);
    }
    keyed.message.content = span_of("another");
    queue_append(f, &keyed); /* refused */
    wait_for(f, 5);
    assert_int_equal(stats_of(f).messages, 2);
    assert_int_equal(commits(f), 5);
    assert_int_equal(stats_of(f).failed, 0);
    assert_int_equal(stats_of(f).queued, 0);
    assert_true(stats_of(f).bytes > 0);
}

static void a_probe_stores_nothing_and_fails_as_an_append_does(void **state)
{
    struct fixture *f = *state;
    struct item probe = {0};
    open_store(f);
    queue_append(f, &probe);
    wait_for(f, 1);
    assert_int_equal(probe.kind, ERROR_NONE);
    assert_int_equal(stats_of(f).messages, 0);
    assert_int_equal(commits(f), 1);
    void *held = f->place->hold(f->path);
    queue_append(f, &probe);
    wait_for(f, 2);
    f->place->release(held);
    assert_int_equal(probe.kind, ERROR_UNREACHABLE);
    assert_int_equal(f->heard, 0);
    assert_int_equal(query_number(f, "SELECT count(*) FROM message"), 0);
    assert_int_equal(query_number(f, "SELECT count(*) FROM append_key"), 0);
}

static void a_place_may_be_looked_at(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    assert_int_equal(store_check(f->path, &e), ERROR_NONE);
    open_store(f);
    assert_int_equal(store_check(f->path, &e), ERROR_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_CASE(appends_are_in_order_and_visible_when_done),
        STORE_CASE(the_listener_sees_what_it_is_told_of),
        STORE_CASE(readings_keep_their_bounds),
        STORE_CASE(the_last_ids_are_told),
        STORE_CASE(ids_are_never_used_again),
        STORE_CASE(closing_finishes_what_is_queued),
        STORE_CASE(a_batch_is_stored_whole_or_not_at_all),
        STORE_CASE(a_batch_may_have_many_channels),
        STORE_CASE(a_long_batch_is_told_briefly_and_ends_a_group),
        STORE_CASE(a_full_queue_takes_no_more_and_a_failed_group_stores_nothing),
        STORE_CASE(what_is_stored_is_counted_once),
        STORE_CASE(a_probe_stores_nothing_and_fails_as_an_append_does),
        STORE_CASE(a_place_may_be_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
