/* SPDX-License-Identifier: MIT */
/*
 * Lines that are put into an outbox together: which of them are accepted, whatever fails. The calls
 * that make a file or a directory durable, and that link, are wrapped, to fail on demand.
 *
 * Reading a directory is wrapped, too.
 *
 * link: -Wl,--wrap=link,--wrap=fsync,--wrap=file_sync_directory,--wrap=readdir
 */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/outbox.h"
#include "common/file.h"
#include "scratch.h"

static int directory_syncs, fail_directory_sync, fsyncs, fail_fsync, links, fail_link, vanish;

enum error_kind __real_file_sync_directory(const char *path, struct error *e);
enum error_kind __wrap_file_sync_directory(const char *path, struct error *e);
enum error_kind __wrap_file_sync_directory(const char *path, struct error *e)
{
    if (++directory_syncs == fail_directory_sync)
        return error_set(e, ERROR_LOCAL, "no directory sync");
    return __real_file_sync_directory(path, e);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    if (++fsyncs == fail_fsync) {
        errno = EIO;
        return -1;
    }
    return __real_fsync(fd);
}

int __real_link(const char *from, const char *to);
int __wrap_link(const char *from, const char *to);
int __wrap_link(const char *from, const char *to)
{
    if (++links == vanish)
        unlink(from);
    if (links == fail_link) {
        errno = ENOSPC;
        return -1;
    }
    return __real_link(from, to);
}

static const char *unseen; /* as if it came just behind the reader, so often: */
static int unseen_times;

struct dirent *__real_readdir(DIR *d);
struct dirent *__wrap_readdir(DIR *d);
struct dirent *__wrap_readdir(DIR *d)
{
    struct dirent *entry = __real_readdir(d);
    if (entry && unseen && unseen_times > 0 && strcmp(entry->d_name, unseen) == 0) {
        unseen_times--;
        entry = __real_readdir(d);
    }
    return entry;
}

static struct error e;
static struct outbox o;

static int set_up(void **state)
{
    if (scratch_make(state) || outbox_open(&o, scratch_path("box"), &e))
        return -1;
    unseen = NULL;
    directory_syncs = fail_directory_sync = fsyncs = fail_fsync = links = fail_link = vanish = 0;
    return 0;
}

static int tear_down(void **state)
{
    outbox_close(&o);
    return scratch_remove(state);
}

static enum error_kind put(const char *content)
{
    struct span x = span_of("x");
    return outbox_put_line(&o, x, x, x, span_of(content), &e);
}

static void put_many(int count)
{
    for (int i = 1; i <= count; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%d", i);
        assert_int_equal(put(text), ERROR_NONE);
    }
}

/* So many of the group are accepted, and these are what waits, in order. */
static void expect_accepted(size_t count, enum error_kind kind)
{
    size_t accepted;
    uint64_t number = 0;
    char key[KEY_LEN + 1] = "";
    bool found, held;
    struct outbox_line line = {0};
    assert_int_equal(outbox_commit(&o, &accepted, key, &number, &e), kind);
    assert_int_equal(accepted, count);
    assert_int_equal(o.group_count, 0);
    assert_int_equal(scratch_count("box/tmp", "", NULL), 0);
    assert_int_equal(scratch_count("box/new", "", NULL), count);
    assert_int_equal(outbox_lock(&o, &held, &e), ERROR_NONE);
    for (size_t i = 1; i <= count; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%zu", i);
        assert_int_equal(outbox_next(&o, UINT64_MAX, &line, &found, &e), ERROR_NONE);
        assert_true(found && span_equal(line.content, span_of(text)));
    }
    if (count > 0) {
        assert_int_equal(line.number, number);
        assert_string_equal(line.key, key);
    }
    outbox_line_release(&line);
}

static void a_group_waits_for_the_directory_once(void **state)
{
    (void)state;
    put_many(OUTBOX_GROUP_MAX);
    assert_int_equal(scratch_count("box/new", "", NULL), 0); /* nobody sees them before */
    assert_int_equal(fsyncs, 0);
    expect_accepted(OUTBOX_GROUP_MAX, ERROR_NONE);
    assert_int_equal(directory_syncs, 1);
}

static void nothing_is_a_group_too(void **state)
{
    (void)state;
    expect_accepted(0, ERROR_NONE);
    assert_int_equal(directory_syncs, 0);
}

static void what_was_not_committed_is_nowhere(void **state)
{
    (void)state;
    put_many(3);
    outbox_close(&o);
    assert_int_equal(scratch_count("box/tmp", "", NULL), 0);
    assert_int_equal(scratch_count("box/new", "", NULL), 0);
    assert_int_equal(outbox_open(&o, scratch_path("box"), &e), ERROR_NONE);
    directory_syncs = 0;
    put_many(2);
    outbox_abandon(&o);
    expect_accepted(0, ERROR_NONE);
}

static void a_line_that_cannot_be_written_leaves_the_group_as_it_is(void **state)
{
    (void)state;
    put_many(2);
    scratch_limit(10);
    assert_int_equal(put("3"), ERROR_LOCAL);
    scratch_limit(-1);
    assert_int_equal(put("\xFF"), ERROR_BAD_DATA);
    expect_accepted(2, ERROR_NONE);
}

static void those_before_one_that_fails_are_accepted(void **state)
{
    (void)state;
    put_many(4);
    fail_fsync = 3;
    expect_accepted(2, ERROR_LOCAL);
    assert_int_equal(tear_down(state), 0);
    assert_int_equal(set_up(state), 0);
    put_many(4);
    fail_link = 2;
    expect_accepted(1, ERROR_LOCAL);
}

static void none_is_accepted_when_the_directory_is_not_on_disk(void **state)
{
    (void)state;
    put_many(4);
    fail_directory_sync = 1;
    expect_accepted(0, ERROR_LOCAL);
    assert_string_equal(e.text, "no directory sync");
}

static void a_file_whose_name_was_taken_away_is_made_anew_in_its_place(void **state)
{
    (void)state;
    put_many(4);
    vanish = 2;
    expect_accepted(4, ERROR_NONE);
}

/* The numbers that are given out. */
static void expect_order(const char *order)
{
    char numbers[64] = "";
    bool found, held;
    struct outbox_line line = {0};
    assert_int_equal(outbox_lock(&o, &held, &e), ERROR_NONE);
    while (outbox_next(&o, UINT64_MAX, &line, &found, &e) == ERROR_NONE && found) {
        size_t len = strlen(numbers);
        snprintf(numbers + len, sizeof(numbers) - len, "%d", (int)line.number);
    }
    assert_string_equal(numbers, order);
    outbox_line_release(&line);
    outbox_rewind(&o);
    outbox_unlock(&o);
}

static void lines_that_come_while_the_directory_is_read_keep_their_order(void **state)
{
    (void)state;
    put_many(4);
    expect_accepted(4, ERROR_NONE);
    outbox_rewind(&o);
    outbox_unlock(&o);
    static const char *const names[] = {"00000000000000000001", "00000000000000000002",
                                        "00000000000000000003", "00000000000000000004"};
    for (size_t i = 0; i < COUNT(names); i++) {
        unseen = names[i];
        unseen_times = 2; /* the first time it is the cleaner's look */
        expect_order("1234");
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_group_waits_for_the_directory_once),
        TEST(nothing_is_a_group_too),
        TEST(what_was_not_committed_is_nowhere),
        TEST(a_line_that_cannot_be_written_leaves_the_group_as_it_is),
        TEST(those_before_one_that_fails_are_accepted),
        TEST(none_is_accepted_when_the_directory_is_not_on_disk),
        TEST(lines_that_come_while_the_directory_is_read_keep_their_order),
        TEST(a_file_whose_name_was_taken_away_is_made_anew_in_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
