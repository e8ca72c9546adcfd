/* SPDX-License-Identifier: MIT */
/*
 * The calls that link, rename and put a directory on disk are wrapped, to fail on demand.
 *
 * link: -Wl,--wrap=link,--wrap=rename,--wrap=file_sync_directory
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cursor.h"
#include "common/file.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/record.h"
#include "scratch.h"

static bool no_links, no_renames, no_syncs;

int __real_link(const char *from, const char *to);
int __wrap_link(const char *from, const char *to);
int __wrap_link(const char *from, const char *to)
{
    errno = EPERM;
    return no_links ? -1 : __real_link(from, to);
}

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to)
{
    errno = EIO;
    return no_renames ? -1 : __real_rename(from, to);
}

enum error_kind __real_file_sync_directory(const char *path, struct error *e);
enum error_kind __wrap_file_sync_directory(const char *path, struct error *e);
enum error_kind __wrap_file_sync_directory(const char *path, struct error *e)
{
    return no_syncs ? error_set(e, ERROR_LOCAL, "%s: test", path)
                    : __real_file_sync_directory(path, e);
}

static struct error e;

static enum error_kind open_as(struct cursor *c, const char *name, const char *server,
                               const char *channel)
{
    e.text[0] = '\0';
    enum error_kind kind =
        cursor_open(c, scratch_path(name), span_of(server), span_of(channel), &e);
    assert_null(strchr(e.text, '\n'));
    return kind;
}

static enum error_kind open_it(struct cursor *c)
{
    return open_as(c, "c", "http://h", "room");
}

/* Opens, and it holds this; closes. Id -1: there is no file. */
static void expect(int64_t id, uint64_t fingerprint)
{
    struct cursor c;
    if (open_it(&c))
        fail_msg("%s", e.text);
    assert_int_equal(c.found, id >= 0);
    assert_int_equal(c.saved.id, id < 0 ? 0 : id);
    assert_int_equal(c.saved.fingerprint, fingerprint);
    cursor_close(&c);
    assert_false(scratch_has("c.tmp"));
}

static int warnings;

static void count_warning(void *context)
{
    (void)context;
    warnings++;
}

static void ignore(void *context)
{
    (void)context;
}

static void save(int64_t id, uint64_t fingerprint)
{
    struct cursor c;
    if (open_it(&c) || cursor_save(&c, (struct message_mark){id, fingerprint}, &e))
        fail_msg("%s", e.text);
    assert_true(c.found);
    assert_int_equal(c.saved.id, id);
    cursor_close(&c);
}

static void what_was_saved_comes_back(void **state)
{
    (void)state;
    struct stat info;
    struct buf b;
    buf_init(&b, 1000);
    expect(-1, 0);
    save(0, 0); /* an empty channel is a thing to remember, too */
    expect(0, 0);
    save(INT64_MAX, UINT64_MAX);
    expect(INT64_MAX, UINT64_MAX);
    save(7, 0xabc);
    scratch_read("c", &b);
    assert_memory_equal(b.data, "chancat-cursor-1 7 0000000000000abc http%3A%2F%2Fh room ", 56);
    scratch_read("c.prev", &b);
    assert_memory_equal(b.data, "chancat-cursor-1 9223372036854775807 ", 37);
    assert_int_equal(scratch_count("", "", NULL), 3); /* c, c.prev, c.lock */
    assert_int_equal(stat(scratch_path("c"), &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_int_equal(stat(scratch_path("c.lock"), &info), 0);
    assert_int_equal(info.st_size, 0);
    buf_release(&b);
    struct cursor never = {0};
    cursor_close(&never);
}

static void nothing_is_written_when_it_is_saved_already(void **state)
{
    (void)state;
    struct cursor c;
    struct stat before, after;
    save(7, 8);
    assert_int_equal(open_it(&c), ERROR_NONE); /* which writes it anew */
    assert_int_equal(stat(scratch_path("c"), &before), 0);
    assert_int_equal(cursor_save(&c, (struct message_mark){7, 8}, &e), ERROR_NONE);
    assert_int_equal(stat(scratch_path("c"), &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_false(scratch_has("c.prev"));
    assert_int_equal(cursor_save(&c, (struct message_mark){7, 9}, &e), ERROR_NONE);
    assert_int_equal(stat(scratch_path("c"), &after), 0);
    assert_int_not_equal(before.st_ino, after.st_ino);
    for (int i = 0; i < 3; i++)
        assert_int_equal(cursor_save(&c, (struct message_mark){8 + i, 0}, &e), ERROR_NONE);
    cursor_close(&c);
    expect(10, 0);
}

static void any_name_of_server_and_channel_comes_back(void **state)
{
    (void)state;
    char *large = malloc(1024 * 1024 + 1);
    assert_non_null(large);
    memset(large, '%', 1024 * 1024);
    large[1024 * 1024] = '\0';
    const char *const names[] = {"a b", "\xC3\xA5\nb\r", "a+b&c=d;e%41", "", "\x01\x7F\xFF", large};
    for (size_t i = 0; i < COUNT(names); i++) {
        struct cursor c;
        const char *server = names[i] == large ? "http://h" : names[i];
        for (int turn = 0; turn < 2; turn++) {
            assert_int_equal(open_as(&c, "c", server, names[i]), ERROR_NONE);
            assert_int_equal(c.found, turn);
            assert_int_equal(cursor_save(&c, (struct message_mark){5, 6}, &e), ERROR_NONE);
            cursor_close(&c);
        }
        assert_int_equal(open_as(&c, "c", server, "other"), ERROR_USAGE);
        cursor_close(&c);
        assert_int_equal(open_as(&c, "c", "other", names[i]), ERROR_USAGE);
        cursor_close(&c);
        scratch_delete("c");
    }
    free(large);
}

static void another_channel_is_named_and_nothing_changes(void **state)
{
    (void)state;
    struct cursor c;
    save(7, 8);
    assert_int_equal(open_as(&c, "c", "http://h", "a\nb"), ERROR_USAGE);
    cursor_close(&c);
    assert_non_null(strstr(e.text, "\"room\" of http://h"));
    assert_non_null(strstr(e.text, "\"a\\nb\" of http://h"));
    assert_non_null(strstr(e.text, "remove"));
    expect(7, 8);
}

static void a_damaged_file_is_noticed_and_the_one_before_is_used(void **state)
{
    (void)state;
    struct buf good;
    buf_init(&good, 1000);
    save(1, 11);
    save(2, 22);
    scratch_read("c", &good);
    for (size_t i = 0; i < good.len; i++) {
        scratch_write("c", (struct span){good.data, i});
        expect(1, 11);
        for (int bit = 0; bit < 8; bit++) {
            char before = good.data[i];
            good.data[i] = (char)(before ^ (1 << bit));
            scratch_write("c", (struct span){good.data, good.len});
            expect(1, 11);
            good.data[i] = before;
        }
    }
    assert_int_equal(buf_add_char(&good, '\n'), 0);
    scratch_write("c", (struct span){good.data, good.len});
    expect(1, 11);
    buf_release(&good);
}

static void saving_repairs_and_keeps_the_good_one_meanwhile(void **state)
{
    (void)state;
    struct cursor c;
    save(1, 11);
    save(2, 22);
    scratch_write("c", span_of("x"));
    save(1, 11); /* what FILE.prev holds already, but FILE does not */
    assert_int_equal(rename(scratch_path("c.prev"), scratch_path("good")), 0);
    expect(1, 11);
    assert_int_equal(rename(scratch_path("good"), scratch_path("c.prev")), 0);
    scratch_write("c", span_of("x"));
    assert_int_equal(open_it(&c), ERROR_NONE);
    assert_int_equal(cursor_save(&c, (struct message_mark){3, 33}, &e), ERROR_NONE);
    scratch_write("c", span_of("")); /* the damaged one did not become FILE.prev */
    cursor_close(&c);
    expect(1, 11);
    assert_int_equal(open_it(&c), ERROR_NONE);
    assert_int_equal(cursor_save(&c, (struct message_mark){4, 44}, &e), ERROR_NONE);
    assert_int_equal(cursor_save(&c, (struct message_mark){5, 55}, &e), ERROR_NONE);
    cursor_close(&c);
    scratch_write("c", span_of(""));
    expect(4, 44); /* from then on all is as always */
}

/* With a checksum that is right: somebody else's program wrote it. */
static void what_is_wrong_below_a_right_checksum_is_damage(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "chancat-cursor-1 -1 0000000000000000 http%3A%2F%2Fh room ",
        "chancat-cursor-1 1 0 http%3A%2F%2Fh room ",
        "chancat-cursor-1 1 0000000000000000 http%3A%2F%2Fh room more ",
        "chancat-cursor-2 1 0000000000000000 http%3A%2F%2Fh room ",
        "chancat-cursor-1 1 0000000000000000 http%3A%2F%2Fh room ",
        "chancat-cursor-1 1 0000000000000000 http%3A%2F%2Fh room ",
    };
    struct buf b;
    buf_init(&b, 1000);
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct cursor c;
        bool last = i + 1 == COUNT(lines), longer = i + 2 == COUNT(lines);
        uint64_t sum = hash_add(HASH_START, span_of(lines[i]));
        buf_clear(&b);
        assert_int_equal(buf_add_str(&b, lines[i]), 0);
        assert_int_equal(record_end(&b, longer ? hash_add(sum, span_of("more\n")) : sum), 0);
        assert_int_equal(buf_add_str(&b, longer ? "more\n" : ""), 0);
        scratch_write("c", (struct span){b.data, b.len});
        assert_int_equal(open_it(&c), last ? ERROR_NONE : ERROR_LOCAL);
        cursor_close(&c);
    }
    buf_release(&b);
}

static void without_a_good_file_no_run_starts(void **state)
{
    (void)state;
    struct cursor c;
    scratch_write("c", span_of("x"));
    assert_int_equal(open_it(&c), ERROR_LOCAL);
    assert_non_null(strstr(e.text, "c.prev, is missing"));
    cursor_close(&c);
    scratch_write("c.prev", span_of("y"));
    assert_int_equal(open_it(&c), ERROR_LOCAL);
    assert_non_null(strstr(e.text, "damaged, too"));
    assert_non_null(strstr(e.text, "remove"));
    cursor_close(&c);
    scratch_delete("c");
    expect(-1, 0); /* removed by a person: a new start */
    scratch_delete("c.prev");
    save(1, 1);
    save(2, 2);
    scratch_write("c", span_of("x"));
    assert_int_equal(open_as(&c, "c", "http://h", "other"), ERROR_USAGE);
    cursor_close(&c);
    log_set_guard(count_warning, ignore, NULL);
    log_set_level(LOG_NORMAL);
    expect(1, 1);
    log_set_level(LOG_QUIET);
    log_set_guard(NULL, NULL, NULL);
    assert_int_equal(warnings, 1);
}

static void a_second_run_is_refused(void **state)
{
    (void)state;
    struct cursor one, two;
    assert_int_equal(open_it(&one), ERROR_NONE);
    assert_int_equal(symlink("c", scratch_path("alias")), 0);
    assert_int_equal(open_it(&two), ERROR_LOCAL);
    assert_non_null(strstr(e.text, "another run"));
    cursor_close(&two);
    assert_int_equal(cursor_save(&one, (struct message_mark){1, 2}, &e), ERROR_NONE);
    assert_int_equal(open_as(&two, "alias", "http://h", "room"), ERROR_LOCAL);
    assert_non_null(strstr(e.text, "another run"));
    cursor_close(&two);
    cursor_close(&one);
    expect(1, 2);
}

static void a_full_disk_leaves_what_was_there(void **state)
{
    (void)state;
    struct cursor c;
    save(7, 8);
    save(8, 9);
    assert_int_equal(open_it(&c), ERROR_NONE);
    scratch_limit(20);
    assert_int_equal(cursor_save(&c, (struct message_mark){9, 9}, &e), ERROR_LOCAL);
    assert_non_null(strstr(e.text, strerror(EFBIG)));
    assert_int_equal(c.saved.id, 8);
    cursor_close(&c);
    assert_false(scratch_has("c.tmp"));
    assert_int_equal(open_it(&c), ERROR_LOCAL); /* noticed before anything is printed */
    cursor_close(&c);
    scratch_limit(-1);
    expect(8, 9);
    scratch_write("c", span_of("x"));
    expect(7, 8);
}

static void a_failed_save_can_be_done_again(void **state)
{
    (void)state;
    struct cursor c;
    save(7, 8);
    assert_int_equal(open_it(&c), ERROR_NONE);
    no_renames = true;
    assert_int_equal(cursor_save(&c, (struct message_mark){9, 9}, &e), ERROR_LOCAL);
    no_renames = false;
    assert_false(scratch_has("c.tmp"));
    no_syncs = true;
    assert_int_equal(cursor_save(&c, (struct message_mark){9, 9}, &e), ERROR_LOCAL);
    assert_int_equal(c.saved.id, 7);
    no_syncs = false;
    assert_int_equal(cursor_save(&c, (struct message_mark){9, 9}, &e), ERROR_NONE);
    cursor_close(&c);
    expect(9, 9);
    no_syncs = true;
    assert_int_equal(open_it(&c), ERROR_LOCAL);
    no_syncs = false;
    cursor_close(&c);
}

static void works_where_there_are_no_hard_links(void **state)
{
    (void)state;
    save(1, 1);
    no_links = true;
    save(2, 2);
    no_links = false;
    expect(2, 2);
    assert_false(scratch_has("c.prev"));
}

static void a_link_stays_a_link(void **state)
{
    (void)state;
    struct cursor c;
    struct stat info;
    assert_int_equal(mkdir(scratch_path("d"), 0700), 0);
    assert_int_equal(symlink("d/real", scratch_path("c")), 0);
    assert_int_equal(open_it(&c), ERROR_LOCAL); /* it leads nowhere */
    assert_non_null(strstr(e.text, "symbolic link"));
    cursor_close(&c);
    assert_int_equal(open_as(&c, "d/real", "http://h", "room"), ERROR_NONE);
    assert_int_equal(cursor_save(&c, (struct message_mark){1, 1}, &e), ERROR_NONE);
    cursor_close(&c);
    save(2, 2);
    assert_int_equal(lstat(scratch_path("c"), &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_true(scratch_has("d/real.prev"));
    assert_int_equal(scratch_count("", "", NULL), 2);
    assert_int_equal(open_as(&c, "d/real", "http://h", "room"), ERROR_NONE);
    assert_int_equal(c.saved.id, 2);
    cursor_close(&c);
}

static void what_is_no_file_is_refused(void **state)
{
    (void)state;
    struct cursor c;
    assert_int_equal(mkdir(scratch_path("d"), 0700), 0);
    assert_int_equal(mkfifo(scratch_path("fifo"), 0600), 0);
    assert_int_equal(symlink("fifo", scratch_path("link")), 0);
    static const char *const names[] = {"d", "d/", "fifo", "link"};
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_int_equal(open_as(&c, names[i], "s", "c"), ERROR_USAGE);
        cursor_close(&c);
    }
    char longest[CURSOR_PATH_MAX + 2];
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    const char *const paths[] = {"", "/dev/null", longest};
    for (size_t i = 0; i < COUNT(paths); i++) {
        assert_int_equal(cursor_open(&c, paths[i], span_of("s"), span_of("c"), &e), ERROR_USAGE);
        cursor_close(&c);
    }
    assert_int_equal(open_as(&c, "none/c", "s", "c"), ERROR_LOCAL);
    cursor_close(&c);
    assert_int_equal(scratch_count("", "", NULL), 3);
}

static void what_a_killed_run_left_is_no_obstacle(void **state)
{
    (void)state;
    save(1, 1);
    scratch_write("c.tmp", span_of("half"));
    expect(1, 1);
    scratch_write("c.tmp", span_of("half"));
    save(2, 2);
    expect(2, 2);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)
    log_init("test", LOG_QUIET);
    const struct CMUnitTest tests[] = {
        TEST(what_was_saved_comes_back),
        TEST(nothing_is_written_when_it_is_saved_already),
        TEST(any_name_of_server_and_channel_comes_back),
        TEST(another_channel_is_named_and_nothing_changes),
        TEST(a_damaged_file_is_noticed_and_the_one_before_is_used),
        TEST(saving_repairs_and_keeps_the_good_one_meanwhile),
        TEST(what_is_wrong_below_a_right_checksum_is_damage),
        TEST(without_a_good_file_no_run_starts),
        TEST(a_second_run_is_refused),
        TEST(a_full_disk_leaves_what_was_there),
        TEST(a_failed_save_can_be_done_again),
        TEST(works_where_there_are_no_hard_links),
        TEST(a_link_stays_a_link),
        TEST(what_is_no_file_is_refused),
        TEST(what_a_killed_run_left_is_no_obstacle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
