/* SPDX-License-Identifier: MIT */
/*
 * The queue of a writer: a lone append is taken at once, and a writer that lingers is woken when
 * enough are there, not before, and never waits past its deadline or the end.
 */
#include "unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>

#include "common/clock.h"
#include "server/store_queue.h"

#define LONG_MS 60000 /* only what is broken waits for so long */

struct adding {
    struct store_queue *queue;
    struct store_append *appends;
    unsigned count;
    bool closes;
};

static void *add_all(void *context)
{
    struct adding *a = context;
    for (unsigned i = 0; i < a->count; i++)
        store_queue_add(a->queue, &a->appends[i]);
    if (a->closes)
        store_queue_close(a->queue);
    return NULL;
}

/* How many are there when the writer has lingered for `enough`, while another thread adds. */
static unsigned linger_while(struct adding *a, unsigned enough, int64_t deadline)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, add_all, a), 0);
    store_queue_linger(a->queue, enough, deadline);
    unsigned len = store_queue_len(a->queue);
    pthread_join(thread, NULL);
    return len;
}

static void a_writer_that_lingers_has_as_many_as_it_waits_for(void **state)
{
    (void)state;
    struct store_queue queue;
    struct store_append appends[5] = {{.count = 0}};
    struct adding a = {&queue, appends, 5, false};
    int64_t from = clock_now_ms();
    store_queue_init(&queue, 8);
    assert_true(linger_while(&a, 4, clock_deadline(LONG_MS)) >= 4);
    store_queue_linger(&queue, 5, clock_deadline(LONG_MS)); /* they are there */
    assert_true(clock_now_ms() - from < LONG_MS / 2);
    assert_int_equal(store_group_len(store_queue_take(&queue, 8, 8)), 5);
    store_queue_destroy(&queue);
}

static void it_waits_no_longer_than_it_wants_to_or_the_queue_lasts(void **state)
{
    (void)state;
    struct store_queue queue;
    struct store_append appends[2] = {{.count = 0}};
    struct adding a = {&queue, appends, 1, false};
    store_queue_init(&queue, 8);
    int64_t from = clock_now_ms();
    assert_true(linger_while(&a, 2, from + 30) < 2);
    assert_true(clock_now_ms() - from >= 30);
    a = (struct adding){&queue, appends + 1, 1, true};
    linger_while(&a, 8, clock_deadline(LONG_MS));
    assert_true(clock_now_ms() - from < LONG_MS / 2);
    assert_int_equal(store_group_len(store_queue_take(&queue, 8, 8)), 2);
    assert_null(store_queue_take(&queue, 8, 8));
    store_queue_destroy(&queue);
}

#define LONE 1000

/* Takes LONE appends one at a time. */
static void *take_all(void *queue)
{
    for (int i = 0; i < LONE; i++)
        if (store_group_len(store_queue_take(queue, 8, 8)) != 1)
            return queue;
    return NULL;
}

/* Most of them find the writer waiting. */
static void afterwards_a_lone_append_is_taken_at_once(void **state)
{
    (void)state;
    struct store_queue queue;
    struct store_append append = {.count = 0};
    pthread_t thread;
    void *bad;
    store_queue_init(&queue, 8);
    store_queue_linger(&queue, 3, clock_now_ms());
    assert_int_equal(pthread_create(&thread, NULL, take_all, &queue), 0);
    for (int i = 0; i < LONE; i++) {
        store_queue_add(&queue, &append);
        while (store_queue_len(&queue) > 0)
            sched_yield();
    }
    pthread_join(thread, &bad);
    assert_null(bad);
    store_queue_destroy(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_writer_that_lingers_has_as_many_as_it_waits_for),
        cmocka_unit_test(it_waits_no_longer_than_it_wants_to_or_the_queue_lasts),
        cmocka_unit_test(afterwards_a_lone_append_is_taken_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
