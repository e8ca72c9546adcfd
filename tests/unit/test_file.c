/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/file.h"
#include "scratch.h"

static char path[4096];

static void write_file(const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void reads_whole_files_up_to_the_maximum(void **state)
{
    (void)state;
    struct buf b;
    struct error e;
    buf_init(&b, 10);
    write_file("0123456789");
    assert_int_equal(file_read(path, &b, &e), ERROR_NONE);
    assert_buf(b, "0123456789");
    buf_clear(&b);
    write_file("0123456789x");
    assert_int_equal(file_read(path, &b, &e), ERROR_LOCAL);
    assert_int_equal(file_read("/nonexistent", &b, &e), ERROR_LOCAL);
    assert_int_equal(errno, ENOENT);
    assert_non_null(strstr(e.text, "/nonexistent"));
    buf_release(&b);
}

static void a_token_is_the_first_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *token; /* NULL: refused */
    } table[] = {
        {"abc", "abc"}, {"abc\n", "abc"}, {"abc\r\nmore\n", "abc"}, {"", NULL},
        {"\n", NULL},   {"a b\n", NULL},  {"a\tb\n", NULL},         {"\xC3\xA5\n", NULL},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct buf b;
        struct error e;
        buf_init(&b, 100);
        write_file(table[i].text);
        enum error_kind kind = file_read_token(path, &b, &e);
        assert_int_equal(kind, table[i].token ? ERROR_NONE : ERROR_LOCAL);
        if (table[i].token)
            assert_string_equal(b.data, table[i].token);
        buf_release(&b);
    }
}

/* In a child, since it closes what the test itself needs. */
static void closed_standard_descriptors_are_filled_and_still_fail(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(0);
        close(1);
        file_fill_standard_fds();
        char c = 'x';
        int good = fcntl(0, F_GETFD) >= 0 && fcntl(1, F_GETFD) >= 0 && read(0, &c, 1) < 0 &&
                   write(1, &c, 1) < 0;
        _exit(good ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void a_regular_file_is_read_and_nothing_else(void **state)
{
    (void)state;
    struct buf b;
    struct error e;
    buf_init(&b, 10);
    scratch_write("f", span_of("0123456789"));
    assert_int_equal(file_read_regular(scratch_path("f"), &b, &e), ERROR_NONE);
    assert_buf(b, "0123456789");
    buf_clear(&b);
    scratch_write("f", span_of("0123456789x"));
    assert_int_equal(file_read_regular(scratch_path("f"), &b, &e), ERROR_BAD_DATA);
    assert_int_equal(file_read_regular(scratch_path("none"), &b, &e), ERROR_LOCAL);
    assert_int_equal(errno, ENOENT);
    scratch_write("f", span_of("0"));
    assert_int_equal(symlink("f", scratch_path("link")), 0);
    assert_int_equal(symlink("none", scratch_path("broken")), 0);
    assert_int_equal(mkfifo(scratch_path("fifo"), 0600), 0);
    assert_int_equal(mkdir(scratch_path("d"), 0700), 0);
    static const char *const others[] = {"link", "broken", "fifo", "d"};
    for (size_t i = 0; i < COUNT(others); i++)
        assert_int_equal(file_read_regular(scratch_path(others[i]), &b, &e), ERROR_BAD_DATA);
    buf_release(&b);
}

static void a_new_file_is_whole_or_not_there(void **state)
{
    (void)state;
    struct error e;
    struct stat info;
    struct buf b;
    buf_init(&b, 100);
    const char *name = scratch_path("f");
    mode_t before = umask(0);
    assert_int_equal(file_write_new(name, LITERAL("a\0b"), &e), ERROR_NONE);
    umask(before);
    scratch_read("f", &b);
    assert_buf(b, "a\0b");
    assert_int_equal(stat(name, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_int_equal(file_write_new(name, LITERAL("other"), &e), ERROR_LOCAL);
    assert_int_equal(errno, EEXIST);
    scratch_read("f", &b);
    assert_buf(b, "a\0b");
    scratch_limit(2);
    assert_int_equal(file_write_new(scratch_path("g"), LITERAL("12345"), &e), ERROR_LOCAL);
    assert_int_equal(errno, EFBIG);
    assert_non_null(strstr(e.text, scratch_path("g")));
    scratch_limit(-1);
    assert_false(scratch_has("g"));
    buf_release(&b);
}

static void a_directory_is_put_on_disk(void **state)
{
    (void)state;
    struct error e;
    assert_int_equal(file_sync_directory(scratch_path(""), &e), ERROR_NONE);
    assert_int_equal(file_sync_directory(scratch_path("none"), &e), ERROR_LOCAL);
    assert_int_equal(errno, ENOENT);
    scratch_write("f", span_of(""));
    assert_int_equal(file_sync_directory(scratch_path("f"), &e), ERROR_LOCAL);
    assert_int_equal(errno, ENOTDIR);
}

static void the_directory_part_of_a_name(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {"a", "."},      {"a/b", "a"}, {"/a", "/"},  {"/", "/"},     {"", "."},
        {"a//b//", "a"}, {"a/", "."},  {"//a", "/"}, {"/a/b", "/a"}, {"../a", ".."},
    };
    struct buf b;
    buf_init(&b, 100);
    for (size_t i = 0; i < COUNT(table); i++) {
        buf_clear(&b);
        assert_int_equal(file_add_directory(&b, table[i][0]), 0);
        assert_string_equal(b.data, table[i][1]);
    }
    buf_release(&b);
}

static void one_holds_the_lock(void **state)
{
    (void)state;
    struct error e;
    int one, two;
    assert_int_equal(file_lock(scratch_path("lock"), &one, &e), ERROR_NONE);
    assert_true(one >= 0);
    assert_int_equal(fcntl(one, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(file_lock(scratch_path("lock"), &two, &e), ERROR_NONE);
    assert_int_equal(two, -1);
    close(one);
    assert_int_equal(file_lock(scratch_path("lock"), &two, &e), ERROR_NONE);
    assert_true(two >= 0);
    close(two);
    assert_int_equal(file_lock(scratch_path("none/lock"), &two, &e), ERROR_LOCAL);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(two, -1);
}

static int set_up(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(path, sizeof(path), "%s/file-XXXXXX", base ? base : "/tmp");
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
#define IN_SCRATCH(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_whole_files_up_to_the_maximum),
        cmocka_unit_test(a_token_is_the_first_line),
        cmocka_unit_test(closed_standard_descriptors_are_filled_and_still_fail),
        IN_SCRATCH(a_regular_file_is_read_and_nothing_else),
        IN_SCRATCH(a_new_file_is_whole_or_not_there),
        IN_SCRATCH(a_directory_is_put_on_disk),
        IN_SCRATCH(the_directory_part_of_a_name),
        IN_SCRATCH(one_holds_the_lock),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
