/* SPDX-License-Identifier: MIT */
/*
 * The client's batch: what fits, and what it becomes.
 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "client/batch.h"

static struct batch_line line(int64_t number, const char *content)
{
    return (struct batch_line){number, span_of("c \"x\""), span_of("me"), span_of(content)};
}

static void each_line_becomes_an_object_and_comes_back(void **state)
{
    (void)state;
    struct batch b;
    struct batch_line first = line(3, "a\nb"), second = line(5, "\xC3\xA4");
    batch_init(&b);
    assert_true(batch_add(&b, &first) && batch_add(&b, &second));
    assert_buf(b.body,
               "{\"channel\":\"c \\\"x\\\"\",\"sender\":\"me\",\"content\":\"a\\nb\"}\n"
               "{\"channel\":\"c \\\"x\\\"\",\"sender\":\"me\",\"content\":\"\xC3\xA4\"}\n");
    assert_int_equal(batch_count(&b), 2);
    struct batch_line back = batch_at(&b, 1);
    assert_int_equal(back.number, 5);
    assert_true(span_equal(back.channel, second.channel));
    assert_true(span_equal(back.sender, second.sender));
    assert_true(span_equal(back.content, second.content));
    batch_clear(&b);
    assert_int_equal(batch_count(&b), 0);
    batch_release(&b);
}

static void no_more_lines_than_the_limit(void **state)
{
    (void)state;
    struct batch b;
    struct batch_line l = line(1, "x");
    batch_init(&b);
    for (size_t i = 0; i < BATCH_LINES_MAX; i++)
        assert_true(batch_add(&b, &l));
    size_t len = b.body.len;
    assert_false(batch_add(&b, &l));
    assert_int_equal(batch_count(&b), BATCH_LINES_MAX);
    assert_int_equal(b.body.len, len); /* no half line */
    batch_release(&b);
}

static void no_more_bytes_than_the_limit(void **state)
{
    (void)state;
    struct batch b;
    char *large = malloc(BATCH_BYTES_MAX);
    assert_non_null(large);
    memset(large, 'x', BATCH_BYTES_MAX - 1);
    large[BATCH_BYTES_MAX - 1] = '\0';
    struct batch_line much = line(1, large), little = line(2, "x");
    batch_init(&b);
    assert_false(batch_add(&b, &much)); /* alone, it is too much already */
    assert_int_equal(b.body.len, 0);
    large[BATCH_BYTES_MAX - 200] = '\0';
    much = line(1, large);
    assert_true(batch_add(&b, &much));
    size_t len = b.body.len;
    bool fits = true;
    for (int i = 0; fits && i < 10; i++) {
        len = b.body.len;
        fits = batch_add(&b, &little);
    }
    assert_false(fits);
    assert_int_equal(b.body.len, len);
    assert_true(b.body.len <= BATCH_BYTES_MAX);
    batch_release(&b);
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_line_becomes_an_object_and_comes_back),
        cmocka_unit_test(no_more_lines_than_the_limit),
        cmocka_unit_test(no_more_bytes_than_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
