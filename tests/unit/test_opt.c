/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/opt.h"

struct wishes {
    bool loud, soft, deep;
    const char *name;
    int64_t number, pause_ms;
};

#define AT(member) .offset = offsetof(struct wishes, member)

static const struct opt rows[] = {
    {.type = OPT_HEADING, .help = "Heading"},
    {OPT_FLAG, 'l', "loud", NULL, "be loud", AT(loud)},
    {OPT_FLAG, 's', "soft", NULL, "be soft", AT(soft)},
    {OPT_FLAG, 0, "deep", NULL, "be deep", AT(deep)},
    {OPT_STRING, 'n', "name", "NAME", "a name", AT(name), .env = "OPT_TEST_NAME"},
    {OPT_NUMBER, 0, "number", "N", "a number", AT(number), .min = 1, .max = 9, .word = "all",
     .word_value = -1},
    {OPT_SECONDS, 'p', "pause", "SECS", "a pause", AT(pause_ms), .max = 60000},
};
static const struct opt_rule rules[] = {{"loud", OPT_EXCLUDES, "soft"},
                                        {"deep", OPT_NEEDS, "loud"}};
static const struct opt_table table = {rows, COUNT(rows), rules, COUNT(rules)};

static enum error_kind parse(struct wishes *w, unsigned char *source, char **argv, int *ret_operand,
                             struct error *e)
{
    int argc = 0;
    while (argv[argc])
        argc++;
    return opt_parse_argv(&table, argc, argv, w, source, ret_operand, e);
}

#define ARGV(...)                                                                                  \
    (char *[])                                                                                     \
    {                                                                                              \
        (char[]){"prog"}, __VA_ARGS__, NULL                                                        \
    }
#define WORD(text) ((char[]){text})

static void takes_every_form_of_an_option(void **state)
{
    (void)state;
    struct wishes w = {0};
    unsigned char source[OPT_ROWS_MAX] = {0};
    int operand = 0;
    struct error e;
    char **argv = ARGV(WORD("-lp0.5"), WORD("here"), WORD("--name=a b"), WORD("--number"),
                       WORD("all"), WORD("--"), WORD("-s"));
    assert_int_equal(parse(&w, source, argv, &operand, &e), ERROR_NONE);
    assert_true(w.loud && !w.soft);
    assert_string_equal(w.name, "a b");
    assert_int_equal(w.number, -1);
    assert_int_equal(w.pause_ms, 500);
    assert_string_equal(argv[operand], "here");
    assert_string_equal(argv[operand + 1], "-s");
    assert_int_equal(opt_source_of(&table, source, "name"), OPT_FROM_ARGV);
    assert_int_equal(opt_source_of(&table, source, "soft"), OPT_FROM_DEFAULT);
}

static void mistakes_name_the_option(void **state)
{
    (void)state;
    static char words[][2][16] = {
        {"--number", "0"},  {"--number", "10"}, {"--number", "x"}, {"-p", "61"},   {"-n", ""},
        {"--nonsense", ""}, {"-Z", ""},         {"--loud=1", ""},  {"--name", ""},
    };
    for (size_t i = 0; i < COUNT(words); i++) {
        struct wishes w = {.number = 5};
        unsigned char source[OPT_ROWS_MAX] = {0};
        int operand = -1;
        struct error e = {0};
        assert_int_equal(parse(&w, source, ARGV(words[i][0], words[i][1]), &operand, &e),
                         ERROR_USAGE);
        assert_int_equal(w.number, 5);
        assert_int_equal(operand, -1);
        assert_true(e.text[0] != '\0');
    }
}

static void rules_weigh_who_said_it(void **state)
{
    (void)state;
    const struct wishes defaults = {0};
    static const struct {
        unsigned char loud, soft, deep;
        enum error_kind expected;
        bool loud_after, soft_after, deep_after;
    } cases[] = {
        {OPT_FROM_ARGV, OPT_FROM_ARGV, 0, ERROR_USAGE, true, true, false},
        {OPT_FROM_FILE, OPT_FROM_FILE, 0, ERROR_USAGE, true, true, false},
        {OPT_FROM_ARGV, OPT_FROM_FILE, 0, ERROR_NONE, true, false, false},
        {OPT_FROM_FILE, OPT_FROM_ENV, 0, ERROR_NONE, false, true, false},
        {0, 0, OPT_FROM_ARGV, ERROR_USAGE, false, false, true},
        {0, 0, OPT_FROM_FILE, ERROR_NONE, false, false, false},
        {OPT_FROM_ARGV, 0, OPT_FROM_FILE, ERROR_NONE, true, false, true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct wishes w = {cases[i].loud != 0, cases[i].soft != 0, cases[i].deep != 0, NULL, 0, 0};
        unsigned char source[OPT_ROWS_MAX] = {0, cases[i].loud, cases[i].soft, cases[i].deep};
        assert_int_equal(opt_check(&table, &defaults, &w, source, NULL), cases[i].expected);
        assert_int_equal(w.loud, cases[i].loud_after);
        assert_int_equal(w.soft, cases[i].soft_after);
        assert_int_equal(w.deep, cases[i].deep_after);
    }
}

static void an_empty_variable_counts_as_not_set(void **state)
{
    (void)state;
    struct wishes w = {0};
    unsigned char source[OPT_ROWS_MAX] = {0};
    setenv("OPT_TEST_NAME", "", 1);
    assert_int_equal(opt_parse_env(&table, &w, source, NULL), ERROR_NONE);
    assert_null(w.name);
    setenv("OPT_TEST_NAME", "x", 1);
    assert_int_equal(opt_parse_env(&table, &w, source, NULL), ERROR_NONE);
    assert_string_equal(w.name, "x");
    unsetenv("OPT_TEST_NAME");
}

static void help_lists_every_row(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4096);
    assert_int_equal(opt_add_help(&table, &b), 0);
    assert_non_null(strstr(b.data, "\nHeading:\n"));
    assert_non_null(strstr(b.data, "  -n, --name NAME "));
    assert_non_null(strstr(b.data, "      --number N "));
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_every_form_of_an_option),
        cmocka_unit_test(mistakes_name_the_option),
        cmocka_unit_test(rules_weigh_who_said_it),
        cmocka_unit_test(an_empty_variable_counts_as_not_set),
        cmocka_unit_test(help_lists_every_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
