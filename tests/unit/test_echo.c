/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <stdbool.h>
#include <stdio.h>

#include "client/echo.h"

static enum echo_answer ask(struct echo *echo, int64_t id, const char *sender, const char *content)
{
    struct message m = {.id = id, .sender = span_of(sender), .content = span_of(content)};
    return echo_ask(echo, &m);
}

static void own_messages_are_known_by_id(void **state)
{
    (void)state;
    struct echo echo;
    echo_init(&echo);
    for (int64_t id = 10; id <= 14; id += 2) {
        echo_begin(&echo, span_of("me"), span_of("x"), 0);
        echo_end(&echo, id);
    }
    assert_int_equal(ask(&echo, 9, "me", "x"), ECHO_OTHER);
    assert_int_equal(ask(&echo, 10, "me", "x"), ECHO_OWN);
    assert_int_equal(ask(&echo, 11, "me", "x"), ECHO_OTHER);
    assert_int_equal(ask(&echo, 12, "me", "x"), ECHO_OWN);
    assert_int_equal(ask(&echo, 14, "me", "x"), ECHO_OWN);
    assert_int_equal(ask(&echo, 15, "me", "x"), ECHO_OTHER);
    echo_release(&echo);
}

static void a_message_like_the_one_in_flight_must_wait(void **state)
{
    (void)state;
    struct echo echo;
    echo_init(&echo);
    echo_begin(&echo, span_of("me"), span_of("a<b"), 0);
    assert_int_equal(ask(&echo, 3, "you", "a&lt;b"), ECHO_OTHER);
    assert_int_equal(ask(&echo, 4, "me", "a&lt;b"), ECHO_WAIT);
    echo_end(&echo, 4);
    assert_int_equal(ask(&echo, 4, "me", "a&lt;b"), ECHO_OWN);
    echo_begin(&echo, span_of("me"), span_of("a<b"), 0);
    echo_end(&echo, 0); /* not stored */
    assert_int_equal(ask(&echo, 5, "me", "a&lt;b"), ECHO_OTHER);
    echo_release(&echo);
}

static void neighbouring_ids_take_one_range_and_old_ones_go(void **state)
{
    (void)state;
    struct echo echo;
    echo_init(&echo);
    for (int64_t id = 1; id <= 100000; id++)
        echo_end(&echo, id);
    assert_int_equal(echo.ranges.len, sizeof(struct echo_range));
    assert_int_equal(ask(&echo, 100001, "me", "x"), ECHO_OTHER);
    assert_int_equal(echo.ranges.len, 0);
    echo_release(&echo);
}

static void a_full_memory_forgets_the_oldest(void **state)
{
    (void)state;
    struct echo echo;
    echo_init(&echo);
    echo.ranges.max_bytes = 3 * sizeof(struct echo_range);
    for (int64_t id = 2; id <= 8; id += 2)
        echo_end(&echo, id);
    assert_int_equal(ask(&echo, 2, "me", "x"), ECHO_OTHER);
    assert_int_equal(ask(&echo, 4, "me", "x"), ECHO_OWN);
    assert_int_equal(ask(&echo, 8, "me", "x"), ECHO_OWN);
    echo_release(&echo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_messages_are_known_by_id),
        cmocka_unit_test(a_message_like_the_one_in_flight_must_wait),
        cmocka_unit_test(neighbouring_ids_take_one_range_and_old_ones_go),
        cmocka_unit_test(a_full_memory_forgets_the_oldest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
