/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "server/render.h"

static void a_message_is_escaped_as_the_original_does(void **state)
{
    (void)state;
    struct buf b;
    struct store_message m = {
        .id = 7,
        .time_s = 1704067200,
        .channel = span_of("<b>&"),
        .sender = span_of("o'neil"),
        .content = LITERAL("\"q\" back\\slash\n\r\t\x1b\0 \xE6\xBC\xA2"),
    };
    buf_init(&b, 1000);
    assert_int_equal(render_message(&b, &m), 0);
    assert_buf(b, "{\"id\":7,\"channel\":\"&lt;b&gt;&amp;\",\"sender\":\"o&#39;neil\","
                  "\"content\":\"&#34;q&#34; back\\\\slash\\n\\r\\t\\u001b\\u0000 \xE6\xBC\xA2\","
                  "\"time\":\"2024-01-01T00:00:00Z\"}");
    buf_release(&b);
}

static void every_number_and_moment_has_its_text(void **state)
{
    (void)state;
    static const struct {
        int64_t id, time_s;
        const char *id_text, *time;
    } table[] = {
        {0, 0, "0", "1970-01-01T00:00:00Z"},
        {9, -1, "9", "1969-12-31T23:59:59Z"},
        {10, 1709208000, "10", "2024-02-29T12:00:00Z"},
        {INT64_MAX, 1709208000, "9223372036854775807", "2024-02-29T12:00:00Z"},
        {INT64_MIN, 4107542399, "-9223372036854775808", "2100-02-28T23:59:59Z"},
    };
    struct buf b, expected;
    buf_init(&b, 1000);
    buf_init(&expected, 1000);
    for (size_t i = 0; i < COUNT(table); i++) {
        struct store_message m = {.id = table[i].id,
                                  .time_s = table[i].time_s,
                                  .channel = span_of("c"),
                                  .sender = span_of("s"),
                                  .content = span_of("x")};
        buf_clear(&b);
        buf_clear(&expected);
        assert_int_equal(render_message(&b, &m), 0);
        buf_addf(&expected,
                 "{\"id\":%s,\"channel\":\"c\",\"sender\":\"s\",\"content\":\"x\","
                 "\"time\":\"%s\"}",
                 table[i].id_text, table[i].time);
        assert_string_equal(b.data, expected.data);
    }
    struct store_message never = {.time_s = INT64_MAX};
    assert_int_equal(render_message(&b, &never), -1);
    buf_release(&b);
    buf_release(&expected);
}

/* All bytes, in texts of every length around where room is made anew. */
static void every_byte_is_itself_or_escaped(void **state)
{
    (void)state;
    struct buf b, text;
    buf_init(&b, 100000);
    buf_init(&text, 10000);
    for (int c = 0; c < 128; c++) {
        char expected[8];
        bool html = c && strchr("&<>\"'", c);
        if (html)
            snprintf(expected, sizeof(expected), "%s",
                     c == '&'   ? "&amp;"
                     : c == '<' ? "&lt;"
                     : c == '>' ? "&gt;"
                     : c == '"' ? "&#34;"
                                : "&#39;");
        else if (c == '\\' || c == '\n' || c == '\r' || c == '\t')
            snprintf(expected, sizeof(expected), "\\%c",
                     c == '\n'   ? 'n'
                     : c == '\r' ? 'r'
                     : c == '\t' ? 't'
                                 : '\\');
        else
            snprintf(expected, sizeof(expected), c < 0x20 ? "\\u%04x" : "%c", (unsigned)c);
        buf_clear(&b);
        buf_clear(&text);
        for (int i = 0; i < 4095; i++)
            buf_add_char(&text, 'x');
        buf_add_char(&text, (char)c);
        buf_add_char(&text, (char)c);
        struct store_message m = {.id = 1, .content = {text.data, text.len}};
        assert_int_equal(render_message(&b, &m), 0);
        char *at = strstr(b.data, "xxx");
        assert_non_null(at);
        at += 4095;
        for (int i = 0; i < 2; i++, at += strlen(expected))
            assert_memory_equal(at, expected, strlen(expected));
        assert_memory_equal(at, "\",\"time\"", 8);
    }
    buf_release(&b);
    buf_release(&text);
}

static void what_does_not_fit_leaves_nothing(void **state)
{
    (void)state;
    struct buf b;
    struct store_message m = {.id = 1,
                              .channel = span_of("c"),
                              .sender = span_of("s"),
                              .content = span_of("0123456789012345678901234567890123456789")};
    buf_init(&b, 60);
    assert_int_equal(buf_add_char(&b, '['), 0);
    assert_int_equal(render_message(&b, &m), -1);
    assert_int_equal(b.len, 1);
    buf_clear(&b);
    assert_int_equal(render_error(&b, "a \"b\""), 0);
    assert_buf(b, "{\"error\":\"a \\\"b\\\"\"}");
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_escaped_as_the_original_does),
        cmocka_unit_test(every_number_and_moment_has_its_text),
        cmocka_unit_test(every_byte_is_itself_or_escaped),
        cmocka_unit_test(what_does_not_fit_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
