/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <stdbool.h>
#include <string.h>

#include "common/hash.h"
#include "common/text.h"

static void decodes_only_valid_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        uint32_t codepoint;
    } table[] = {
        {"a", 1, 'a'},
        {"\xC3\xA5", 2, 0xE5},
        {"\xE2\x80\xAE", 3, 0x202E},
        {"\xF0\x9F\x98\x80", 4, 0x1F600},
        {"\xF4\x8F\xBF\xBF", 4, 0x10FFFF},
        {"\xC0\x80", 0, 0},         /* overlong */
        {"\xE0\x80\x80", 0, 0},     /* overlong */
        {"\xED\xA0\x80", 0, 0},     /* surrogate */
        {"\xF4\x90\x80\x80", 0, 0}, /* above U+10FFFF */
        {"\x80", 0, 0},
        {"\xC3", 0, 0},
        {"\xE2\x80", 0, 0},
        {"\xFF", 0, 0},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        uint32_t c = 12345;
        assert_int_equal(text_decode(table[i].bytes, strlen(table[i].bytes), &c), table[i].len);
        assert_int_equal(c, table[i].len ? table[i].codepoint : 12345);
    }
}

/* The eight-at-a-time search stops where a search one by one stops, wherever the special byte is.
 */
static void plain_text_ends_at_the_first_special_byte(void **state)
{
    (void)state;
    char text[24];
    for (size_t at = 0; at < sizeof(text); at++) {
        for (int c = 0; c < 256; c++) {
            bool plain = c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
            memset(text, '!', sizeof(text));
            text[at] = (char)c;
            assert_int_equal(text_plain_prefix(text, sizeof(text)), plain ? sizeof(text) : at);
            assert_int_equal(text_valid_prefix(text, sizeof(text)), c < 0x80 ? sizeof(text) : at);
        }
    }
    assert_int_equal(text_plain_prefix(text, 0), 0);
}

static void encodes_what_it_decodes(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= 0xFFFF; c++) {
        char bytes[4];
        uint32_t again;
        if (c >= 0xD800 && c <= 0xDFFF)
            continue;
        size_t n = text_encode(c, bytes);
        assert_int_equal(text_decode(bytes, n, &again), n);
        assert_int_equal(again, c);
    }
}

static void each_invalid_byte_becomes_one_replacement(void **state)
{
    (void)state;
    struct buf b;
    bool changed;
    buf_init(&b, 1000);
    /* as the recorded reply of the original server: %ff%fe%c3%28 */
    assert_int_equal(text_add_sanitized(&b, LITERAL("\xff\xfe\xc3("), true, &changed), 0);
    assert_buf(b, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD(");
    assert_true(changed);
    buf_clear(&b);
    assert_int_equal(text_add_sanitized(&b, LITERAL("a\0b"), true, &changed), 0);
    assert_buf(b, "a\xEF\xBF\xBD"
                  "b");
    buf_clear(&b);
    assert_int_equal(text_add_sanitized(&b, LITERAL("a\0\xC3\xA5"), false, &changed), 0);
    assert_buf(b, "a\0\xC3\xA5");
    assert_false(changed);
    buf_release(&b);
}

static void trims_unicode_space_at_both_ends(void **state)
{
    (void)state;
    struct span s = text_trim(LITERAL("\t\xC2\xA0\xE2\x80\x83 a b \xC2\x85\xE3\x80\x80\n"));
    assert_true(span_equal(s, span_of("a b")));
    assert_int_equal(text_trim(LITERAL(" \n\xE2\x80\xA8")).len, 0);
    assert_int_equal(text_trim(LITERAL("")).len, 0);
    assert_int_equal(text_trim(LITERAL("\xE2\x80\x8B")).len, 3); /* U+200B is no white space */
}

static void html_escapes_are_exactly_five_and_undone_once(void **state)
{
    (void)state;
    const struct span plain = LITERAL("<a href='x'>\"&amp;\"</a>");
    const struct span escaped = LITERAL("&lt;a href=&#39;x&#39;&gt;&#34;&amp;amp;&#34;&lt;/a&gt;");
    assert_true(text_is_html_escaped(escaped, plain));
    assert_int_equal(text_hash_html_escaped(7, plain), hash_add(7, escaped));
    assert_int_not_equal(text_hash_html_escaped(7, escaped), hash_add(7, escaped));
    assert_false(text_is_html_escaped(plain, plain));
    assert_false(text_is_html_escaped(escaped, (struct span){plain.data, plain.len - 1}));
    assert_false(text_is_html_escaped((struct span){escaped.data, escaped.len - 1}, plain));
    assert_false(text_is_html_escaped(LITERAL("&quot;"), LITERAL("\"")));
    assert_true(text_is_html_escaped(LITERAL(""), LITERAL("")));
    struct buf back;
    buf_init(&back, 1000);
    assert_int_equal(text_add_visible_html_unescaped(&back, escaped), 0);
    assert_buf(back, "<a href='x'>\"&amp;\"</a>");
    buf_clear(&back);
    assert_int_equal(
        text_add_visible_html_unescaped(&back, LITERAL("&quot; & &#x27; &lt &amp;lt;")), 0);
    assert_buf(back, "&quot; & &#x27; &lt &lt;");
    buf_release(&back);
}

static void json_strings_never_hold_unsafe_characters(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    assert_int_equal(text_add_json(&b, LITERAL("q\"b\\s/\n\t\r\b\f\x1b\0\x7f\xC2\x85")), 0);
    assert_buf(b, "\"q\\\"b\\\\s/\\n\\t\\r\\b\\f\\u001b\\u0000\\u007f\\u0085\"");
    buf_clear(&b);
    assert_int_equal(text_add_json(&b, LITERAL("\xE2\x80\xA8\xE2\x80\xAE\xE2\x81\xA9\xD8\x9C")), 0);
    assert_buf(b, "\"\\u2028\\u202e\\u2069\\u061c\"");
    buf_clear(&b);
    assert_int_equal(text_add_json(&b, LITERAL("\xC3\xA5\xE6\xBC\xA2\xF0\x9F\x98\x80")), 0);
    assert_buf(b, "\"\xC3\xA5\xE6\xBC\xA2\xF0\x9F\x98\x80\"");
    assert_int_equal(text_add_json(&b, LITERAL("\xFF")), -1);
    buf_release(&b);
}

static void visible_text_is_one_printable_line(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    assert_int_equal(text_add_visible(&b, LITERAL("a\nb\x1b[31m\xE2\x80\xAE\xFF\xC2\x9B")), 0);
    assert_buf(b, "a\\nb\\u001b[31m\\u202e\xEF\xBF\xBD\\u009b");
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_only_valid_utf8),
        cmocka_unit_test(plain_text_ends_at_the_first_special_byte),
        cmocka_unit_test(encodes_what_it_decodes),
        cmocka_unit_test(each_invalid_byte_becomes_one_replacement),
        cmocka_unit_test(trims_unicode_space_at_both_ends),
        cmocka_unit_test(html_escapes_are_exactly_five_and_undone_once),
        cmocka_unit_test(json_strings_never_hold_unsafe_characters),
        cmocka_unit_test(visible_text_is_one_printable_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
