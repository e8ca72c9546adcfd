/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "server/latest.h"

static void only_the_same_question_has_the_answer(void **state)
{
    (void)state;
    struct latest l;
    struct buf b;
    const struct latest_question q = {span_of("c"), 3, 9, 100};
    const struct latest_question others[] = {
        {span_of("d"), 3, 9, 100}, {span_of("cc"), 3, 9, 100}, {span_of(""), 3, 9, 100},
        {span_of("c"), 2, 9, 100}, {span_of("c"), 3, 10, 100}, {span_of("c"), 3, 9, 99},
    };
    latest_init(&l);
    buf_init(&b, 1000);
    assert_false(latest_find(&l, &q, &b));
    latest_keep(&l, &q, span_of("[1]"));
    for (size_t i = 0; i < COUNT(others); i++)
        assert_false(latest_find(&l, &others[i], &b));
    assert_int_equal(b.len, 0);
    assert_true(latest_find(&l, &q, &b));
    assert_true(latest_find(&l, &q, &b));
    assert_buf(b, "[1][1]");
    latest_keep(&l, &others[0], span_of("[2]"));
    assert_false(latest_find(&l, &q, &b));
    buf_clear(&b);
    assert_true(latest_find(&l, &others[0], &b));
    assert_buf(b, "[2]");
    buf_release(&b);
    latest_destroy(&l);
}

static void what_is_too_long_is_not_kept(void **state)
{
    (void)state;
    struct latest l;
    struct buf b;
    char *text = malloc(LATEST_BYTES);
    const struct latest_question q = {span_of("c"), 0, 1, 1};
    assert_non_null(text);
    memset(text, 'x', LATEST_BYTES);
    latest_init(&l);
    buf_init(&b, LATEST_BYTES);
    latest_keep(&l, &q, (struct span){text, LATEST_BYTES - 1});
    assert_true(latest_find(&l, &q, &b));
    assert_int_equal(b.len, LATEST_BYTES - 1);
    assert_false(latest_find(&l, &q, &b)); /* no room */
    assert_int_equal(b.len, LATEST_BYTES - 1);
    latest_keep(&l, &q, (struct span){text, LATEST_BYTES});
    buf_clear(&b);
    assert_false(latest_find(&l, &q, &b)); /* nor is the one before */
    free(text);
    buf_release(&b);
    latest_destroy(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_same_question_has_the_answer),
        cmocka_unit_test(what_is_too_long_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
