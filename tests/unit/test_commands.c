/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <string.h>

#include "client/commands.h"

static void expect(const char *typed, enum command command, const char *argument)
{
    struct span got;
    assert_int_equal(command_parse(span_of(typed), &got), command);
    assert_int_equal(got.len, strlen(argument));
    assert_memory_equal(got.data, argument, got.len);
}

static void what_begins_without_a_slash_is_text(void **state)
{
    (void)state;
    expect("hello", COMMAND_TEXT, "hello");
    expect("", COMMAND_TEXT, "");
    expect(" /quit", COMMAND_TEXT, " /quit");
    expect("a /quit", COMMAND_TEXT, "a /quit");
}

static void two_slashes_send_one(void **state)
{
    (void)state;
    expect("//etc", COMMAND_TEXT, "/etc");
    expect("//", COMMAND_TEXT, "/");
    expect("///", COMMAND_TEXT, "//");
}

static void commands_take_the_rest_as_their_argument(void **state)
{
    (void)state;
    expect("/channel ops", COMMAND_CHANNEL, "ops");
    expect("/channel   a b  ", COMMAND_CHANNEL, "a b");
    expect("/channel", COMMAND_CHANNEL, "");
    expect("/channel\tops", COMMAND_CHANNEL, "ops");
    expect("/name Anna Lena", COMMAND_NAME, "Anna Lena");
    expect("/help", COMMAND_HELP, "");
    expect("/quit ", COMMAND_QUIT, "");
}

static void anything_else_with_a_slash_is_a_mistake(void **state)
{
    (void)state;
    expect("/", COMMAND_UNKNOWN, "/");
    expect("/quitx", COMMAND_UNKNOWN, "/quitx");
    expect("/QUIT", COMMAND_UNKNOWN, "/QUIT");
    expect("/qui", COMMAND_UNKNOWN, "/qui");
    expect("/etc/passwd is a file", COMMAND_UNKNOWN, "/etc/passwd");
}

static void each_command_is_named_and_explained(void **state)
{
    (void)state;
    struct buf help;
    struct span argument;
    buf_init(&help, 4096);
    assert_int_equal(command_add_help(false, &help), 0);
    assert_null(strstr(help.data, "Tab"));
    buf_clear(&help);
    assert_int_equal(command_add_help(true, &help), 0);
    assert_non_null(strstr(help.data, "Tab"));
    size_t n = 0;
    for (; command_name(n); n++) {
        assert_non_null(strstr(help.data, command_name(n)));
        assert_int_not_equal(command_parse(span_of(command_name(n)), &argument), COMMAND_UNKNOWN);
    }
    assert_int_equal(n, 4);
    buf_release(&help);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_begins_without_a_slash_is_text),
        cmocka_unit_test(two_slashes_send_one),
        cmocka_unit_test(commands_take_the_rest_as_their_argument),
        cmocka_unit_test(anything_else_with_a_slash_is_a_mistake),
        cmocka_unit_test(each_command_is_named_and_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
