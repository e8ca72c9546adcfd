/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/options.h"

#define WORDS_MAX 12

/* Splits `words` at spaces and reads them as a command line. */
static enum error_kind read_words(struct options *o, const char *words,
                                  enum options_terminal terminal, struct error *e)
{
    static char text[512];
    static char program[] = "chancat";
    char *argv[WORDS_MAX + 1] = {program};
    int argc = 1;
    snprintf(text, sizeof(text), "%s", words);
    for (char *word = strtok(text, " "); word && argc < WORDS_MAX; word = strtok(NULL, " "))
        argv[argc++] = word;
    argv[argc] = NULL;
    return options_read(o, argc, argv, terminal, e);
}

static void defaults_are_as_documented(void **state)
{
    (void)state;
    struct options o;
    assert_int_equal(read_words(&o, "ops", OPTIONS_NO_TERMINAL, NULL), ERROR_NONE);
    assert_string_equal(o.channel, "ops");
    assert_string_equal(o.url, "http://localhost:10080");
    assert_int_equal(o.lines, 50);
    assert_int_equal(o.interval_ms, 2000);
    assert_int_equal(o.retry_for_ms, 60000);
    assert_false(o.sender_known || o.sender_named);
    assert_true(o.sender[0] != '\0');
    options_release(&o);
    assert_int_equal(read_words(&o, "-f ops", OPTIONS_NO_TERMINAL, NULL), ERROR_NONE);
    assert_true(o.retry_for_ms == INT64_MAX);
    options_release(&o);
    assert_int_equal(read_words(&o, "-f --retry-for 5 -n all ops", OPTIONS_NO_TERMINAL, NULL),
                     ERROR_NONE);
    assert_int_equal(o.retry_for_ms, 5000);
    assert_int_equal(o.lines, OPTIONS_ALL);
    options_release(&o);
}

static void what_makes_no_sense_is_a_usage_error(void **state)
{
    (void)state;
    static const char *const table[] = {
        "",
        "a b",
        "-rs a",
        "--receipts a",
        "--idle 5 a",
        "-sf a",
        "-s -n 5 a",
        "-s -a 5 a",
        "-s -c 1 a",
        "-s --no-echo a",
        "-s --text a",
        "-r -0 a",
        "-rj a",
        "-r --no-echo a",
        "-qv a",
        "--key x a",
        "-n -1 a",
        "-n x a",
        "-n 1.5 a",
        "-c 0 a",
        "-a -1 a",
        "-i 0 a",
        "-i x a",
        "-n",
        "--no-such a",
        "--lin",
        "--null=1 a",
        "-Z a",
        "-j",
        "--retry-for -1 a",
        "-S \xff a",
        "--cacert /nonexistent a",
        "--token-file /nonexistent a",
        "--config /nonexistent a",
        "\xff",
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct options o;
        struct error e = {0};
        enum error_kind kind = read_words(&o, table[i], OPTIONS_NO_TERMINAL, &e);
        if (kind != ERROR_USAGE)
            print_error("accepted: %s\n", table[i]);
        assert_int_equal(kind, ERROR_USAGE);
        assert_int_equal(e.kind, ERROR_USAGE);
        assert_true(e.text[0] != '\0');
        options_release(&o);
    }
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void flag_beats_environment_beats_file(void **state)
{
    (void)state;
    struct options o;
    write_file("config", "# comment\n\nurl http://file:1/\ninterval 7\nlines 5\n  sender f x \n"
                         "verbose\n");
    assert_int_equal(read_words(&o, "--config config a", OPTIONS_NO_TERMINAL, NULL), ERROR_NONE);
    assert_string_equal(o.url, "http://file:1/");
    assert_string_equal(o.sender, "f x");
    assert_int_equal(o.interval_ms, 7000);
    assert_true(o.verbose && o.sender_known && !o.sender_named);
    options_release(&o);
    setenv("CHANCAT_URL", "http://env:1/", 1);
    setenv("CHANCAT_CONFIG", "config", 1);
    assert_int_equal(read_words(&o, "-i 1 a", OPTIONS_NO_TERMINAL, NULL), ERROR_NONE);
    assert_string_equal(o.url, "http://env:1/");
    assert_int_equal(o.interval_ms, 1000);
    assert_int_equal(o.lines, 5);
    options_release(&o);
    assert_int_equal(read_words(&o, "-u http://flag:1/ a", OPTIONS_NO_TERMINAL, NULL), ERROR_NONE);
    assert_string_equal(o.url, "http://flag:1/");
    options_release(&o);
    /* a standing wish gives way to what this run asks for */
    assert_int_equal(read_words(&o, "-s -q a", OPTIONS_NO_TERMINAL, NULL), ERROR_NONE);
    assert_int_equal(o.lines, 50);
    assert_true(o.quiet && !o.verbose);
    options_release(&o);
    unsetenv("CHANCAT_URL");
    unsetenv("CHANCAT_CONFIG");
    unlink("config");
}

static void a_mistake_in_the_file_names_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *part;
    } table[] = {
        {"url http://x\nnonsense 1\n", "bad:2: 'nonsense'"},
        {"interval\n", "bad:1: interval needs a value"},
        {"follow yes\n", "bad:1: follow takes no value"},
        {"interval x\n", "bad:1: interval"},
        {"help\n", "bad:1: 'help'"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct options o;
        struct error e;
        write_file("bad", table[i].text);
        assert_int_equal(read_words(&o, "--config bad a", OPTIONS_NO_TERMINAL, &e), ERROR_USAGE);
        assert_non_null(strstr(e.text, table[i].part));
        options_release(&o);
    }
    unlink("bad");
}

static void a_token_comes_from_its_file_only(void **state)
{
    (void)state;
    struct options o;
    write_file("token", "s3cret\n");
    assert_int_equal(read_words(&o, "--token-file token a", OPTIONS_NO_TERMINAL, NULL), ERROR_NONE);
    assert_string_equal(o.token.data, "s3cret");
    options_release(&o);
    struct error e;
    write_file("token", "two words\n");
    assert_int_equal(read_words(&o, "--token-file token a", OPTIONS_NO_TERMINAL, &e), ERROR_USAGE);
    assert_null(strstr(e.text, "two"));
    options_release(&o);
    unlink("token");
}

static void the_channel_may_be_missing_where_lines_or_people_name_it(void **state)
{
    (void)state;
    struct options o;
    assert_int_equal(read_words(&o, "-sj", OPTIONS_NO_TERMINAL, NULL), ERROR_NONE);
    assert_null(o.channel);
    options_release(&o);
    assert_int_equal(read_words(&o, "", OPTIONS_PLAIN_TERMINAL, NULL), ERROR_NONE);
    assert_true(o.terminal && !o.screen && o.no_echo);
    assert_int_equal(o.on_reset, ON_RESET_SKIP);
    options_release(&o);
    assert_int_equal(read_words(&o, "--on-reset fail", OPTIONS_SCREEN, NULL), ERROR_NONE);
    assert_true(o.terminal && o.screen && !o.no_echo);
    assert_int_equal(o.on_reset, ON_RESET_FAIL);
    options_release(&o);
    assert_int_equal(read_words(&o, "-r", OPTIONS_PLAIN_TERMINAL, NULL), ERROR_USAGE);
    options_release(&o);
}

static int set_up(void **state)
{
    (void)state;
    static const char *const names[] = {"CHANCAT_URL", "CHANCAT_SENDER", "CHANCAT_CONFIG",
                                        "XDG_CONFIG_HOME"};
    for (size_t i = 0; i < COUNT(names); i++)
        unsetenv(names[i]);
    const char *base = getenv("TMPDIR");
    static char path[4096];
    snprintf(path, sizeof(path), "%s/options-XXXXXX", base ? base : "/tmp");
    *state = mkdtemp(path);
    return *state && chdir(path) == 0 && setenv("HOME", path, 1) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    return chdir("/") == 0 ? rmdir(*state) : -1;
}

/* Whose report has it. */
static void what_is_wrong_is_for_the_doctor(void **state)
{
    (void)state;
    struct options o;
    struct error e = {0};
    assert_int_equal(read_words(&o, "--doctor -n x a", OPTIONS_NO_TERMINAL, &e), ERROR_NONE);
    assert_int_equal(o.wrong.kind, ERROR_USAGE);
    assert_string_not_equal(o.wrong.text, "");
    assert_string_equal(e.text, "");
    options_release(&o);
    assert_int_equal(read_words(&o, "--doctor a", OPTIONS_NO_TERMINAL, NULL), ERROR_NONE);
    assert_int_equal(o.wrong.kind, ERROR_NONE);
    options_release(&o);
    assert_int_equal(read_words(&o, "-n x a", OPTIONS_NO_TERMINAL, &e), ERROR_USAGE);
    assert_int_equal(o.wrong.kind, ERROR_NONE);
    assert_string_not_equal(e.text, "");
    options_release(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_as_documented),
        cmocka_unit_test(what_is_wrong_is_for_the_doctor),
        cmocka_unit_test(what_makes_no_sense_is_a_usage_error),
        cmocka_unit_test(flag_beats_environment_beats_file),
        cmocka_unit_test(a_mistake_in_the_file_names_its_line),
        cmocka_unit_test(a_token_comes_from_its_file_only),
        cmocka_unit_test(the_channel_may_be_missing_where_lines_or_people_name_it),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
