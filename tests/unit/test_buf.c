/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <string.h>

#include "common/buf.h"

static void appends_and_stays_terminated(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    assert_int_equal(buf_add(&b, "a\0b", 3), 0);
    assert_int_equal(buf_addf(&b, "%d-%s", 7, "x"), 0);
    assert_int_equal(buf_add_char(&b, '!'), 0);
    assert_buf(b, "a\0b7-x!");
    assert_int_equal(b.data[b.len], 0);
    buf_consume(&b, 3);
    assert_buf(b, "7-x!");
    buf_release(&b);
    assert_null(b.data);
}

static void a_full_buffer_changes_nothing(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4);
    assert_int_equal(buf_add_str(&b, "abc"), 0);
    assert_int_equal(buf_add_str(&b, "de"), -1);
    assert_int_equal(buf_addf(&b, "%s", "de"), -1);
    assert_buf(b, "abc");
    assert_int_equal(buf_add_char(&b, 'd'), 0);
    assert_int_equal(buf_add_char(&b, 'e'), -1);
    assert_int_equal(buf_reserve(&b, SIZE_MAX), -1);
    assert_buf(b, "abcd");
    assert_true(b.size <= 5);
    buf_release(&b);
}

static void shrinking_gives_memory_back(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100000);
    assert_int_equal(buf_reserve(&b, 50000), 0);
    buf_shrink(&b, 70000);
    assert_non_null(b.data);
    buf_shrink(&b, 100);
    assert_null(b.data);
    assert_int_equal(b.max_bytes, 100000);
    buf_release(&b);
    buf_release(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_and_stays_terminated),
        cmocka_unit_test(a_full_buffer_changes_nothing),
        cmocka_unit_test(shrinking_gives_memory_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
