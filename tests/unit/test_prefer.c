/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "server/prefer.h"

static void one_preference_is_known(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        bool minimal;
    } table[] = {
        {NULL, false},
        {"", false},
        {"return=minimal", true},
        {" Return = minimal\t", true},
        {"return=\"minimal\"", true},
        {"respond-async, wait=10, return=minimal", true},
        {"wait=10;a=b , return=minimal; c=\"d\"", true},
        {"a=\"x, \\\"y\", return=minimal", true},
        {",, ,return=minimal", true},
        {"return=representation", false},
        {"return=representation, return=minimal", false}, /* the first counts */
        {"return=minimal, return=representation", true},
        {"return", false},
        {"return;a=minimal", false},
        {"return=", false},
        {"return=minimally", false},
        {"xreturn=minimal", false},
        {"return x=minimal", false},
        {"a=\"return=minimal\"", false},
        {"a=\"x, return=minimal", false}, /* the string never ends */
        {"a=\"\\", false},
        {"a;return=minimal", false},
    };
    for (size_t i = 0; i < COUNT(table); i++)
        assert_int_equal(prefer_minimal(table[i].header), table[i].minimal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_preference_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
