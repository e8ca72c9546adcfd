/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <stdbool.h>
#include <string.h>

#include "common/message.h"

static void becomes_one_json_line(void **state)
{
    (void)state;
    static const struct {
        const char *element, *line;
    } table[] = {
        {"{\"id\":1,\"channel\":\"t\",\"sender\":\"O\",\"content\":\"hi\","
         "\"time\":\"2024-03-01T00:30:00.25+02:00\"}",
         "{\"id\":1,\"channel\":\"t\",\"sender\":\"O\",\"content\":\"hi\","
         "\"time\":\"2024-02-29T22:30:00Z\"}\n"},
        /* escapes undone once, in three fields only */
        {"{\"id\":2,\"sender\":\"o\\u0026#39;n\",\"content\":\"\\u0026amp;lt; \\u0026lt;\","
         "\"x\":\"\\u0026amp;\"}",
         "{\"id\":2,\"sender\":\"o'n\",\"content\":\"&lt; <\",\"x\":\"&amp;\"}\n"},
        /* unknown fields are kept, numbers as short as they came */
        {"{\"z\":[0.1,-0.0,1e300,true,false,null,{\"k\":9007199254740993}],\"id\":3,"
         "\"sender\":\"\",\"content\":\"\",\"time\":\"TIME\"}",
         "{\"z\":[0.1,-0.0,1e300,true,false,null,{\"k\":9007199254740993}],\"id\":3,"
         "\"sender\":\"\",\"content\":\"\",\"time\":\"TIME\"}\n"},
        /* never raw: NUL, ESC, DEL, C1, line separator, bidi */
        {"{\"id\":4,\"sender\":\"s\",\"content\":\"\\u0000\\u001b\\u007f\\u0085\\u2028\\u202e\"}",
         "{\"id\":4,\"sender\":\"s\",\"content\":"
         "\"\\u0000\\u001b\\u007f\\u0085\\u2028\\u202e\"}\n"},
    };
    struct buf b;
    buf_init(&b, 10000);
    for (size_t i = 0; i < COUNT(table); i++) {
        struct message m;
        struct error e;
        assert_int_equal(message_parse(&m, span_of(table[i].element), &e), ERROR_NONE);
        buf_clear(&b);
        assert_int_equal(message_add_json(&m, &b), 0);
        assert_string_equal(b.data, table[i].line);
        message_release(&m);
    }
    buf_release(&b);
}

static void what_is_no_message_is_refused(void **state)
{
    (void)state;
    static const char *const table[] = {
        "",
        "1",
        "\"x\"",
        "[]",
        "{}",
        "{\"id\":0,\"sender\":\"\",\"content\":\"\"}",
        "{\"id\":-1,\"sender\":\"\",\"content\":\"\"}",
        "{\"id\":1.0,\"sender\":\"\",\"content\":\"\"}",
        "{\"id\":9223372036854775808,\"sender\":\"\",\"content\":\"\"}",
        "{\"id\":\"1\",\"sender\":\"\",\"content\":\"\"}",
        "{\"id\":1,\"sender\":null,\"content\":\"\"}",
        "{\"id\":1,\"sender\":\"\"}",
        "{\"id\":1,\"id\":1,\"sender\":\"\",\"content\":\"\"}",
        "{\"id\":1,\"sender\":\"\",\"content\":\"\\ud800\"}",
        "{\"id\":1,\"sender\":\"\",\"content\":\"\xff\"}",
        "{\"id\":1,\"sender\":\"\",\"content\":\"\n\"}",
        "{\"id\":1,\"sender\":\"\",\"content\":\"\"} {}",
        "{\"id\":1,\"sender\":\"\",\"content\":\"",
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct message m;
        struct error e = {0};
        assert_int_equal(message_parse(&m, span_of(table[i]), &e), ERROR_BAD_DATA);
        assert_null(m.fields);
        assert_true(e.text[0] != '\0');
        message_release(&m);
    }
}

static void a_text_line_cannot_be_forged(void **state)
{
    (void)state;
    struct message m;
    struct buf b;
    buf_init(&b, 1000);
    assert_int_equal(message_parse(&m,
                                   span_of("{\"id\":1,\"sender\":\"a\\u0026lt;\","
                                           "\"content\":\"x\\nroot: \\u001b[2J\"}"),
                                   NULL),
                     ERROR_NONE);
    assert_int_equal(message_add_text(&m, &b), 0);
    assert_buf(b, "a<: x\\nroot: \\u001b[2J\n");
    message_release(&m);
    buf_release(&b);
}

static void a_line_that_does_not_fit_leaves_nothing(void **state)
{
    (void)state;
    struct message m;
    struct buf b;
    buf_init(&b, 20);
    assert_int_equal(buf_add_str(&b, "x"), 0);
    assert_int_equal(
        message_parse(&m, span_of("{\"id\":1,\"sender\":\"a\",\"content\":\"0123456789\"}"), NULL),
        ERROR_NONE);
    assert_int_equal(message_add_json(&m, &b), -1);
    assert_int_equal(b.len, 1);
    message_release(&m);
    buf_release(&b);
}

static void knows_our_own_in_canonical_form(void **state)
{
    (void)state;
    struct message m;
    assert_int_equal(message_parse(&m,
                                   span_of("{\"id\":1,\"sender\":\"o\\u0026#39;n\","
                                           "\"content\":\"a \\u0026lt; \\\"\"}"),
                                   NULL),
                     ERROR_NONE);
    assert_false(message_is_ours(&m, span_of("o'n"), span_of("a < \"")));
    message_release(&m);
    assert_int_equal(message_parse(&m,
                                   span_of("{\"id\":1,\"sender\":\"o\\u0026#39;n\","
                                           "\"content\":\"a \\u0026lt; \\u0026#34;\"}"),
                                   NULL),
                     ERROR_NONE);
    assert_true(message_is_ours(&m, span_of("o'n"), span_of("a < \"")));
    assert_true(message_is_ours(&m, span_of(" o'n\t"),
                                span_of("\xC2\xA0"
                                        "a < \"\n")));
    assert_false(message_is_ours(&m, span_of("o'N"), span_of("a < \"")));
    assert_false(message_is_ours(&m, span_of("o'n"), span_of("a < ")));
    message_release(&m);
}

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
        char utc[32] = "";
        assert_int_equal(message_time_utc(span_of(table[i].time), utc), table[i].utc ? 0 : -1);
        if (table[i].utc)
            assert_string_equal(utc, table[i].utc);
    }
}

static void guesses_ids_only_from_the_usual_start(void **state)
{
    (void)state;
    assert_int_equal(message_guess_id(span_of("{\"id\":12,\"content\":\"\\ud800\"}")), 12);
    assert_int_equal(message_guess_id(span_of("{\"id\":12")), 0);
    assert_int_equal(message_guess_id(span_of("{\"id\":1.5,")), 0);
    assert_int_equal(message_guess_id(span_of("{\"id\":,")), 0);
    assert_int_equal(message_guess_id(span_of("{\"a\":1,\"id\":2}")), 0);
    assert_int_equal(message_guess_id(span_of("{\"id\":99999999999999999999,")), 0);
    assert_int_equal(message_guess_id(span_of("")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(becomes_one_json_line),
        cmocka_unit_test(what_is_no_message_is_refused),
        cmocka_unit_test(a_text_line_cannot_be_forged),
        cmocka_unit_test(a_line_that_does_not_fit_leaves_nothing),
        cmocka_unit_test(knows_our_own_in_canonical_form),
        cmocka_unit_test(times_become_utc_with_whole_seconds),
        cmocka_unit_test(guesses_ids_only_from_the_usual_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
