/* SPDX-License-Identifier: MIT */
/*
 * Records of stdin; JSON is read in both ways.
 *
 * link: -Wl,--wrap=flat_read
 */
#include "unit.h"

#include <string.h>

#include "client/line.h"
#include "unit/both_ways.h"

static void a_plain_record_is_the_content(void **state)
{
    (void)state;
    struct line line;
    line_init(&line);
    assert_int_equal(line_parse_plain(&line, span_of("hello {"), NULL), ERROR_NONE);
    assert_true(span_equal(line.content, span_of("hello {")));
    assert_int_equal(line.channel.len, 0);
    assert_false(line.replaced);
    assert_int_equal(line_parse_plain(&line, LITERAL("a\0\xff"), NULL), ERROR_NONE);
    assert_true(span_equal(line.content, span_of("a\xEF\xBF\xBD\xEF\xBF\xBD")));
    assert_true(line.replaced);
    line_release(&line);
}

static void a_json_record_may_name_channel_and_sender(void **state)
{
    (void)state;
    struct line line;
    line_init(&line);
    /* chancat's own output */
    assert_int_equal(line_parse_json(&line,
                                     span_of("{\"id\":1,\"channel\":\"c\",\"sender\":\"s\","
                                             "\"content\":\"a\\u0000b\",\"time\":\"T\"}"),
                                     true, true, NULL),
                     ERROR_NONE);
    assert_true(span_equal(line.channel, span_of("c")));
    assert_true(span_equal(line.sender, span_of("s")));
    assert_true(span_equal(line.content, span_of("a\xEF\xBF\xBD"
                                                 "b")));
    assert_true(line.replaced);
    assert_int_equal(line_parse_json(&line,
                                     span_of("{\"channel\":\"\\u00e5\",\"sender\":\"\\n\","
                                             "\"content\":\"\\u0026\\\"\"}"),
                                     true, true, NULL),
                     ERROR_NONE);
    assert_true(span_equal(line.channel, span_of("\xC3\xA5")));
    assert_true(span_equal(line.sender, span_of("\n")));
    assert_true(span_equal(line.content, span_of("&\"")));
    assert_false(line.replaced);
    assert_int_equal(line_parse_json(&line, span_of("{\"content\":\"\"}"), true, true, NULL),
                     ERROR_NONE);
    assert_int_equal(line.content.len + line.channel.len + line.sender.len, 0);
    line_release(&line);
}

static void what_is_not_used_cannot_spoil_a_line(void **state)
{
    (void)state;
    struct line line;
    line_init(&line);
    assert_int_equal(line_parse_json(&line,
                                     span_of("{\"content\":\"x\",\"channel\":null,\"sender\":7,"
                                             "\"n\":123456789012345678901234567890}"),
                                     true, false, NULL),
                     ERROR_NONE);
    assert_true(span_equal(line.content, span_of("x")));
    assert_int_equal(line.channel.len + line.sender.len, 0);
    assert_int_equal(line_parse_json(&line, span_of("{\"content\":\"a\xff\"}"), true, true, NULL),
                     ERROR_NONE);
    assert_true(span_equal(line.content, span_of("a\xEF\xBF\xBD")));
    assert_true(line.replaced);
    line_release(&line);
}

static void what_cannot_be_sent_is_told(void **state)
{
    (void)state;
    static const char *const table[] = {
        "hello",
        "",
        "[]",
        "1",
        "{}",
        "{\"content\":1}",
        "{\"content\":null}",
        "{\"content\":\"x\",\"sender\":1}",
        "{\"content\":\"x\",\"channel\":[]}",
        "{\"content\":\"x\",\"content\":\"y\"}",
        "{\"content\":\"x\"} {}",
        "{\"content\":\"\\ud800\"}",
    };
    struct line line;
    line_init(&line);
    for (size_t i = 0; i < COUNT(table); i++) {
        struct error e = {0};
        assert_int_equal(line_parse_json(&line, span_of(table[i]), true, true, &e), ERROR_REFUSED);
        assert_true(e.text[0] != '\0');
    }
    line_release(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_record_is_the_content),
        TWICE(a_json_record_may_name_channel_and_sender),
        TWICE(what_is_not_used_cannot_spoil_a_line),
        TWICE(what_cannot_be_sent_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
