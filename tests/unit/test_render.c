/* SPDX-License-Identifier: MIT */
#include "unit.h"

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
        cmocka_unit_test(what_does_not_fit_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
