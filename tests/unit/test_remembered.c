/* SPDX-License-Identifier: MIT */
/* What the server remembers of its database counts for a while only. */
#include "unit.h"

#include "server/latest.h"
#include "server/newest.h"
#include "unit/fake_clock.h"

static void a_newest_id_counts_for_those_who_asked_before(void **state)
{
    (void)state;
    static struct newest n;
    int64_t id;
    newest_init(&n);
    int64_t at = clock_now_us();
    newest_put(&n, span_of("a"), 7);
    assert_true(newest_find(&n, span_of("a"), at - 1, &id));
    assert_int_equal(id, 7);
    assert_false(newest_find(&n, span_of("a"), at, &id));
    newest_learn(&n, span_of("a"), 6, newest_seen(&n), at + 5);
    assert_true(newest_find(&n, span_of("a"), at + 4, &id));
    assert_int_equal(id, 6);
    assert_false(newest_find(&n, span_of("a"), at + 5, &id));
    newest_destroy(&n);
}

static void a_reading_is_made_again_after_a_second(void **state)
{
    (void)state;
    struct latest l;
    struct buf b;
    const struct latest_question q = {span_of("c"), 3, 9, 100};
    latest_init(&l);
    buf_init(&b, 1000);
    latest_keep(&l, &q, span_of("[1]"));
    fake_clock_advance(LATEST_FRESH_MS - 1);
    assert_true(latest_find(&l, &q, &b));
    fake_clock_advance(1);
    assert_false(latest_find(&l, &q, &b));
    buf_release(&b);
    latest_destroy(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_newest_id_counts_for_those_who_asked_before),
        cmocka_unit_test(a_reading_is_made_again_after_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
