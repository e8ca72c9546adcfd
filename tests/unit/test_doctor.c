/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "client/doctor.h"

static void numbers_are_known_as_a_database_knows_them(void **state)
{
    (void)state;
    static const char *const numbers[] = {"7",  "007",  "7.0",  "1e3", "-1",  "+5.",
                                          ".5", " 12 ", "1E+3", "0",   "1e-3"};
    static const char *const names[] = {"",    "ops", "7a",  "1e",  "e3",  ".",   "-",   "1.2.3",
                                        "0x1", "1 2", "--1", "inf", "nan", "1e+", "1e3x"};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        assert_true(doctor_is_number(span_of(numbers[i])));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_false(doctor_is_number(span_of(names[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_known_as_a_database_knows_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
