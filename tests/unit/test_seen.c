/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "client/seen.h"

static void the_newest_name_is_the_first(void **state)
{
    (void)state;
    struct seen s = {0};
    seen_add(&s, span_of("a"));
    seen_add(&s, span_of("b"));
    seen_add(&s, span_of("c"));
    seen_add(&s, span_of("a"));
    seen_add(&s, span_of("a"));
    assert_int_equal(s.count, 3);
    assert_string_equal(s.names[0], "a");
    assert_string_equal(s.names[1], "c");
    assert_string_equal(s.names[2], "b");
}

static void the_oldest_is_forgotten(void **state)
{
    (void)state;
    struct seen s = {0};
    char name[16];
    for (int i = 0; i < SEEN_MAX + 5; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        seen_add(&s, span_of(name));
    }
    assert_int_equal(s.count, SEEN_MAX);
    assert_string_equal(s.names[0], name);
    assert_string_equal(s.names[SEEN_MAX - 1], "n5");
    seen_add(&s, span_of("n5"));
    assert_string_equal(s.names[0], "n5");
    assert_string_equal(s.names[SEEN_MAX - 1], "n6");
}

static void what_cannot_be_a_name_is_passed_over(void **state)
{
    (void)state;
    struct seen s = {0};
    char name[SEEN_NAME_MAX + 2];
    memset(name, 'x', sizeof(name));
    seen_add(&s, LITERAL(""));
    seen_add(&s, LITERAL("a\0b"));
    seen_add(&s, (struct span){name, SEEN_NAME_MAX + 1});
    assert_int_equal(s.count, 0);
    seen_add(&s, (struct span){name, SEEN_NAME_MAX});
    assert_int_equal(s.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_name_is_the_first),
        cmocka_unit_test(the_oldest_is_forgotten),
        cmocka_unit_test(what_cannot_be_a_name_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
