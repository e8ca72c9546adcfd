/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/history.h"
#include "unit/scratch.h"

static struct {
    unsigned count;
    char first[64], last[64];
} got;

static void take(void *context, const char *line)
{
    (void)context;
    if (got.count++ == 0)
        snprintf(got.first, sizeof(got.first), "%s", line);
    snprintf(got.last, sizeof(got.last), "%s", line);
}

static void load(const char *path)
{
    memset(&got, 0, sizeof(got));
    assert_int_equal(history_load(path, take, NULL, NULL), ERROR_NONE);
}

static void expect_path(const char *channel, const char *wanted)
{
    struct buf path;
    buf_init(&path, 4096);
    assert_int_equal(history_add_path(&path, span_of(channel)), 0);
    assert_string_equal(path.data, wanted);
    buf_release(&path);
}

static void a_channel_has_a_file_of_its_own(void **state)
{
    (void)state;
    setenv("XDG_STATE_HOME", "/s", 1);
    expect_path("ops", "/s/chancat/history/ops");
    expect_path("a/b c", "/s/chancat/history/a%2Fb%20c");
    expect_path("..", "/s/chancat/history/%2E.");
    expect_path("ü", "/s/chancat/history/%C3%BC");
    unsetenv("XDG_STATE_HOME");
    setenv("HOME", "/h", 1);
    expect_path("ops", "/h/.local/state/chancat/history/ops");
    struct buf path;
    buf_init(&path, 4096);
    setenv("HOME", "", 1);
    assert_int_equal(history_add_path(&path, span_of("ops")), -1);
    buf_release(&path);
}

static void a_long_name_gives_a_short_file_name_and_two_of_them_two(void **state)
{
    (void)state;
    struct buf paths[2];
    char name[1000];
    memset(name, 'n', sizeof(name));
    setenv("XDG_STATE_HOME", "/s", 1);
    for (int i = 0; i < 2; i++) {
        buf_init(&paths[i], 4096);
        name[999] = i ? 'x' : 'y';
        assert_int_equal(history_add_path(&paths[i], (struct span){name, 1000}), 0);
        assert_true(paths[i].len < 200);
    }
    assert_string_not_equal(paths[0].data, paths[1].data);
    buf_release(&paths[0]);
    buf_release(&paths[1]);
}

static void lines_come_back_in_their_order(void **state)
{
    (void)state;
    struct stat info;
    const char *path = scratch_path("a/b/history/ops");
    load(path);
    assert_int_equal(got.count, 0);
    assert_int_equal(history_append(path, LITERAL("one"), NULL), ERROR_NONE);
    assert_int_equal(history_append(path, LITERAL("two"), NULL), ERROR_NONE);
    load(path);
    assert_int_equal(got.count, 2);
    assert_string_equal(got.first, "one");
    assert_string_equal(got.last, "two");
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(stat(scratch_path("a/b/history"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
}

static void a_file_that_others_can_read_is_closed_to_them(void **state)
{
    (void)state;
    struct stat info;
    const char *path = scratch_path("ops");
    scratch_write("ops", LITERAL("one\n"));
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(history_append(path, LITERAL("two"), NULL), ERROR_NONE);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void the_file_stays_small(void **state)
{
    (void)state;
    struct buf text;
    const char *path = scratch_path("ops");
    buf_init(&text, 3 * HISTORY_BYTES_MAX);
    for (int i = 0; i < 2500; i++)
        assert_int_equal(buf_addf(&text, "line %d\n", i), 0);
    scratch_write("ops", (struct span){text.data, text.len});
    load(path);
    assert_int_equal(got.count, HISTORY_LINES_MAX);
    assert_string_equal(got.first, "line 1500");
    assert_string_equal(got.last, "line 2499");
    scratch_read("ops", &text);
    assert_true(text.len < 12000);
    buf_clear(&text);
    for (int i = 0; i < 300; i++)
        assert_int_equal(buf_addf(&text, "%07000d\n", i), 0);
    scratch_write("ops", (struct span){text.data, text.len});
    load(path);
    assert_true(got.count > 100 && got.count < 160);
    scratch_read("ops", &text);
    assert_true(text.len <= HISTORY_BYTES_MAX);
    assert_int_equal(scratch_count(".", "ops", NULL), 1);
    buf_release(&text);
}

static void lines_that_do_not_fit_into_a_line_are_not_kept(void **state)
{
    (void)state;
    static char line[HISTORY_LINE_MAX + 1];
    memset(line, 'x', sizeof(line));
    const char *path = scratch_path("ops");
    assert_int_equal(history_append(path, (struct span){line, sizeof(line)}, NULL), ERROR_NONE);
    assert_int_equal(history_append(path, LITERAL("a\nb"), NULL), ERROR_NONE);
    assert_false(scratch_has("ops"));
    assert_int_equal(history_append(path, (struct span){line, sizeof(line) - 1}, NULL), ERROR_NONE);
    load(path);
    assert_int_equal(got.count, 1);
}

static void what_is_no_file_is_an_error(void **state)
{
    (void)state;
    struct error e;
    const char *path = scratch_path("ops");
    assert_int_equal(symlink("/dev/null", path), 0);
    assert_int_equal(history_append(path, LITERAL("x"), &e), ERROR_LOCAL);
    assert_int_equal(history_load(path, take, NULL, &e), ERROR_LOCAL);
    assert_non_null(strstr(e.text, path));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_channel_has_a_file_of_its_own),
        cmocka_unit_test(a_long_name_gives_a_short_file_name_and_two_of_them_two),
        TEST(lines_come_back_in_their_order),
        TEST(a_file_that_others_can_read_is_closed_to_them),
        TEST(the_file_stays_small),
        TEST(lines_that_do_not_fit_into_a_line_are_not_kept),
        TEST(what_is_no_file_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
