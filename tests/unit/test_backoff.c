/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <stdbool.h>

#include "client/backoff.h"
#include "common/clock.h"

/* The clock is ours. */
static int64_t now_ms = 1000;

int64_t clock_now_ms(void)
{
    return now_ms;
}

int64_t clock_deadline(int64_t after_ms)
{
    return after_ms >= CLOCK_NEVER - now_ms ? CLOCK_NEVER : now_ms + after_ms;
}

static void pauses_grow_within_their_limits(void **state)
{
    (void)state;
    struct backoff b;
    int64_t longest[10] = {0};
    for (int round = 0; round < 2000; round++) {
        backoff_init(&b, INT64_MAX);
        for (size_t i = 0; i < COUNT(longest); i++) {
            int64_t pause = -1;
            assert_true(backoff_next(&b, -1, &pause));
            assert_in_range(pause, 0, BACKOFF_MAX_MS);
            if (pause > longest[i])
                longest[i] = pause;
        }
    }
    int64_t limit = BACKOFF_FIRST_MS;
    for (size_t i = 0; i < COUNT(longest); i++) {
        assert_in_range(longest[i], limit / 2, limit); /* 2,000 draws all below half: never */
        limit = limit * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : limit * 2;
    }
}

static void gives_up_when_patience_ends_and_not_before(void **state)
{
    (void)state;
    struct backoff b;
    int64_t pause;
    backoff_init(&b, 60000);
    int64_t begin = now_ms;
    while (backoff_next(&b, -1, &pause)) {
        now_ms += pause;
        assert_true(now_ms <= begin + 60000);
        now_ms += pause == 0;
    }
    assert_true(now_ms >= begin + 60000);
    backoff_reset(&b); /* a success: patience begins anew */
    assert_true(backoff_next(&b, -1, &pause));
}

static void retry_after_is_honoured_within_limits(void **state)
{
    (void)state;
    struct backoff b;
    int64_t pause;
    backoff_init(&b, INT64_MAX);
    assert_true(backoff_next(&b, 0, &pause));
    assert_int_equal(pause, BACKOFF_AFTER_MIN_MS);
    assert_true(backoff_next(&b, 7000, &pause));
    assert_int_equal(pause, 7000);
    assert_true(backoff_next(&b, 86400000, &pause));
    assert_int_equal(pause, BACKOFF_AFTER_MAX_MS);
    backoff_init(&b, 60000);
    assert_false(backoff_next(&b, 61000, &pause));
    backoff_init(&b, 0);
    assert_false(backoff_next(&b, -1, &pause));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pauses_grow_within_their_limits),
        cmocka_unit_test(gives_up_when_patience_ends_and_not_before),
        cmocka_unit_test(retry_after_is_honoured_within_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
