/* SPDX-License-Identifier: MIT */
/*
 * News that nobody tells of are found all the same, and a store that tells of all is never asked.
 * The store is the test's.
 */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "server/recheck.h"
#include "unit/fake_clock.h"

#define CHANNELS 700 /* more than fit into one question */

static struct waiters waiters; /* too large for a stack */

static struct {
    int every_ms;
    bool fails;
    int asked; /* questions */
    size_t channels, most;
    char news[32]; /* the one channel that has any */
} store;

int store_recheck_ms(const struct store *s)
{
    (void)s;
    return store.every_ms;
}

enum error_kind store_last_ids(struct store *s, const struct span *channels, size_t count,
                               int64_t *ret, struct error *e)
{
    (void)s;
    store.asked++;
    store.channels += count;
    store.most = count > store.most ? count : store.most;
    for (size_t i = 0; i < count; i++)
        ret[i] = span_equal(channels[i], span_of(store.news)) ? 9 : 0;
    return store.fails ? error_set(e, ERROR_LOCAL, "it fails") : ERROR_NONE;
}

static void count_waking(void *context)
{
    ++*(int *)context;
}

static struct waiter waiter_of(const char *channel, int64_t after, int *woken)
{
    return (struct waiter){.channel = span_of(channel),
                           .after = after,
                           .deadline = CLOCK_NEVER,
                           .wake = count_waking,
                           .context = woken};
}

static int set_up(void **state)
{
    (void)state;
    memset(&store, 0, sizeof(store));
    store.every_ms = 2000;
    waiters_init(&waiters);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    waiters_destroy(&waiters);
    return 0;
}

static void who_has_news_is_woken_when_it_is_due(void **state)
{
    (void)state;
    struct recheck r;
    int news = 0, known = 0, other = 0;
    struct waiter of_news = waiter_of("news", 8, &news), knows = waiter_of("news", 9, &known),
                  of_other = waiter_of("other", 0, &other);
    waiters_add(&waiters, &of_news);
    waiters_add(&waiters, &knows);
    waiters_add(&waiters, &of_other);
    strcpy(store.news, "news");
    recheck_init(&r, &waiters);
    assert_true(recheck_waiters(&r) == CLOCK_NEVER); /* not begun */
    recheck_begin(&r, NULL);
    assert_true(recheck_waiters(&r) == clock_now_ms() + 2000);
    assert_int_equal(store.asked, 0);
    fake_clock_advance(2000);
    assert_true(recheck_waiters(&r) == clock_now_ms() + 2000);
    assert_int_equal(store.asked, 1);
    assert_int_equal(store.channels, 2); /* each once */
    assert_int_equal(news, 1);
    assert_int_equal(known, 0);
    assert_int_equal(other, 0);
}

static void many_channels_are_asked_for_in_parts(void **state)
{
    (void)state;
    static struct waiter all[CHANNELS];
    static char names[CHANNELS][32];
    struct recheck r;
    int woken = 0;
    for (size_t i = 0; i < CHANNELS; i++) {
        snprintf(names[i], sizeof(names[i]), "channel %zu", i);
        all[i] = waiter_of(names[i], 0, &woken);
        waiters_add(&waiters, &all[i]);
    }
    strcpy(store.news, "channel 650");
    recheck_init(&r, &waiters);
    recheck_begin(&r, NULL);
    fake_clock_advance(2000);
    recheck_waiters(&r);
    assert_int_equal(store.channels, CHANNELS);
    assert_true(store.most <= WAITERS_LIST_MAX);
    assert_true(store.asked <= 5);
    assert_int_equal(woken, 1);
}

static void a_store_that_fails_is_asked_next_time(void **state)
{
    (void)state;
    struct recheck r;
    int woken = 0;
    struct waiter waiter = waiter_of("news", 0, &woken);
    waiters_add(&waiters, &waiter);
    strcpy(store.news, "news");
    store.fails = true;
    recheck_init(&r, &waiters);
    recheck_begin(&r, NULL);
    fake_clock_advance(2000);
    recheck_waiters(&r);
    assert_int_equal(woken, 0);
    store.fails = false;
    fake_clock_advance(2000);
    recheck_waiters(&r);
    assert_int_equal(woken, 1);
}

static void a_store_that_tells_of_all_is_asked_only_when_it_says_so(void **state)
{
    (void)state;
    struct recheck r;
    int woken = 0;
    struct waiter waiter = waiter_of("news", 0, &woken);
    waiters_add(&waiters, &waiter);
    strcpy(store.news, "news");
    store.every_ms = 0;
    recheck_init(&r, &waiters);
    recheck_begin(&r, NULL);
    fake_clock_advance(1000000);
    assert_true(recheck_waiters(&r) == CLOCK_NEVER);
    assert_int_equal(store.asked, 0);
    assert_true(recheck_soon(&r) == clock_now_ms());
}

static void word_that_something_was_missed_has_it_look_at_once(void **state)
{
    (void)state;
    struct recheck r;
    int woken = 0;
    struct store *none = NULL;
    struct waiter waiter = waiter_of("news", 0, &woken);
    waiters_add(&waiters, &waiter);
    strcpy(store.news, "news");
    recheck_init(&r, &waiters);
    recheck_soon(&r);
    assert_true(recheck_waiters(&r) == CLOCK_NEVER); /* there is no store yet */
    recheck_begin(&r, (struct store *)&none);
    recheck_waiters(&r); /* it was not forgotten */
    assert_int_equal(woken, 1);
    recheck_waiters(&r);
    assert_int_equal(store.asked, 1);
}

static void it_looks_no_more_often_however_much_was_missed(void **state)
{
    (void)state;
    struct recheck r;
    int woken = 0;
    struct store *none = NULL;
    struct waiter waiter = waiter_of("quiet", 0, &woken);
    waiters_add(&waiters, &waiter);
    recheck_init(&r, &waiters);
    recheck_begin(&r, (struct store *)&none);
    for (int i = 0; i < RECHECK_PAUSE_MS * 5; i++) {
        recheck_soon(&r);
        recheck_waiters(&r);
        fake_clock_advance(1);
    }
    assert_int_equal(store.asked, 5);
    recheck_soon(&r);
    assert_true(recheck_waiters(&r) == clock_now_ms() + store.every_ms);
    recheck_soon(&r);
    assert_true(recheck_waiters(&r) == clock_now_ms() + RECHECK_PAUSE_MS); /* not forgotten */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_has_news_is_woken_when_it_is_due, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_channels_are_asked_for_in_parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_store_that_fails_is_asked_next_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_store_that_tells_of_all_is_asked_only_when_it_says_so,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(word_that_something_was_missed_has_it_look_at_once, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(it_looks_no_more_often_however_much_was_missed, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
