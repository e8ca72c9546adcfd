/* SPDX-License-Identifier: MIT */
/*
 * What an outbox does with files that are not what they should be: never sent, never lost.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/outbox.h"
#include "common/hash.h"
#include "scratch.h"

#define ONE "box/new/00000000000000000001"

static struct error e;
static struct outbox o;
static struct outbox_line line;
static struct buf good, now;

static int set_up(void **state)
{
    bool held;
    if (scratch_make(state) || outbox_open(&o, scratch_path("box"), &e) ||
        outbox_lock(&o, &held, &e) || !held)
        return -1;
    line = (struct outbox_line){0};
    buf_init(&good, 65536);
    buf_init(&now, 65536);
    return 0;
}

static int tear_down(void **state)
{
    outbox_line_release(&line);
    outbox_close(&o);
    buf_release(&good);
    buf_release(&now);
    return scratch_remove(state);
}

/* A good line is in new/ and its file in `good`. */
static void add_good(void)
{
    char key[KEY_LEN + 1];
    uint64_t number;
    assert_int_equal(outbox_add(&o, span_of("http://h"), span_of("r"), span_of("m"),
                                span_of("hi\n\xC3\xA5"), key, &number, &e),
                     ERROR_NONE);
    scratch_read(ONE, &good);
    scratch_delete(ONE);
    o.last_number = 0;
}

/* The file is in failed/ as it was, with a reason, and nothing is left in new/. */
static void expect_set_aside(struct span bytes)
{
    bool found = true;
    char name[256], path[600];
    enum error_kind kind = outbox_next(&o, UINT64_MAX, &line, &found, &e);
    assert_int_equal(kind, ERROR_BAD_DATA);
    assert_false(found);
    assert_int_equal(scratch_count("box/new", "", NULL), 0);
    assert_int_equal(scratch_count("box/failed", ".reason", name), 1);
    snprintf(path, sizeof(path), "box/failed/%s", name);
    scratch_read(path, &now);
    assert_true(now.len > 20 && now.data[now.len - 1] == '\n');
    assert_null(memchr(now.data, '\n', now.len - 1));
    scratch_delete(path);
    assert_int_equal(scratch_count("box/failed", "00000000000000000001.damaged-", name), 1);
    assert_non_null(strstr(e.text, name));
    snprintf(path, sizeof(path), "box/failed/%s", name);
    if (bytes.data) {
        scratch_read(path, &now);
        assert_true(span_equal((struct span){now.data, now.len}, bytes));
    }
    enum outbox_state what;
    assert_int_equal(outbox_state(&o, 1, "00000000000000000000000000000000", &what, &e),
                     ERROR_NONE);
    assert_int_equal(what, OUTBOX_SET_ASIDE);
    scratch_delete(path);
    assert_int_equal(outbox_next(&o, UINT64_MAX, &line, &found, &e), ERROR_NONE);
    assert_false(found);
}

static void a_file_cut_anywhere_is_set_aside_as_it_is(void **state)
{
    (void)state;
    add_good();
    for (size_t len = 0; len < good.len; len++) {
        struct span bytes = {good.data, len};
        scratch_write(ONE, bytes);
        expect_set_aside(bytes);
    }
}

static void a_file_with_any_bit_wrong_is_set_aside_as_it_is(void **state)
{
    (void)state;
    add_good();
    for (size_t i = 0; i < good.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            char before = good.data[i];
            good.data[i] = (char)(before ^ (1 << bit));
            struct span bytes = {good.data, good.len};
            scratch_write(ONE, bytes);
            expect_set_aside(bytes);
            good.data[i] = before;
        }
    }
    assert_int_equal(buf_add_char(&good, 'x'), 0);
    scratch_write(ONE, (struct span){good.data, good.len});
    expect_set_aside((struct span){good.data, good.len});
}

/* Files whose checksum is right: somebody else's program wrote them. */
static void what_is_wrong_below_a_right_checksum_is_set_aside(void **state)
{
    (void)state;
#define KEY "0123456789abcdef0123456789abcdef"
    static const struct {
        const char *header, *body;
    } table[] = {
        {"chancat-outbox-1 " KEY " s 1 1 2 ", "abc"},
        {"chancat-outbox-1 " KEY " s 1 1 0 ", "abc"},
        {"chancat-outbox-1 " KEY " s 1 1 -1 ", "a"},
        {"chancat-outbox-1 " KEY " s 01 1 1 ", "abc"},
        {"chancat-outbox-1 " KEY " s 1 1 99999999999999999999 ", "abc"},
        {"chancat-outbox-1 " KEY " s 1 1 1 ", "ab\xFF"},
        {"chancat-outbox-1 " KEY " s 1 1 1 ", "\xC3\xA5g"}, /* cut inside a character */
        {"chancat-outbox-1 " KEY " %FF 1 1 1 ", "abc"},
        {"chancat-outbox-1 " KEY " %4 1 1 1 ", "abc"},
        {"chancat-outbox-1 " KEY " s 1 1 1 1 ", "abc"},
        {"chancat-outbox-1 " KEY " s 1 2 ", "abc"},
        {"chancat-outbox-1 0123456789ABCDEF0123456789ABCDEF s 1 1 1 ", "abc"},
        {"chancat-outbox-1 0123 s 1 1 1 ", "abc"},
        {"chancat-outbox-2 " KEY " s 1 1 1 ", "abc"},
        {"chancat-outbox-1 " KEY " s 1 1 1 ", "abc"}, /* the last one is good */
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        uint64_t sum =
            hash_add(hash_add(HASH_START, span_of(table[i].header)), span_of(table[i].body));
        buf_clear(&good);
        assert_int_equal(buf_addf(&good, "%s%016llx\n%s", table[i].header, (unsigned long long)sum,
                                  table[i].body),
                         0);
        scratch_write(ONE, (struct span){good.data, good.len});
        if (i + 1 < COUNT(table))
            expect_set_aside((struct span){good.data, good.len});
    }
    bool found;
    assert_int_equal(outbox_next(&o, UINT64_MAX, &line, &found, &e), ERROR_NONE);
    assert_true(found);
    assert_true(span_equal(line.content, span_of("c")));
    assert_string_equal(line.key, KEY);
}

static void what_is_no_file_is_set_aside_without_touching_it(void **state)
{
    (void)state;
    scratch_write("secret", span_of("elsewhere"));
    assert_int_equal(symlink(scratch_path("secret"), scratch_path(ONE)), 0);
    expect_set_aside((struct span){0});
    assert_int_equal(symlink("nowhere", scratch_path(ONE)), 0);
    expect_set_aside((struct span){0});
    assert_int_equal(mkfifo(scratch_path(ONE), 0600), 0);
    expect_set_aside((struct span){0});
    assert_int_equal(mkdir(scratch_path(ONE), 0700), 0);
    expect_set_aside((struct span){0});
    scratch_write(ONE, span_of("x"));
    assert_int_equal(truncate(scratch_path(ONE), 1L << 32), 0); /* a hole: nothing on disk */
    expect_set_aside((struct span){0});
    assert_true(scratch_has("secret"));
}

static void two_damaged_files_with_one_number_are_both_kept(void **state)
{
    (void)state;
    bool found;
    scratch_write(ONE, span_of("first"));
    assert_int_equal(outbox_next(&o, UINT64_MAX, &line, &found, &e), ERROR_BAD_DATA);
    scratch_write(ONE, span_of("second"));
    assert_int_equal(outbox_next(&o, UINT64_MAX, &line, &found, &e), ERROR_BAD_DATA);
    assert_int_equal(scratch_count("box/failed", "", NULL), 4);
}

static void other_names_are_left_alone(void **state)
{
    (void)state;
    static const char *const names[] = {
        "box/new/1",
        "box/new/00000000000000000000",
        "box/new/00000000000000000001~",
        "box/new/0000000000000000000a",
        "box/new/99999999999999999999",
        "box/new/.hidden",
    };
    bool found = true;
    int64_t count;
    for (size_t i = 0; i < COUNT(names); i++)
        scratch_write(names[i], span_of("x"));
    assert_int_equal(outbox_next(&o, UINT64_MAX, &line, &found, &e), ERROR_NONE);
    assert_false(found);
    assert_int_equal(outbox_count(&o, UINT64_MAX, &count, &e), ERROR_NONE);
    assert_int_equal(count, 0);
    for (size_t i = 0; i < COUNT(names); i++)
        assert_true(scratch_has(names[i]));
}

static void a_damaged_line_does_not_stop_the_next_one(void **state)
{
    (void)state;
    bool found;
    add_good();
    scratch_write(ONE, span_of("rubbish"));
    scratch_write("box/new/00000000000000000002", (struct span){good.data, good.len});
    assert_int_equal(outbox_next(&o, UINT64_MAX, &line, &found, &e), ERROR_BAD_DATA);
    assert_int_equal(outbox_next(&o, UINT64_MAX, &line, &found, &e), ERROR_NONE);
    assert_true(found);
    assert_int_equal(line.number, 2);
}

/* The disk is full: no reason can be written, so the line stays where it is. */
static void what_cannot_be_set_aside_stays(void **state)
{
    (void)state;
    bool found;
    scratch_write(ONE, span_of("rubbish"));
    scratch_limit(1);
    assert_int_equal(outbox_next(&o, UINT64_MAX, &line, &found, &e), ERROR_LOCAL);
    scratch_limit(-1);
    assert_true(scratch_has(ONE));
    expect_set_aside(span_of("rubbish"));
}

static void expect_tried_without_knowledge(void)
{
    bool found;
    outbox_rewind(&o);
    assert_int_equal(outbox_next(&o, UINT64_MAX, &line, &found, &e), ERROR_NONE);
    assert_true(found);
    assert_int_equal(line.try.watermark, -1);
    assert_int_equal(line.try.attempts, 1);
    assert_int_equal(line.try.first_s, 0);
}

static void a_damaged_try_still_says_that_the_line_was_tried(void **state)
{
    (void)state;
    bool found;
    struct buf try;
    buf_init(&try, 1000);
    add_good();
    scratch_write(ONE, (struct span){good.data, good.len});
    assert_int_equal(outbox_next(&o, UINT64_MAX, &line, &found, &e), ERROR_NONE);
    line.try = (struct outbox_try){.watermark = 12, .attempts = 3, .first_s = 1700000000};
    assert_int_equal(outbox_record_try(&o, &line, &e), ERROR_NONE);
    scratch_read(ONE ".try", &try);
    for (size_t i = 0; i < try.len; i++) {
        scratch_write(ONE ".try", (struct span){try.data, i});
        expect_tried_without_knowledge();
        for (int bit = 0; bit < 8; bit++) {
            char before = try.data[i];
            try.data[i] = (char)(before ^ (1 << bit));
            scratch_write(ONE ".try", (struct span){try.data, try.len});
            expect_tried_without_knowledge();
            try.data[i] = before;
        }
    }
    scratch_delete(ONE ".try");
    assert_int_equal(mkfifo(scratch_path(ONE ".try"), 0600), 0);
    expect_tried_without_knowledge();
    assert_true(scratch_has(ONE));
    buf_release(&try);
}

static void more_lines_than_one_look_remembers_come_in_order(void **state)
{
    (void)state;
    bool found;
    add_good();
    scratch_write("one", (struct span){good.data, good.len});
    enum { LINES = 2 * OUTBOX_SCAN_MAX + 10 };
    int directory = open(scratch_path("box/new"), O_RDONLY | O_DIRECTORY);
    assert_true(directory >= 0);
    for (int i = LINES; i > 0; i--) {
        char name[32], from[32];
        snprintf(name, sizeof(name), "%020d", i);
        /* A file has a limited number of links, so now and then a copy begins. */
        if ((LINES - i) % 30000 == 0) {
            snprintf(from, sizeof(from), "box/new/%020d", i);
            scratch_write(from, (struct span){good.data, good.len});
            continue;
        }
        snprintf(from, sizeof(from), "%020d", i + 1);
        assert_int_equal(linkat(directory, from, directory, name, 0), 0);
    }
    close(directory);
    for (int i = 1; i <= LINES; i++) {
        assert_int_equal(outbox_next(&o, UINT64_MAX, &line, &found, &e), ERROR_NONE);
        assert_true(found);
        assert_int_equal(line.number, i);
    }
    assert_int_equal(outbox_next(&o, UINT64_MAX, &line, &found, &e), ERROR_NONE);
    assert_false(found);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_file_cut_anywhere_is_set_aside_as_it_is),
        TEST(a_file_with_any_bit_wrong_is_set_aside_as_it_is),
        TEST(what_is_wrong_below_a_right_checksum_is_set_aside),
        TEST(what_is_no_file_is_set_aside_without_touching_it),
        TEST(two_damaged_files_with_one_number_are_both_kept),
        TEST(other_names_are_left_alone),
        TEST(a_damaged_line_does_not_stop_the_next_one),
        TEST(what_cannot_be_set_aside_stays),
        TEST(a_damaged_try_still_says_that_the_line_was_tried),
        TEST(more_lines_than_one_look_remembers_come_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
