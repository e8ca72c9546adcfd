/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "client/tally.h"

static void statuses_in_the_order_the_manual_promises(void **state)
{
    (void)state;
    struct tally t = {0};
    assert_int_equal(tally_status(&t), 0);
    t.idle = true;
    assert_int_equal(tally_status(&t), 6);
    tally_add(&t, ERROR_UNREACHABLE);
    assert_int_equal(tally_status(&t), 3);
    tally_add(&t, ERROR_REFUSED);
    assert_int_equal(tally_status(&t), 4);
    tally_add(&t, ERROR_UNKNOWN);
    assert_int_equal(tally_status(&t), 5);
    tally_add(&t, ERROR_RESET);
    assert_int_equal(tally_status(&t), 7);
    tally_add(&t, ERROR_LOCAL);
    assert_int_equal(tally_status(&t), 1);
    tally_add(&t, ERROR_USAGE);
    assert_int_equal(tally_status(&t), 2);
}

static void a_stop_marks_nothing_and_nonsense_counts_as_unreachable(void **state)
{
    (void)state;
    struct tally t = {0};
    tally_add(&t, ERROR_NONE);
    tally_add(&t, ERROR_STOPPED);
    assert_int_equal(tally_status(&t), 0);
    tally_add(&t, ERROR_BAD_DATA);
    assert_int_equal(tally_status(&t), 3);
}

static void two_threads_parts_add_up(void **state)
{
    (void)state;
    struct tally a = {.idle = true, .lines_refused = 1};
    struct tally b = {.unknown = true,
                      .lines_refused = 2,
                      .lines_unsent = 3,
                      .lines_unknown = 4,
                      .lines_waiting = 5,
                      .reset = true};
    tally_merge(&a, &b);
    assert_int_equal(tally_status(&a), 7);
    assert_int_equal(a.lines_waiting, 5);
    assert_int_equal(a.lines_refused, 3);
    assert_int_equal(a.lines_unsent, 3);
    assert_int_equal(a.lines_unknown, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses_in_the_order_the_manual_promises),
        cmocka_unit_test(a_stop_marks_nothing_and_nonsense_counts_as_unreachable),
        cmocka_unit_test(two_threads_parts_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
