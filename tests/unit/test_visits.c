/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "client/visits.h"

static struct visit *find(struct visits *v, unsigned number, const struct visit *keep)
{
    char name[16];
    int n = snprintf(name, sizeof(name), "c%u", number);
    struct visit *one = visits_find(v, (struct span){name, (size_t)n}, keep);
    assert_int_equal(one->name.len, n);
    assert_string_equal(one->name.data, name);
    return one;
}

static void a_channel_is_found_again(void **state)
{
    (void)state;
    struct visits v = {0};
    find(&v, 1, NULL)->place.printed = 7;
    find(&v, 2, NULL)->place.printed = 8;
    assert_int_equal(find(&v, 1, NULL)->place.printed, 7);
    assert_int_equal(find(&v, 2, NULL)->place.printed, 8);
    assert_int_equal(v.count, 2);
    visits_release(&v);
}

static void the_one_shown_longest_ago_is_forgotten(void **state)
{
    (void)state;
    struct visits v = {0};
    for (unsigned i = 0; i < VISITS_MAX; i++)
        find(&v, i, NULL)->place.known = true;
    assert_true(find(&v, 0, NULL)->place.known); /* once more: now 1 is the oldest */
    assert_false(find(&v, 1000, NULL)->place.known);
    assert_true(find(&v, 0, NULL)->place.known);
    assert_true(find(&v, 2, NULL)->place.known);
    assert_false(find(&v, 1, NULL)->place.known);
    visits_release(&v);
}

static void the_one_of_the_cursor_file_and_the_one_to_go_back_to_stay(void **state)
{
    (void)state;
    struct visits v = {0};
    struct visit *cursor = find(&v, 0, NULL), *back = find(&v, 1, NULL);
    cursor->has_cursor = true;
    for (unsigned i = 2; i < 5 * VISITS_MAX; i++) {
        struct visit *one = find(&v, i, back);
        assert_ptr_not_equal(one, back);
        assert_ptr_not_equal(one, cursor);
        assert_false(one->has_cursor);
    }
    assert_ptr_equal(find(&v, 0, back), cursor);
    assert_ptr_equal(find(&v, 1, back), back);
    visits_release(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_channel_is_found_again),
        cmocka_unit_test(the_one_shown_longest_ago_is_forgotten),
        cmocka_unit_test(the_one_of_the_cursor_file_and_the_one_to_go_back_to_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
