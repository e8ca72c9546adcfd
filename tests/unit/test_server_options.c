/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "server/options.h"

static enum error_kind read_two(struct server_options *o, const char *one, const char *two)
{
    static char words[3][64];
    char *argv[4] = {words[0], NULL, NULL, NULL};
    int argc = 1;
    strcpy(words[0], "chancatd");
    if (one)
        argv[argc++] = strcpy(words[1], one);
    if (two)
        argv[argc++] = strcpy(words[2], two);
    return server_options_read(o, argc, argv, NULL);
}

static void defaults_are_as_documented(void **state)
{
    (void)state;
    struct server_options o;
    struct buf path;
    assert_int_equal(read_two(&o, NULL, NULL), ERROR_NONE);
    assert_string_equal(o.listen, "127.0.0.1:10080");
    assert_null(o.database);
    assert_int_equal(o.max_connections, 8192);
    assert_int_equal(o.max_per_address, 0);
    assert_false(o.plain);
    buf_init(&path, 1000);
    assert_int_equal(server_options_add_database(&o, &path, NULL), ERROR_NONE);
    assert_string_equal(path.data, "/nowhere/.local/state/chancat/chat.db");
    buf_clear(&path);
    setenv("XDG_STATE_HOME", "/state", 1);
    assert_int_equal(server_options_add_database(&o, &path, NULL), ERROR_NONE);
    assert_string_equal(path.data, "/state/chancat/chat.db");
    unsetenv("XDG_STATE_HOME");
    unsetenv("HOME");
    assert_int_equal(server_options_add_database(&o, &path, NULL), ERROR_USAGE);
    setenv("HOME", "/nowhere", 1);
    buf_clear(&path);
    o.database = ":memory:";
    assert_int_equal(server_options_add_database(&o, &path, NULL), ERROR_NONE);
    assert_string_equal(path.data, ":memory:");
    server_options_release(&o);
    buf_release(&path);
}

static void plain_is_a_flag(void **state)
{
    (void)state;
    struct server_options o;
    assert_int_equal(read_two(&o, "--plain", NULL), ERROR_NONE);
    assert_true(o.plain);
    server_options_release(&o);
}

static void a_copy_has_two_places(void **state)
{
    (void)state;
    struct server_options o;
    struct error e;
    char *argv[] = {(char[]){"chancatd"},
                    (char[]){"--copy"},
                    (char[]){"from"},
                    (char[]){"-v"},
                    (char[]){"to"},
                    NULL,
                    NULL};
    setenv("CHANCATD_DATABASE", "/x.db", 1); /* does not count */
    assert_int_equal(server_options_read(&o, 5, argv, NULL), ERROR_NONE);
    assert_string_equal(o.copy, "from");
    assert_string_equal(o.copy_to, "to");
    assert_null(o.database);
    assert_true(o.verbose);
    server_options_release(&o);
    unsetenv("CHANCATD_DATABASE");
    assert_int_equal(server_options_read(&o, 3, (char *[]){argv[0], argv[1], argv[2], NULL}, &e),
                     ERROR_USAGE);
    server_options_release(&o);
    argv[5] = (char[]){"postgresql://me:secret@host/chat"};
    assert_int_equal(server_options_read(&o, 6, argv, &e), ERROR_USAGE);
    assert_non_null(strstr(e.text, "unexpected '"));
    assert_null(strstr(e.text, "secret"));
    server_options_release(&o);
}

static void mistakes_are_usage_errors(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {"x", NULL},
        {"--copy", "x"},
        {"--copy", NULL},
        {"--nonsense", NULL},
        {"-l", NULL},
        {"-l", ""},
        {"--max-connections", "0"},
        {"--max-per-address", "x"},
        {"-q", "-v"},
        {"--token-file", "/nonexistent"},
        {"--config", "/nonexistent"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct server_options o;
        assert_int_equal(read_two(&o, table[i][0], table[i][1]), ERROR_USAGE);
        server_options_release(&o);
    }
}

static void the_environment_names_address_and_database(void **state)
{
    (void)state;
    struct server_options o;
    setenv("CHANCATD_LISTEN", "127.0.0.1:1", 1);
    setenv("CHANCATD_DATABASE", "/x.db", 1);
    assert_int_equal(read_two(&o, "-d", ":memory:"), ERROR_NONE);
    assert_string_equal(o.listen, "127.0.0.1:1");
    assert_string_equal(o.database, ":memory:");
    server_options_release(&o);
    unsetenv("CHANCATD_LISTEN");
    unsetenv("CHANCATD_DATABASE");
}

static int set_up(void **state)
{
    (void)state;
    static const char *const names[] = {"CHANCATD_LISTEN", "CHANCATD_DATABASE", "CHANCATD_CONFIG",
                                        "XDG_CONFIG_HOME", "XDG_STATE_HOME"};
    for (size_t i = 0; i < COUNT(names); i++)
        unsetenv(names[i]);
    return setenv("HOME", "/nowhere", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_as_documented),
        cmocka_unit_test(plain_is_a_flag),
        cmocka_unit_test(a_copy_has_two_places),
        cmocka_unit_test(mistakes_are_usage_errors),
        cmocka_unit_test(the_environment_names_address_and_database),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
