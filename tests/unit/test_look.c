/* SPDX-License-Identifier: MIT */
/*
 * How a message looks at a terminal. The time zone is two hours east of Greenwich.
 */
#include "unit.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/look.h"

#define NOON 1764158400 /* 2025-11-26T12:00:00Z */

static struct look look;
static struct buf shown;

static void add(const char *sender, const char *content, const char *time)
{
    struct message m = {
        .id = 1, .sender = span_of(sender), .content = span_of(content), .time = span_of(time)};
    assert_int_equal(look_add_message(&look, &m, &shown), 0);
}

static void add_now(const char *sender, const char *content)
{
    add(sender, content, "2025-11-26T12:05:59Z");
}

static void times_are_local(void **state)
{
    (void)state;
    add("anna", "hello", "2025-11-26T12:05:59Z");
    add("anna", "a fraction and an offset", "2025-11-26T07:06:01.5-05:00");
    assert_buf(shown, "14:05 anna: hello\n14:06 anna: a fraction and an offset\n");
}

static void a_time_that_is_none_is_not_guessed(void **state)
{
    (void)state;
    add("anna", "hello", "soon");
    add("anna", "hello", "");
    assert_buf(shown, "--:-- anna: hello\n--:-- anna: hello\n");
}

static void another_day_is_told_once(void **state)
{
    (void)state;
    add("anna", "late", "2025-11-25T21:59:59Z");
    add("anna", "later", "2025-11-25T21:59:59Z");
    add("anna", "midnight", "2025-11-25T22:00:00Z");
    add("anna", "leap day", "2024-02-29T10:00:00Z");
    assert_buf(shown, "-- Tue 25 Nov 2025 --\n23:59 anna: late\n23:59 anna: later\n"
                      "-- Wed 26 Nov 2025 --\n00:00 anna: midnight\n"
                      "-- Thu 29 Feb 2024 --\n12:00 anna: leap day\n");
}

static void html_escapes_are_undone_and_controls_shown(void **state)
{
    (void)state;
    add_now("a &amp; b", "1 &lt; 2 &amp;amp; \033[2J\r\n\xC2\x9B");
    assert_buf(shown, "14:05 a & b: 1 < 2 &amp; \\u001b[2J\\r\\n\\u009b\n");
}

static void a_name_cannot_pass_for_another(void **state)
{
    (void)state;
    add_now("bob: hi. mallory", "x");
    add_now("bob:", "x");
    add_now("a:b", "x");
    add_now("an\xE2\x80\x8Bna", "x");
    add_now("anna\xF3\xA0\x81\xA1", "x");
    add_now("an\xC2\xA0na", "x");
    assert_buf(shown, "14:05 bob\\u003A hi. mallory: x\n14:05 bob\\u003A: x\n14:05 a:b: x\n"
                      "14:05 an\\u200Bna: x\n14:05 anna\\U000E0061: x\n14:05 an\\u00A0na: x\n");
}

static void a_long_name_is_cut(void **state)
{
    (void)state;
    add_now("0123456789012345678901234", "x");
    buf_add_char(&shown, '|');
    add_now("012345678901234567890123", "x");
    buf_add_char(&shown, '|');
    look.columns = 20;
    add_now("0123456789012", "x");
    assert_buf(shown, "14:05 01234567890123456789012…: x\n|14:05 012345678901234567890123: x\n"
                      "|14:05 012345678…: x\n");
}

static void rows_go_on_behind_the_time(void **state)
{
    (void)state;
    look.columns = 30;
    add_now("bob", "one two three four five six seven");
    look.columns = 20; /* narrow: less is indented */
    add_now("bob", "one two three four five six");
    assert_buf(shown, "14:05 bob: one two three four \n      five six seven\n"
                      "14:05 bob: one two \n  three four five \n  six\n");
}

static void a_long_text_is_cut_and_says_so(void **state)
{
    (void)state;
    char *text = malloc(1000001);
    assert_non_null(text);
    memset(text, 'x', 1000000);
    text[1000000] = '\0';
    add_now("bob", text);
    assert_true(shown.len < LOOK_TEXT_MAX + 100);
    assert_non_null(strstr(shown.data, "x… (1000000 bytes)\n"));
    buf_clear(&shown);
    text[LOOK_TEXT_MAX] = '\0';
    add_now("bob", text);
    assert_null(strstr(shown.data, "bytes"));
    buf_clear(&shown);
    memcpy(text + LOOK_TEXT_MAX - 3, "&lt;y", 6); /* an escape that would be cut */
    add_now("bob", text);
    assert_non_null(strstr(shown.data, "xx… (2002 bytes)\n"));
    buf_clear(&shown);
    memset(text, '\001', 1500); /* what is made visible grows */
    text[1500] = '\0';
    add_now("bob", text);
    assert_true(shown.len < LOOK_TEXT_MAX + 100);
    free(text);
}

static void a_notice_is_dim_and_in_rows_of_its_own(void **state)
{
    (void)state;
    look.columns = 40;
    assert_int_equal(look_add_notice(&look, span_of("it is \033[1m so"), true, &shown), 0);
    assert_int_equal(look_add_notice(&look, span_of("one two three four five six seven eight nine"),
                                     false, &shown),
                     0);
    assert_buf(shown, "\033[2mit is \\u001b[1m so\033[22m\n"
                      "one two three four five six seven eight \n  nine\n");
}

static void names_that_can_be_typed_are_known(void **state)
{
    (void)state;
    assert_true(look_is_plain_name(span_of("anna")));
    assert_true(look_is_plain_name(span_of("Jürgen 2")));
    assert_false(look_is_plain_name(span_of("")));
    assert_false(look_is_plain_name(span_of("a&amp;b")));
    assert_false(look_is_plain_name(span_of("a:")));
    assert_false(look_is_plain_name(span_of("\033[31m")));
    assert_false(look_is_plain_name(span_of("an\xE2\x80\x8Bna")));
    assert_false(look_is_plain_name(span_of("\xFF")));
}

static void no_half_message_is_left_in_a_full_buffer(void **state)
{
    (void)state;
    shown.max_bytes = 20;
    struct message m = {.id = 1, .sender = span_of("anna"), .content = span_of("hello there")};
    assert_int_equal(look_add_message(&look, &m, &shown), -1);
    assert_int_equal(shown.len, 0);
    assert_int_equal(look_add_notice(&look, span_of("a notice that is too long"), false, &shown),
                     -1);
    assert_int_equal(shown.len, 0);
}

static int set_up(void **state)
{
    (void)state;
    setenv("TZ", "UTC-2", 1);
    tzset();
    look_init(&look, NOON);
    buf_init(&shown, 100000);
    return setlocale(LC_CTYPE, "C.UTF-8") || setlocale(LC_CTYPE, "en_US.UTF-8") ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    look_release(&look);
    buf_release(&shown);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(times_are_local),
        TEST(a_time_that_is_none_is_not_guessed),
        TEST(another_day_is_told_once),
        TEST(html_escapes_are_undone_and_controls_shown),
        TEST(a_name_cannot_pass_for_another),
        TEST(a_long_name_is_cut),
        TEST(rows_go_on_behind_the_time),
        TEST(a_long_text_is_cut_and_says_so),
        TEST(a_notice_is_dim_and_in_rows_of_its_own),
        TEST(names_that_can_be_typed_are_known),
        TEST(no_half_message_is_left_in_a_full_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
