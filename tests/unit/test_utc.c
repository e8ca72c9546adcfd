/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "common/utc.h"

static void times_become_utc_with_whole_seconds(void **state)
{
    (void)state;
    static const struct {
        const char *time, *utc;
    } table[] = {
        {"2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"},
        {"2024-01-01T00:00:00+01:00", "2023-12-31T23:00:00Z"},
        {"2023-12-31T20:30:59.999999-03:30", "2024-01-01T00:00:59Z"},
        {"1970-01-01T00:00:00z", "1970-01-01T00:00:00Z"},
        {"0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"},
        {"2024-02-30T00:00:00Z", "2024-03-01T00:00:00Z"},
        {"2024-12-31T23:59:60Z", "2025-01-01T00:00:00Z"},
        {"2024-02-29T12:34:56.Z", "2024-02-29T12:34:56Z"},
        {"2024-03-15 12:34:56Z", "2024-03-15T12:34:56Z"},
        {"9999-12-31T23:59:59-00:01", NULL},
        {"2024-01-01T00:00:00.5", NULL},
        {"2024-01-01T00:00:005Z", NULL},
        {"2024-01-01T00:00:00Zz", NULL},
        {"0000-01-01T00:00:00Z", NULL},
        {"2024-01-00T00:00:00Z", NULL},
        {"2024-01-32T00:00:00Z", NULL},
        {"2024-01-01T24:00:00Z", NULL},
        {"2024-01-01T00:60:00Z", NULL},
        {"2024-01-01T00:00:61Z", NULL},
        {"2024-01-01T00-00:00Z", NULL},
        {"+024-01-01T00:00:00Z", NULL},
        {"2024-01-01T00:00:00+1:00", NULL},
        {"0001-01-01T00:00:00+01:00", NULL},
        {"2024-01-01T00:00:00+24:00", NULL},
        {"2024-01-01T00:00:00+01:60", NULL},
        {"TIME", NULL},
        {"2024-13-01T00:00:00Z", NULL},
        {"2024-01-01T00:00:00", NULL},
        {"2024-01-01T00:00:00+0100", NULL},
        {"2024-01-01 00:00", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        char utc[UTC_LEN + 1] = "";
        assert_int_equal(utc_from_rfc3339(span_of(table[i].time), utc), table[i].utc ? 0 : -1);
        if (table[i].utc)
            assert_string_equal(utc, table[i].utc);
    }
}

static void a_time_is_a_moment(void **state)
{
    (void)state;
    int64_t s;
    assert_int_equal(utc_seconds(span_of("1970-01-01T00:00:00Z"), &s), 0);
    assert_int_equal(s, 0);
    assert_int_equal(utc_seconds(span_of("2024-03-01T00:30:00.25+02:00"), &s), 0);
    assert_int_equal(s, 1709245800);
    assert_int_equal(utc_seconds(span_of("TIME"), &s), -1);
}

/* What is called canonical is what comes out, so that it needs not be made. */
static void the_canonical_form_is_left_alone(void **state)
{
    (void)state;
    static const struct {
        const char *time;
        bool canonical;
    } table[] = {
        {"2024-02-28T23:59:59Z", true},   {"0001-01-01T00:00:00Z", true},
        {"2024-02-30T23:59:59Z", false},  {"2024-02-28T23:59:60Z", false},
        {"2024-02-28 23:59:59Z", false},  {"2024-02-28T23:59:59z", false},
        {"2024-02-28T23:59:59.Z", false}, {"2024-02-28T23:59:59", false},
        {"2024-02-28T23:59:5xZ", false},  {"2024-13-28T23:59:59Z", false},
        {"0000-01-01T00:00:00Z", false},  {"", false},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        char utc[UTC_LEN + 1] = "";
        assert_int_equal(utc_is_canonical(span_of(table[i].time)), table[i].canonical);
        if (table[i].canonical) {
            assert_int_equal(utc_from_rfc3339(span_of(table[i].time), utc), 0);
            assert_string_equal(utc, table[i].time);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_become_utc_with_whole_seconds),
        cmocka_unit_test(a_time_is_a_moment),
        cmocka_unit_test(the_canonical_form_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
