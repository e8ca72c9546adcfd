/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <limits.h>

#include "common/clock.h"

static void deadlines_saturate(void **state)
{
    (void)state;
    assert_true(clock_deadline(CLOCK_NEVER) == CLOCK_NEVER);
    assert_true(clock_deadline(CLOCK_NEVER - 1) == CLOCK_NEVER);
    assert_int_equal(clock_left_ms(CLOCK_NEVER), -1);
    assert_int_equal(clock_left_ms(0), 0);
    assert_int_equal(clock_left_ms(CLOCK_NEVER - 1), INT_MAX);
    int left = clock_left_ms(clock_deadline(100000));
    assert_in_range(left, 1, 100000);
}

static void time_goes_forward(void **state)
{
    (void)state;
    int64_t before = clock_now_ms();
    for (int i = 0; i < 100000; i++) {
        int64_t now = clock_now_ms();
        assert_true(now >= before);
        before = now;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deadlines_saturate),
        cmocka_unit_test(time_goes_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
