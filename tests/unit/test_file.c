/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/file.h"

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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_whole_files_up_to_the_maximum),
        cmocka_unit_test(a_token_is_the_first_line),
        cmocka_unit_test(closed_standard_descriptors_are_filled_and_still_fail),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
