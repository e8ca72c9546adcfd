/* SPDX-License-Identifier: MIT */
/*
 * Widths need a UTF-8 locale.
 */
#include "unit.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "client/layout.h"

static void expect(unsigned columns, unsigned indent, const char *text, const char *rows)
{
    struct layout l = {.columns = columns, .indent = indent};
    struct buf b;
    buf_init(&b, 100000);
    assert_int_equal(layout_add(&l, &b, span_of(text)), 0);
    assert_int_equal(b.len, strlen(rows));
    assert_string_equal(b.len ? b.data : "", rows);
    buf_release(&b);
}

static void rows_are_broken_behind_a_space(void **state)
{
    (void)state;
    expect(10, 2, "", "");
    expect(10, 2, "one two", "one two");
    expect(10, 2, "0123456789", "0123456789");
    expect(10, 2, "one two three", "one two \n  three");
    expect(10, 2, "0123456789 next", "0123456789\n  next");
    expect(10, 0, "one two thr four fives", "one two \nthr four \nfives");
}

static void a_word_that_leaves_a_row_mostly_empty_is_broken(void **state)
{
    (void)state;
    expect(10, 2, "a 0123456789", "a 01234567\n  89");
    expect(10, 2, "0123456789abcdefgh", "0123456789\n  abcdefgh");
    expect(10, 2, "0123456789abcdefghi", "0123456789\n  abcdefgh\n  i");
}

static void without_a_width_nothing_is_broken(void **state)
{
    (void)state;
    expect(0, 0, "one two three four five six", "one two three four five six");
}

static void wide_characters_are_not_cut_in_half(void **state)
{
    (void)state;
    expect(5, 1, "日本語", "日本\n 語");
    expect(4, 0, "😀😀😀", "😀😀\n😀");
    expect(5, 0, "a❤️bc", "a❤️bc");
    expect(4, 0, "a❤️bc", "a❤️b\nc");
}

static void a_heap_of_accents_is_cut(void **state)
{
    (void)state;
    struct layout l = {.columns = 10};
    struct buf b;
    buf_init(&b, 100000);
    assert_int_equal(layout_add(&l, &b, span_of("e")), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(layout_add(&l, &b, span_of("\xCC\x81")), 0);
    assert_int_equal(b.len, 1 + 2 * LAYOUT_MARKS_MAX);
    assert_int_equal(l.at, 1);
    assert_int_equal(layout_add(&l, &b, span_of("e\xCC\x81")), 0); /* the next has its own */
    assert_int_equal(b.len, 4 + 2 * LAYOUT_MARKS_MAX);
    buf_release(&b);
}

static void what_was_not_made_visible_is_not_printed(void **state)
{
    (void)state;
    expect(10, 0, "a\033[2J", "a?[2J");
    expect(10, 0, "a\nb\r\tc\x7F", "a?b??c?");
    expect(10, 0, "\xC2\x9B\xE2\x80\xAE\xFFz", "???z");
}

static void texts_of_one_line_follow_each_other(void **state)
{
    (void)state;
    struct layout l = {.columns = 12, .indent = 6};
    struct buf b;
    buf_init(&b, 100);
    assert_int_equal(buf_add_str(&b, "before\n"), 0);
    assert_int_equal(layout_add(&l, &b, span_of("14:05 ")), 0);
    assert_int_equal(layout_add(&l, &b, span_of("anna: ")), 0);
    assert_int_equal(layout_add(&l, &b, span_of("hello")), 0);
    assert_string_equal(b.data, "before\n14:05 anna: \n      hello");
    buf_release(&b);
}

static void a_full_buffer_is_told(void **state)
{
    (void)state;
    struct layout l = {.columns = 4};
    struct buf b;
    buf_init(&b, 5);
    assert_int_equal(layout_add(&l, &b, span_of("abcdefgh")), -1);
    buf_release(&b);
}

static void widths_are_those_of_a_terminal(void **state)
{
    (void)state;
    assert_int_equal(layout_width('a'), 1);
    assert_int_equal(layout_width(0xFC), 1);
    assert_int_equal(layout_width(0x65E5), 2);
    assert_int_equal(layout_width(0x1F600), 2);
    assert_int_equal(layout_width(0x301), 0);
    assert_int_equal(layout_width(0x200D), 0);
    assert_int_equal(layout_width(0xE0041), 0);
    assert_int_equal(layout_text_width(span_of("aü日\xCC\x81")), 4);
}

static int set_up(void **state)
{
    (void)state;
    return setlocale(LC_CTYPE, "C.UTF-8") || setlocale(LC_CTYPE, "en_US.UTF-8") ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_broken_behind_a_space),
        cmocka_unit_test(a_word_that_leaves_a_row_mostly_empty_is_broken),
        cmocka_unit_test(without_a_width_nothing_is_broken),
        cmocka_unit_test(wide_characters_are_not_cut_in_half),
        cmocka_unit_test(a_heap_of_accents_is_cut),
        cmocka_unit_test(what_was_not_made_visible_is_not_printed),
        cmocka_unit_test(texts_of_one_line_follow_each_other),
        cmocka_unit_test(a_full_buffer_is_told),
        cmocka_unit_test(widths_are_those_of_a_terminal),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
