/* SPDX-License-Identifier: MIT */
/*
 * The record of a batch: damaged in any way it stops the batch, and whatever its writer had left to
 * do is done by the next one. The call that puts a directory on disk is wrapped, to fail on demand.
 *
 * link: -Wl,--wrap=file_sync_directory
 */
#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/outbox_batch.h"
#include "common/file.h"
#include "scratch.h"

#define NAME   "batch-00000000000000000001-00000000000000000003"
#define STORED "stored-00000000000000000001-00000000000000000003"
#define SERVER "http://h:1/a b"

static int syncs_until_failure = -1;

enum error_kind __real_file_sync_directory(const char *path, struct error *e);
enum error_kind __wrap_file_sync_directory(const char *path, struct error *e);
enum error_kind __wrap_file_sync_directory(const char *path, struct error *e)
{
    if (syncs_until_failure >= 0 && syncs_until_failure-- == 0)
        return error_set(e, ERROR_LOCAL, "cannot put %s on disk: test", path);
    return __real_file_sync_directory(path, e);
}

static struct error e;
static struct outbox o;
static struct outbox_line line;
static struct outbox_batch batch, found;

static int set_up(void **state)
{
    bool held;
    syncs_until_failure = -1;
    line = (struct outbox_line){0};
    outbox_batch_init(&batch);
    outbox_batch_init(&found);
    return scratch_make(state) || outbox_open(&o, scratch_path("box"), &e) ||
                   outbox_lock(&o, &held, &e) || !held
               ? -1
               : 0;
}

static int tear_down(void **state)
{
    outbox_line_release(&line);
    outbox_batch_release(&batch);
    outbox_batch_release(&found);
    outbox_close(&o);
    return scratch_remove(state);
}

static void add_line(const char *server, const char *content)
{
    uint64_t number;
    char key[KEY_LEN + 1];
    assert_int_equal(outbox_add(&o, span_of(server), span_of("c"), span_of("me"), span_of(content),
                                key, &number, &e),
                     ERROR_NONE);
}

/* `count` lines, in a batch that was tried. */
static void make_batch(const char *server, int count)
{
    bool given;
    assert_int_equal(outbox_batch_begin(&batch, span_of(server), &e), ERROR_NONE);
    for (int i = 0; i < count; i++)
        add_line(server, "x");
    for (int i = 0; i < count; i++) {
        assert_int_equal(outbox_next(&o, UINT64_MAX, &line, &given, &e), ERROR_NONE);
        assert_true(given && outbox_batch_add(&batch, &line));
    }
    batch.try = (struct outbox_try){.watermark = 7, .attempts = 2, .first_s = 1700000000};
    batch.try.keyed = true;
    assert_int_equal(outbox_batch_record(&o, &batch, &e), ERROR_NONE);
}

static enum error_kind load(void)
{
    return outbox_batch_load(&o, span_of(SERVER), &found, &e);
}

static void expect_same(void)
{
    assert_int_equal(load(), ERROR_NONE);
    assert_int_equal(found.first, batch.first);
    assert_int_equal(found.last, batch.last);
    assert_string_equal(found.key, batch.key);
    assert_int_equal(found.state, batch.state);
    assert_int_equal(found.done, batch.done);
    assert_int_equal(found.try.watermark, batch.try.watermark);
    assert_int_equal(found.try.attempts, batch.try.attempts);
    assert_int_equal(found.try.first_s, batch.try.first_s);
    assert_int_equal(found.try.keyed, batch.try.keyed);
    assert_int_equal(outbox_batch_count(&found), outbox_batch_count(&batch));
    for (size_t i = 0; i < outbox_batch_count(&batch); i++) {
        assert_int_equal(outbox_batch_at(&found, i)->number, outbox_batch_at(&batch, i)->number);
        assert_string_equal(outbox_batch_at(&found, i)->key, outbox_batch_at(&batch, i)->key);
    }
}

static void expect_none(void)
{
    assert_int_equal(load(), ERROR_NONE);
    assert_int_equal(found.first, 0);
    assert_int_equal(outbox_batch_count(&found), 0);
}

static void a_record_comes_back_as_it_was(void **state)
{
    (void)state;
    expect_none();
    make_batch(SERVER, 3);
    assert_true(scratch_has("box/" NAME));
    assert_int_equal(batch.first, 1);
    assert_int_equal(batch.last, 3);
    expect_same();
    batch.state = OUTBOX_BATCH_ANSWERED;
    batch.try.watermark = -1;
    batch.try.keyed = false;
    batch.done = 1;
    assert_int_equal(outbox_batch_record(&o, &batch, &e), ERROR_NONE);
    expect_same();
    assert_int_equal(outbox_batch_forget(&o, &batch, &e), ERROR_NONE);
    expect_none();
    assert_int_equal(scratch_count("box/new", "", NULL), 2); /* the first had been dealt with */
}

static void a_record_of_as_many_lines_as_can_be_fits(void **state)
{
    (void)state;
    assert_int_equal(outbox_batch_begin(&batch, span_of(SERVER), &e), ERROR_NONE);
    batch.try.attempts = 1;
    line.number = INT64_MAX - BATCH_LINES_MAX;
    memset(line.key, 'a', KEY_LEN);
    for (unsigned i = 0; i < BATCH_LINES_MAX; i++, line.number++)
        assert_true(outbox_batch_add(&batch, &line));
    assert_false(outbox_batch_add(&batch, &line));
    assert_int_equal(outbox_batch_record(&o, &batch, &e), ERROR_NONE);
    expect_same();
}

/* The record is this; it says that all lines with its numbers may be stored, and no more. */
static void expect_damaged(struct span bytes)
{
    scratch_write("box/" NAME, bytes);
    if (load() != ERROR_BAD_DATA)
        fail_msg("taken for a record: %.*s", (int)bytes.len, bytes.data);
    assert_int_equal(found.first, 1);
    assert_int_equal(found.last, 3);
    assert_non_null(strstr(e.text, NAME));
    assert_int_equal(scratch_count("box/new", "", NULL), 3);
}

static void a_record_with_any_damage_says_that_all_may_be_stored(void **state)
{
    (void)state;
    struct buf good;
    buf_init(&good, 65536);
    make_batch(SERVER, 3);
    scratch_read("box/" NAME, &good);
    for (size_t len = 0; len < good.len; len++)
        expect_damaged((struct span){good.data, len});
    for (size_t i = 0; i < good.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            good.data[i] = (char)(good.data[i] ^ (1 << bit));
            expect_damaged((struct span){good.data, good.len});
            good.data[i] = (char)(good.data[i] ^ (1 << bit));
        }
    }
    assert_int_equal(outbox_batch_forget(&o, &found, &e), ERROR_NONE);
    assert_false(scratch_has("box/" NAME));
    scratch_write("box/batch-00000000000000000001-00000000000000000004",
                  (struct span){good.data, good.len}); /* another one's name */
    assert_int_equal(load(), ERROR_BAD_DATA);
    assert_int_equal(found.last, 4);
    buf_release(&good);
}

static void lines_of_a_stored_batch_are_removed_whenever_that_was_broken_off(void **state)
{
    (void)state;
    for (int failing = 0; failing <= 1; failing++) {
        make_batch(SERVER, 3);
        syncs_until_failure = failing; /* the record's new name; the lines that are gone */
        assert_int_equal(outbox_batch_stored(&o, &batch, &e), ERROR_LOCAL);
        assert_true(scratch_has("box/" STORED));
        assert_int_equal(scratch_count("box/new", "", NULL), failing ? 0 : 3);
        syncs_until_failure = -1;
        outbox_close(&o);
        bool held;
        assert_int_equal(outbox_open(&o, scratch_path("box"), &e), ERROR_NONE);
        assert_int_equal(outbox_lock(&o, &held, &e), ERROR_NONE);
        expect_none();
        assert_int_equal(scratch_count("box/new", "", NULL), 0);
        assert_int_equal(scratch_count("box", "-", NULL), 0);
    }
    make_batch(SERVER, 3);
    assert_int_equal(outbox_batch_stored(&o, &batch, &e), ERROR_NONE);
    assert_int_equal(scratch_count("box/new", "", NULL), 0);
    assert_int_equal(scratch_count("box", "-", NULL), 0);
}

static void that_is_done_for_other_servers_too_and_no_more(void **state)
{
    (void)state;
    make_batch("http://other", 3);
    expect_none();
    assert_true(scratch_has("box/" NAME));
    assert_int_equal(rename(scratch_path("box/" NAME), scratch_path("box/" STORED)), 0);
    expect_none();
    assert_int_equal(scratch_count("box", "-", NULL), 0);
    assert_int_equal(scratch_count("box/new", "", NULL), 0);
}

static void lines_that_got_the_numbers_later_stay(void **state)
{
    (void)state;
    make_batch(SERVER, 3);
    assert_int_equal(rename(scratch_path("box/" NAME), scratch_path("box/" STORED)), 0);
    for (int i = 1; i <= 3; i++) {
        char name[64];
        snprintf(name, sizeof(name), "box/new/%020d", i);
        scratch_delete(name);
    }
    struct outbox fresh;
    assert_int_equal(outbox_open(&fresh, scratch_path("box"), &e), ERROR_NONE);
    uint64_t number;
    char key[KEY_LEN + 1];
    struct span x = span_of("x");
    assert_int_equal(outbox_add(&fresh, x, x, x, x, key, &number, &e), ERROR_NONE);
    assert_int_equal(number, 1);
    outbox_close(&fresh);
    expect_none();
    assert_int_equal(scratch_count("box/new", "", NULL), 1);
}

static void one_that_is_apart_moves_on_before_its_line_goes(void **state)
{
    (void)state;
    make_batch(SERVER, 3);
    batch.state = OUTBOX_BATCH_APART;
    assert_int_equal(outbox_batch_record(&o, &batch, &e), ERROR_NONE);
    syncs_until_failure = 1; /* the record is there, the line is not gone yet */
    scratch_write("box/new/00000000000000000001.try", span_of("x"));
    assert_int_equal(outbox_batch_next(&o, &batch, 0, 40, &e), ERROR_LOCAL);
    syncs_until_failure = -1;
    assert_true(scratch_has("box/new/00000000000000000001.try"));
    assert_int_equal(batch.done, 1);
    assert_int_equal(batch.try.watermark, 40);
    expect_same();
    assert_int_equal(scratch_count("box/new", "", NULL), 2);
    assert_int_equal(outbox_batch_next(&o, &found, 1, 0, &e), ERROR_NONE); /* was set aside */
    assert_int_equal(scratch_count("box/new", "", NULL), 2);
    assert_int_equal(outbox_batch_next(&o, &found, 2, 30, &e), ERROR_NONE);
    assert_int_equal(scratch_count("box", "-", NULL), 0);
    assert_false(scratch_has("box/new/00000000000000000003"));
    assert_true(scratch_has("box/new/00000000000000000002")); /* nobody's business here */
}

static void one_that_is_apart_ends_when_none_of_its_lines_waits(void **state)
{
    (void)state;
    make_batch(SERVER, 3);
    batch.state = OUTBOX_BATCH_APART;
    assert_int_equal(outbox_batch_record(&o, &batch, &e), ERROR_NONE);
    scratch_delete("box/new/00000000000000000001");
    scratch_delete("box/new/00000000000000000003");
    expect_same();
    scratch_delete("box/new/00000000000000000002");
    expect_none();
    assert_false(scratch_has("box/" NAME));
}

static void what_is_no_record_is_no_outbox(void **state)
{
    (void)state;
    static const char *const names[] = {"batch-",
                                        "batch-1-2",
                                        "batch",
                                        "stored-00000000000000000001",
                                        "batch-00000000000000000003-00000000000000000001",
                                        "batch-00000000000000000001-00000000000000000003.tmp"};
    for (size_t i = 0; i < COUNT(names); i++) {
        char path[128];
        struct outbox other;
        snprintf(path, sizeof(path), "box/%s", names[i]);
        scratch_write(path, span_of("x"));
        expect_none();
        assert_int_equal(outbox_open(&other, scratch_path("box"), &e), ERROR_LOCAL);
        outbox_close(&other);
        scratch_delete(path);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_record_comes_back_as_it_was),
        TEST(a_record_of_as_many_lines_as_can_be_fits),
        TEST(a_record_with_any_damage_says_that_all_may_be_stored),
        TEST(lines_of_a_stored_batch_are_removed_whenever_that_was_broken_off),
        TEST(that_is_done_for_other_servers_too_and_no_more),
        TEST(lines_that_got_the_numbers_later_stay),
        TEST(one_that_is_apart_moves_on_before_its_line_goes),
        TEST(one_that_is_apart_ends_when_none_of_its_lines_waits),
        TEST(what_is_no_record_is_no_outbox),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
