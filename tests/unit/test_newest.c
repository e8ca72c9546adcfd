/* SPDX-License-Identifier: MIT */
/*
 * The newest ids that are remembered: never an old one, whoever asks when, and however many
 * channels there are.
 *
 * link: -Wl,--wrap=newest_put
 */
#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "server/newest.h"
#include "unit/store_fixture.h"

static void what_was_put_or_learnt_is_found(void **state)
{
    (void)state;
    static struct newest n;
    int64_t id = -1;
    newest_init(&n);
    assert_false(newest_find(&n, span_of("a"), 0, &id));
    assert_false(newest_find(&n, span_of(""), 0, &id)); /* an empty slot is nobody's */
    newest_learn(&n, span_of("a"), 0, newest_seen(&n), clock_now_us());
    assert_true(newest_find(&n, span_of("a"), 0, &id));
    assert_int_equal(id, 0);
    newest_put(&n, span_of("a"), 7);
    assert_true(newest_find(&n, span_of("a"), 0, &id));
    assert_int_equal(id, 7);
    assert_false(newest_find(&n, span_of("ab"), 0, &id));
    newest_destroy(&n);
}

static void nothing_is_known_or_learnt_while_a_commit_is_in_work(void **state)
{
    (void)state;
    static struct newest n;
    int64_t id = -1;
    newest_init(&n);
    newest_put(&n, span_of("a"), 6);
    newest_put(&n, span_of("b"), 5);
    newest_settle(&n);
    uint64_t before = newest_seen(&n);
    newest_forget(&n, span_of("a"));
    assert_false(newest_find(&n, span_of("a"), 0, &id));
    assert_true(newest_find(&n, span_of("b"), 0, &id)); /* it does not change */
    uint64_t meanwhile = newest_seen(&n);
    newest_learn(&n, span_of("a"), 6, before, clock_now_us());
    newest_learn(&n, span_of("a"), 6, meanwhile, clock_now_us());
    assert_false(newest_find(&n, span_of("a"), 0, &id));
    newest_put(&n, span_of("a"), 7);
    newest_put(&n, span_of("c"), 8);
    newest_put(&n, span_of("a"), 9);
    assert_false(newest_find(&n, span_of("a"), 0, &id)); /* nobody sees half a commit */
    assert_false(newest_find(&n, span_of("c"), 0, &id));
    assert_true(newest_find(&n, span_of("b"), 0, &id));
    newest_settle(&n);
    newest_learn(&n, span_of("a"), 6, before, clock_now_us()); /* answers of before the commit */
    newest_learn(&n, span_of("a"), 6, meanwhile, clock_now_us());
    assert_true(newest_find(&n, span_of("a"), 0, &id));
    assert_int_equal(id, 9);
    newest_forget(&n, span_of("a")); /* and one that fails */
    newest_settle(&n);
    assert_false(newest_find(&n, span_of("a"), 0, &id));
    newest_learn(&n, span_of("a"), 7, newest_seen(&n), clock_now_us());
    assert_true(newest_find(&n, span_of("a"), 0, &id));
    newest_destroy(&n);
}

static void a_newcomer_takes_a_place_and_long_names_have_none(void **state)
{
    (void)state;
    static struct newest n;
    char name[64];
    int64_t id = -1;
    int found = 0;
    newest_init(&n);
    for (int i = 1; i <= 3 * (int)NEWEST_SLOTS; i++) {
        snprintf(name, sizeof(name), "c%d", i);
        newest_put(&n, span_of(name), i);
        assert_true(newest_find(&n, span_of(name), 0, &id));
        assert_int_equal(id, i);
    }
    for (int i = 1; i <= 3 * (int)NEWEST_SLOTS; i++) {
        snprintf(name, sizeof(name), "c%d", i);
        if (newest_find(&n, span_of(name), 0, &id)) {
            assert_int_equal(id, i);
            found++;
        }
    }
    assert_in_range(found, NEWEST_SLOTS / 2, NEWEST_SLOTS);
    memset(name, 'x', sizeof(name));
    newest_put(&n, (struct span){name, NEWEST_NAME_MAX}, 1);
    assert_true(newest_find(&n, (struct span){name, NEWEST_NAME_MAX}, 0, &id));
    newest_put(&n, (struct span){name, NEWEST_NAME_MAX + 1}, 2);
    assert_false(newest_find(&n, (struct span){name, NEWEST_NAME_MAX + 1}, 0, &id));
    assert_true(newest_find(&n, (struct span){name, NEWEST_NAME_MAX}, 0, &id));
    assert_int_equal(id, 1);
    newest_destroy(&n);
}

/* --- of a store ------------------------------------------------------------------------------- */

#define CHANNELS (2 * NEWEST_SLOTS)
#define ROUNDS   3

static char names[CHANNELS][NEWEST_NAME_MAX + 20];
static struct item items[CHANNELS];

static void name_channels(void)
{
    for (unsigned i = 0; i < CHANNELS; i++) /* every seventh name is too long to be kept */
        snprintf(names[i], sizeof(names[i]), "%0*u", i % 7 ? 1 : (int)NEWEST_NAME_MAX + 1, i);
}

static int64_t last_id_of(struct fixture *f, unsigned channel)
{
    int64_t id = -1;
    assert_int_equal(store_last_id(f->store, span_of(names[channel]), clock_now_us(), &id, NULL),
                     ERROR_NONE);
    return id;
}

static void a_store_knows_it_with_more_channels_than_are_kept(void **state)
{
    struct fixture *f = *state;
    open_store(f);
    name_channels();
    assert_int_equal(last_id_of(f, 0), 0);
    for (int round = 1; round <= ROUNDS; round++) {
        for (unsigned i = 0; i < CHANNELS; i++)
            queue(f, &items[i], span_of(names[i]), span_of("x"));
        wait_for(f, round * (int)CHANNELS);
        assert_int_equal(f->failed, 0);
        for (unsigned i = 0; i < CHANNELS; i++)
            assert_int_equal(last_id_of(f, i), items[i].message.id);
    }
    reopen_store(f);
    for (unsigned i = 0; i < CHANNELS; i++)
        assert_int_equal(last_id_of(f, i), items[i].message.id);
}

/* Channels that share one slot, so each pushes the other out. */
static unsigned find_rivals(unsigned *ret, unsigned max)
{
    static struct newest n;
    unsigned count = 0;
    int64_t id;
    newest_init(&n);
    for (unsigned i = 1; i < CHANNELS && count < max; i++) {
        newest_put(&n, span_of(names[1]), 1);
        newest_put(&n, span_of(names[i]), 2);
        if (i == 1 || !newest_find(&n, span_of(names[1]), 0, &id))
            ret[count++] = i;
    }
    newest_destroy(&n);
    return count;
}

#define READERS 2
#define RIVALS  3

struct reading {
    struct fixture *f;
    unsigned channels[RIVALS];
    unsigned count;
    _Atomic int64_t acknowledged[RIVALS];
    atomic_bool ends;
    atomic_int wrong;
};

/* What is acknowledged is seen, and what was seen once stays seen. */
static void *read_on(void *context)
{
    struct reading *r = context;
    int64_t seen[RIVALS] = {0};
    while (!atomic_load(&r->ends)) {
        for (unsigned i = 0; i < r->count; i++) {
            int64_t at_least = atomic_load(&r->acknowledged[i]), id = -1;
            if (store_last_id(r->f->store, span_of(names[r->channels[i]]), clock_now_us(), &id,
                              NULL) ||
                id < at_least || id < seen[i])
                atomic_fetch_add(&r->wrong, 1);
            seen[i] = id;
        }
    }
    return NULL;
}

static void readers_at_the_same_time_never_miss_a_message(void **state)
{
    static struct reading r;
    pthread_t readers[READERS];
    r.f = *state;
    open_store(r.f);
    name_channels();
    r.count = find_rivals(r.channels, RIVALS);
    assert_true(r.count >= 2);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_on, &r), 0);
    for (int i = 0; i < 1000; i++) {
        unsigned k = (unsigned)i % r.count;
        queue(r.f, &items[k], span_of(names[r.channels[k]]), span_of("x"));
        wait_for(r.f, i + 1);
        atomic_store(&r.acknowledged[k], items[k].message.id);
    }
    atomic_store(&r.ends, true);
    for (int i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    assert_int_equal(r.f->failed, 0);
    assert_int_equal(atomic_load(&r.wrong), 0);
}

/* What a store answers between the commit and the end of its memory's update, and afterwards. */
static struct asking {
    struct store *store;
    int64_t a_id, b_id; /* what is right */
    int asked, wrong;
} asking;

static void ask_for_both(void)
{
    int64_t a = -1, b = -1;
    if (!asking.store)
        return;
    store_last_id(asking.store, span_of("a"), clock_now_us(), &a, NULL);
    store_last_id(asking.store, span_of("b"), clock_now_us(), &b, NULL);
    asking.wrong += a != asking.a_id || b != asking.b_id;
    asking.asked++;
}

void __real_newest_put(struct newest *n, struct span channel, int64_t id);
void __wrap_newest_put(struct newest *n, struct span channel, int64_t id);
void __wrap_newest_put(struct newest *n, struct span channel, int64_t id)
{
    ask_for_both();
    __real_newest_put(n, channel, id);
    ask_for_both();
}

static void ask_when_told(void *context, struct span channel, int64_t id)
{
    ask_for_both();
    store_on_message(context, channel, id);
}

static void what_is_in_the_database_is_known_at_once_and_whole(void **state)
{
    struct fixture *f = *state;
    struct item items_of_both[2], item;
    struct store_message messages[] = {
        {.channel = span_of("a"), .sender = span_of("s"), .content = span_of("3")},
        {.channel = span_of("b"), .sender = span_of("s"), .content = span_of("4")},
        {.channel = span_of("a"), .sender = span_of("s"), .content = span_of("5")},
        {.channel = span_of("b"), .sender = span_of("s"), .content = span_of("6")},
    };
    assert_int_equal(store_open(f->path, ask_when_told, f, &f->store, NULL), ERROR_NONE);
    queue(f, &items_of_both[0], span_of("a"), span_of("1"));
    queue(f, &items_of_both[1], span_of("b"), span_of("2"));
    wait_for(f, 2);
    asking = (struct asking){.store = f->store, .a_id = 5, .b_id = 6};
    item.append = (struct store_append){.messages = messages, .count = COUNT(messages)};
    queue_append(f, &item);
    wait_for(f, 3);
    asking.store = NULL;
    assert_int_equal(messages[3].id, 6);
    assert_int_equal(asking.asked, 4 * 2 + 4);
    assert_int_equal(asking.wrong, 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, sqlite_set_up, store_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_or_learnt_is_found),
        cmocka_unit_test(nothing_is_known_or_learnt_while_a_commit_is_in_work),
        cmocka_unit_test(a_newcomer_takes_a_place_and_long_names_have_none),
        CASE(a_store_knows_it_with_more_channels_than_are_kept),
        CASE(what_is_in_the_database_is_known_at_once_and_whole),
        CASE(readers_at_the_same_time_never_miss_a_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
