/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <string.h>

#include "common/number.h"

#define UNTOUCHED 4711

static void whole_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int result;
        int64_t value;
    } table[] = {
        {"0", 0, 0},
        {"-5", 0, -5},
        {"+5", 0, 5},
        {"9223372036854775807", 0, INT64_MAX},
        {"-9223372036854775808", 0, INT64_MIN},
        {"9223372036854775808", -1, UNTOUCHED},
        {"-9223372036854775809", -1, UNTOUCHED},
        {"", -1, UNTOUCHED},
        {"-", -1, UNTOUCHED},
        {" 1", -1, UNTOUCHED},
        {"1.5", -1, UNTOUCHED},
        {"1x", -1, UNTOUCHED},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        int64_t n = UNTOUCHED;
        assert_int_equal(number_parse(table[i].text, strlen(table[i].text), &n), table[i].result);
        assert_int_equal(n, table[i].value);
    }
}

static void seconds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int result;
        int64_t value;
    } table[] = {
        {"2", 0, 2000},         {"0.5", 0, 500},       {".25", 0, 250},
        {"1.", 0, 1000},        {"0.0019", 0, 1},      {"12.3456789", 0, 12345},
        {"", -1, UNTOUCHED},    {".", -1, UNTOUCHED},  {"-1", -1, UNTOUCHED},
        {"1e3", -1, UNTOUCHED}, {"1s", -1, UNTOUCHED}, {"9223372036854775807", -1, UNTOUCHED},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        int64_t ms = UNTOUCHED;
        assert_int_equal(number_parse_seconds(table[i].text, &ms), table[i].result);
        assert_int_equal(ms, table[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers),
        cmocka_unit_test(seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
