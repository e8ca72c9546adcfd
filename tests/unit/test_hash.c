/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "common/hash.h"

/* The published values of FNV-1a: files written today must be readable by any later version. */
static void is_fnv_1a(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t hash;
    } table[] = {
        {"", UINT64_C(0xcbf29ce484222325)},
        {"a", UINT64_C(0xaf63dc4c8601ec8c)},
        {"foobar", UINT64_C(0x85944171f73967e8)},
    };
    for (size_t i = 0; i < COUNT(table); i++)
        assert_true(hash_add(HASH_START, span_of(table[i].text)) == table[i].hash);
    uint64_t parts = hash_add(hash_add(HASH_START, span_of("foo")), span_of("bar"));
    assert_true(parts == table[2].hash);
    assert_true(hash_add(5, (struct span){NULL, 0}) == 5);
    /* Bytes above 127 count as themselves, whatever char is. */
    assert_true(hash_add(HASH_START, LITERAL("\xFF")) ==
                (HASH_START ^ 0xFF) * UINT64_C(0x100000001b3));
}

static void fields_are_told_apart(void **state)
{
    (void)state;
    uint64_t one = hash_add_field(hash_add_field(HASH_START, span_of("ab")), span_of("c"));
    uint64_t two = hash_add_field(hash_add_field(HASH_START, span_of("a")), span_of("bc"));
    assert_true(one != two);
    assert_true(hash_add_field(HASH_START, LITERAL("")) != HASH_START);
    /* The length goes first, eight bytes, the lowest one first. */
    assert_true(hash_add_field(HASH_START, LITERAL("ab")) ==
                hash_add(HASH_START, LITERAL("\2\0\0\0\0\0\0\0ab")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_fnv_1a),
        cmocka_unit_test(fields_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
