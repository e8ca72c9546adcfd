/* SPDX-License-Identifier: MIT */
/* What the server remembers of its database is asked for again after a second. */
#include "unit.h"

#include "server/latest.h"
#include "server/newest.h"
#include "unit/fake_clock.h"

static void a_newest_id_is_asked_for_again_after_a_second(void **state)
{
    (void)state;
    static struct newest n;
    int64_t id;
    newest_init(&n);
    newest_put(&n, span_of("a"), 7);
    fake_clock_advance(NEWEST_FRESH_MS - 1);
    assert_true(newest_find(&n, span_of("a"), &id));
    fake_clock_advance(1);
    assert_false(newest_find(&n, span_of("a"), &id));
    newest_learn(&n, span_of("a"), 6, newest_seen(&n));
    assert_true(newest_find(&n, span_of("a"), &id));
    assert_int_equal(id, 6);
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
        cmocka_unit_test(a_newest_id_is_asked_for_again_after_a_second),
        cmocka_unit_test(a_reading_is_made_again_after_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
