/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/input.h"
#include "common/clock.h"
#include "common/stop.h"

/* Everything that comes of `bytes` written to a pipe, as text: records in <>, '!' for too long. */
static void read_all(const char *bytes, size_t len, bool null_ended, size_t max_bytes,
                     struct buf *all)
{
    int ends[2];
    struct input in;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(input_init(&in, ends[0], null_ended, max_bytes, NULL), ERROR_NONE);
    assert_int_equal(write(ends[1], bytes, len), (ssize_t)len);
    close(ends[1]);
    buf_clear(all);
    enum input_result r;
    struct span record;
    while ((r = input_next(&in, CLOCK_NEVER, &record, NULL)) != INPUT_END) {
        assert_true(r == INPUT_RECORD || r == INPUT_TOO_LONG);
        assert_int_equal(r == INPUT_RECORD ? buf_addf(all, "<%.*s>", (int)record.len, record.data)
                                           : buf_addf(all, "!%d", (int)in.line),
                         0);
    }
    assert_int_equal(input_count_rest(&in), 0);
    input_release(&in);
    close(ends[0]);
}

static void cuts_records(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *records;
        bool null_ended;
    } table[] = {
        {"", "", false},
        {"a\nb\n", "<a><b>", false},
        {"a\nb", "<a><b>", false},
        {"a\r\nb\r\n", "<a><b>", false},
        {"a\r", "<a\r>", false}, /* no newline follows */
        {"\n\r\n x", "<><>< x>", false},
        {"12345678\n", "<12345678>", false},
        {"12345678\r\n", "<12345678>", false},
        {"a\n123456789\nb\n123456789012345678", "<a>!2<b>!4", false},
        {"a\nb", "<a\nb>", true},
    };
    struct buf all;
    buf_init(&all, 1000);
    for (size_t i = 0; i < COUNT(table); i++) {
        read_all(table[i].bytes, strlen(table[i].bytes), table[i].null_ended, 8, &all);
        assert_true(span_equal((struct span){all.data, all.len}, span_of(table[i].records)));
    }
    read_all("a\nb\0c", 5, true, 8, &all);
    assert_buf(all, "<a\nb><c>");
    buf_release(&all);
}

/* A pipe gives at most 64 KiB at once, so this record comes in many reads. */
static void a_long_record_is_passed_over_in_bounded_memory(void **state)
{
    (void)state;
    char path[] = "input-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    char *long_line = malloc(3000000);
    assert_non_null(long_line);
    memset(long_line, 'x', 3000000);
    memcpy(long_line, "first\n", 6);
    memcpy(long_line + 2999994, "\nlast\n", 6);
    assert_int_equal(write(fd, long_line, 3000000), 3000000);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    struct input in;
    struct span record;
    assert_int_equal(input_init(&in, fd, false, 100000, NULL), ERROR_NONE);
    assert_int_equal(input_next(&in, CLOCK_NEVER, &record, NULL), INPUT_RECORD);
    assert_true(span_equal(record, span_of("first")));
    assert_int_equal(input_next(&in, CLOCK_NEVER, &record, NULL), INPUT_TOO_LONG);
    assert_int_equal(in.line, 2);
    assert_true(in.bytes.size <= 100000 + 2 * INPUT_READ_BYTES + 2);
    assert_int_equal(input_next(&in, CLOCK_NEVER, &record, NULL), INPUT_RECORD);
    assert_true(span_equal(record, span_of("last")));
    assert_int_equal(in.line, 3);
    assert_int_equal(input_next(&in, CLOCK_NEVER, &record, NULL), INPUT_END);
    input_release(&in);
    free(long_line);
    close(fd);
}

static void a_stop_still_gives_out_what_was_read(void **state)
{
    (void)state;
    int ends[2];
    struct input in;
    struct span record;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(input_init(&in, ends[0], false, 100, NULL), ERROR_NONE);
    assert_int_equal(write(ends[1], "a\nb\nc", 5), 5);
    assert_int_equal(input_next(&in, CLOCK_NEVER, &record, NULL), INPUT_RECORD);
    assert_int_equal(input_count_rest(&in), 2);
    input_stop(&in);
    assert_int_equal(input_next(&in, CLOCK_NEVER, &record, NULL), INPUT_RECORD);
    assert_true(span_equal(record, span_of("b")));
    assert_int_equal(input_next(&in, CLOCK_NEVER, &record, NULL),
                     INPUT_END); /* "c" may go on: no record */
    assert_int_equal(input_count_rest(&in), 0);
    input_release(&in);
    close(ends[0]);
    close(ends[1]);
}

static void a_watched_descriptor_that_goes_away_ends_reading(void **state)
{
    (void)state;
    int ends[2], watched[2];
    struct input in;
    struct span record;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pipe(watched), 0);
    assert_int_equal(input_init(&in, ends[0], false, 100, NULL), ERROR_NONE);
    in.watch_fd = watched[1];
    close(watched[0]);
    assert_int_equal(input_next(&in, CLOCK_NEVER, &record, NULL), INPUT_END);
    input_release(&in);
    close(ends[0]);
    close(ends[1]);
    close(watched[1]);
}

static void a_closed_stdin_is_told(void **state)
{
    (void)state;
    int ends[2];
    struct input in;
    struct span record;
    struct error e;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(input_init(&in, ends[1], false, 100, NULL), ERROR_NONE); /* the wrong end */
    close(ends[0]);
    assert_int_equal(input_next(&in, CLOCK_NEVER, &record, &e), INPUT_FAILED);
    assert_int_equal(e.kind, ERROR_LOCAL);
    input_release(&in);
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
        cmocka_unit_test(cuts_records),
        cmocka_unit_test(a_long_record_is_passed_over_in_bounded_memory),
        cmocka_unit_test(a_stop_still_gives_out_what_was_read),
        cmocka_unit_test(a_watched_descriptor_that_goes_away_ends_reading),
        cmocka_unit_test(a_closed_stdin_is_told),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
