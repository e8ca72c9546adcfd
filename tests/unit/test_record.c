/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <string.h>

#include "common/hash.h"
#include "common/record.h"

static void make(struct buf *b, const char *start, const char *rest)
{
    buf_clear(b);
    assert_int_equal(buf_add_str(b, start), 0);
    assert_int_equal(record_end(b, hash_add(hash_add(HASH_START, span_of(start)), span_of(rest))),
                     0);
    assert_int_equal(buf_add_str(b, rest), 0);
}

static void fields_come_back_with_what_follows(void **state)
{
    (void)state;
    struct buf b;
    struct span fields[3], rest;
    buf_init(&b, 1000);
    make(&b, "v1 a  c+ ", "more\nand more\n");
    assert_null(record_read((struct span){b.data, b.len}, "v1", fields, 3, &rest));
    assert_true(span_equal(fields[0], span_of("a")));
    assert_true(span_equal(fields[1], span_of("")));
    assert_true(span_equal(fields[2], span_of("c+")));
    assert_true(span_equal(rest, span_of("more\nand more\n")));
    assert_non_null(record_read((struct span){b.data, b.len}, "v2", fields, 3, &rest));
    assert_non_null(record_read((struct span){b.data, b.len}, "v", fields, 3, &rest));
    assert_non_null(record_read((struct span){b.data, b.len}, "v1", fields, 2, &rest));
    make(&b, "v1 a c ", "");
    assert_non_null(record_read((struct span){b.data, b.len}, "v1", fields, 3, &rest));
    assert_non_null(record_read((struct span){NULL, 0}, "v1", fields, 3, &rest));
    buf_release(&b);
}

static void every_flipped_bit_and_every_cut_is_found(void **state)
{
    (void)state;
    struct buf b;
    struct span fields[2], rest;
    buf_init(&b, 1000);
    make(&b, "v1 abc 12 ", "more");
    assert_null(record_read((struct span){b.data, b.len}, "v1", fields, 2, &rest));
    for (size_t i = 0; i < b.len; i++) {
        assert_non_null(record_read((struct span){b.data, i}, "v1", fields, 2, &rest));
        for (int bit = 0; bit < 8; bit++) {
            char before = b.data[i];
            b.data[i] = (char)(before ^ (1 << bit));
            assert_non_null(record_read((struct span){b.data, b.len}, "v1", fields, 2, &rest));
            b.data[i] = before;
        }
    }
    buf_release(&b);
}

static void numbers_have_one_form_only(void **state)
{
    (void)state;
    int64_t value = 0;
    uint64_t hex = 0;
    assert_true(record_decimal(span_of("0"), &value) && value == 0);
    assert_true(record_decimal(span_of("9223372036854775807"), &value) && value == INT64_MAX);
    static const char *const bad[] = {"", "00", "01", "-1", "+1", "1 ", "9223372036854775808"};
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(record_decimal(span_of(bad[i]), &value));
    assert_true(record_hex(span_of("fedcba9876543210"), &hex));
    assert_true(hex == UINT64_C(0xfedcba9876543210));
    assert_false(record_hex(span_of("FEDCBA9876543210"), &hex));
    assert_false(record_hex(span_of("edcba9876543210"), &hex));
    assert_false(record_hex(span_of("0fedcba9876543210"), &hex));
    assert_false(record_hex(LITERAL("\0edcba9876543210"), &hex));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_come_back_with_what_follows),
        cmocka_unit_test(every_flipped_bit_and_every_cut_is_found),
        cmocka_unit_test(numbers_have_one_form_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
