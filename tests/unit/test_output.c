/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/output.h"
#include "common/stop.h"

static enum output_result write_text(int fd, const char *text, struct error *e)
{
    struct output out;
    struct buf b;
    output_init(&out, fd);
    buf_init(&b, 1000);
    assert_int_equal(buf_add_str(&b, text), 0);
    enum output_result r = output_write(&out, &b, NULL, e);
    assert_int_equal(b.len, 0);
    buf_release(&b);
    output_release(&out);
    return r;
}

static void writes_whole_records(void **state)
{
    (void)state;
    int ends[2];
    char got[16] = "";
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write_text(ends[1], "one\ntwo\n", NULL), OUTPUT_OK);
    assert_int_equal(read(ends[0], got, sizeof(got)), 8);
    assert_string_equal(got, "one\ntwo\n");
    close(ends[0]);
    close(ends[1]);
}

static void a_reader_that_left_is_an_ordinary_end(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct output out;
    output_init(&out, ends[1]);
    assert_false(output_is_gone(&out));
    close(ends[0]);
    assert_true(output_is_gone(&out));
    output_release(&out);
    assert_int_equal(write_text(ends[1], "x", NULL), OUTPUT_GONE);
    close(ends[1]);
}

static void a_socket_whose_other_end_left_is_gone_too(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    struct output out;
    output_init(&out, ends[1]);
    assert_false(output_is_gone(&out));
    close(ends[0]);
    assert_true(output_is_gone(&out));
    output_release(&out);
    close(ends[1]);
}

static void a_full_disk_and_a_closed_stdout_are_failures(void **state)
{
    (void)state;
    struct error e;
    int full = open("/dev/full", O_WRONLY);
    if (full >= 0) {
        assert_int_equal(write_text(full, "x", &e), OUTPUT_FAILED);
        assert_int_equal(e.kind, ERROR_LOCAL);
        close(full);
    }
    int closed = open("/dev/null", O_RDONLY); /* as file_fill_standard_fds leaves it */
    assert_true(closed >= 0);
    assert_int_equal(write_text(closed, "x", &e), OUTPUT_FAILED);
    close(closed);
}

static void write_open(void *context)
{
    assert_int_equal(write(*(int *)context, "<", 1), 1);
}

static void write_close(void *context)
{
    assert_int_equal(write(*(int *)context, ">", 1), 1);
}

static void a_frame_is_around_each_write(void **state)
{
    (void)state;
    int ends[2];
    char got[16] = "";
    struct output out;
    struct buf b;
    assert_int_equal(pipe(ends), 0);
    struct output_frame frame = {write_open, write_close, &ends[1]};
    output_init(&out, ends[1]);
    buf_init(&b, 100);
    output_set_frame(&out, &frame);
    assert_int_equal(buf_add_str(&b, "a\nb\n"), 0);
    assert_int_equal(output_write(&out, &b, NULL, NULL), OUTPUT_OK);
    output_set_frame(&out, NULL);
    assert_int_equal(buf_add_str(&b, "c\n"), 0);
    assert_int_equal(output_write(&out, &b, NULL, NULL), OUTPUT_OK);
    assert_int_equal(read(ends[0], got, sizeof(got) - 1), 8);
    assert_string_equal(got, "<a\nb\n>c\n");
    buf_release(&b);
    output_release(&out);
    close(ends[0]);
    close(ends[1]);
}

static int set_up(void **state)
{
    (void)state;
    return stop_init(NULL) == ERROR_NONE ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_whole_records),
        cmocka_unit_test(a_reader_that_left_is_an_ordinary_end),
        cmocka_unit_test(a_socket_whose_other_end_left_is_gone_too),
        cmocka_unit_test(a_full_disk_and_a_closed_stdout_are_failures),
        cmocka_unit_test(a_frame_is_around_each_write),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
