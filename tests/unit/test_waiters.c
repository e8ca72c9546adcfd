/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <stdbool.h>

#include "common/clock.h"
#include "server/waiters.h"

/* The clock is ours. */
static int64_t now_ms = 1000;

int64_t clock_now_ms(void)
{
    return now_ms;
}

static void count(void *context)
{
    ++*(int *)context;
}

static struct waiter make(const char *channel, int64_t deadline, int *woken)
{
    return (struct waiter){
        .channel = span_of(channel), .deadline = deadline, .wake = count, .context = woken};
}

static struct waiters w; /* too large for a stack */

static int set_up(void **state)
{
    (void)state;
    waiters_init(&w);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    waiters_destroy(&w);
    return 0;
}

static void a_message_wakes_its_channel_once(void **state)
{
    (void)state;
    int a = 0, b = 0;
    struct waiter of_a = make("a", 9999, &a), also_a = make("a", 9999, &a),
                  of_b = make("b", 9999, &b);
    assert_true(waiters_add(&w, &of_a));
    assert_true(waiters_add(&w, &of_b));
    assert_true(waiters_add(&w, &also_a));
    waiters_wake_channel(&w, span_of("a"), 5);
    waiters_wake_channel(&w, span_of("a"), 5);
    assert_int_equal(a, 2);
    assert_int_equal(b, 0);
    assert_false(waiters_remove(&w, &of_a));
    assert_true(waiters_remove(&w, &of_b));
    waiters_wake_channel(&w, span_of("b"), 5);
    assert_int_equal(b, 0);
}

static void a_message_that_is_known_wakes_nobody(void **state)
{
    (void)state;
    int woken = 0;
    struct waiter ahead = make("a", 9999, &woken);
    ahead.after = 7;
    assert_true(waiters_add(&w, &ahead));
    waiters_wake_channel(&w, span_of("a"), 7);
    assert_int_equal(woken, 0);
    waiters_wake_channel(&w, span_of("a"), 8);
    assert_int_equal(woken, 1);
}

static void deadlines_wake_and_the_nearest_is_told(void **state)
{
    (void)state;
    int early = 0, late = 0;
    struct waiter first = make("a", 2000, &early), second = make("b", 3000, &late);
    assert_true(waiters_expire(&w) == CLOCK_NEVER);
    assert_true(waiters_add(&w, &first));
    assert_true(waiters_add(&w, &second));
    assert_int_equal(waiters_expire(&w), 2000);
    now_ms = 2000;
    assert_int_equal(waiters_expire(&w), 3000);
    assert_int_equal(early, 1);
    assert_int_equal(late, 0);
    assert_true(waiters_remove(&w, &second));
}

static void closing_wakes_all_and_takes_nobody_in(void **state)
{
    (void)state;
    int woken = 0;
    struct waiter a = make("a", 9999, &woken), b = make("b", 9999, &woken);
    assert_true(waiters_add(&w, &a));
    waiters_close(&w);
    assert_int_equal(woken, 1);
    assert_false(waiters_add(&w, &b));
    assert_false(waiters_remove(&w, &b));
    assert_int_equal(woken, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_message_wakes_its_channel_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_message_that_is_known_wakes_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(deadlines_wake_and_the_nearest_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(closing_wakes_all_and_takes_nobody_in, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
