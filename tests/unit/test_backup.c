/* SPDX-License-Identifier: MIT */
/*
 * Copies of a database, and that nothing is left of one that failed.
 */
#include "unit.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/stop.h"
#include "server/backup.h"
#include "unit/scratch.h"
#include "unit/store_fixture.h"

static int set_up(void **state)
{
    return sqlite_set_up(state) || scratch_make(state);
}

static int tear_down(void **state)
{
    return scratch_remove(state) || store_tear_down(state);
}

/* So many messages without the store, which need not be open. */
static void fill(struct fixture *f, int messages)
{
    char sql[300];
    snprintf(sql, sizeof(sql),
             "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
             " INSERT INTO message (channel, sender, content, time)"
             " SELECT 'c', 's', printf('%%0100d', i), 7 FROM n",
             messages);
    run_sql_once(f, sql);
}

static void a_copy_is_a_database_that_goes_on(void **state)
{
    struct fixture *f = *state;
    struct item item = {0}, next = {0};
    struct stat info;
    open_store(f);
    fill(f, 1000);
    item.message = (struct store_message){
        .channel = span_of("c"), .sender = span_of("s"), .content = span_of("keyed")};
    item.append = (struct store_append){.messages = &item.message, .count = 1, .key = span_of("k")};
    queue_append(f, &item);
    wait_for(f, 1);
    assert_int_equal(backup_write(f->path, scratch_path("copy.db"), NULL), ERROR_NONE);
    assert_int_equal(scratch_count("", "", NULL), 1); /* and nothing beside it */
    assert_int_equal(stat(scratch_path("copy.db"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);

    store_close(f->store);
    f->store = NULL;
    unlink(f->path);
    assert_int_equal(rename(scratch_path("copy.db"), f->path), 0);
    open_store(f);
    assert_int_equal(query_number(f, "SELECT count(*) FROM message"), 1001);
    item.append.replayed = false;
    queue_append(f, &item);
    wait_for(f, 2);
    assert_true(item.append.replayed); /* keys are in it */
    assert_int_equal(item.message.id, 1001);
    queue(f, &next, span_of("c"), span_of("x"));
    wait_for(f, 3);
    assert_int_equal(next.message.id, 1002);
}

static void a_file_that_exists_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct error e;
    struct buf text;
    buf_init(&text, 100);
    open_store(f);
    scratch_write("file", LITERAL("precious"));
    assert_int_equal(symlink("nowhere", scratch_path("link")), 0);
    assert_int_equal(backup_write(f->path, scratch_path("file"), &e), ERROR_LOCAL);
    assert_non_null(strstr(e.text, "File exists"));
    assert_int_equal(backup_write(f->path, scratch_path("link"), &e), ERROR_LOCAL);
    scratch_read("file", &text);
    assert_buf(text, "precious");
    buf_release(&text);
    assert_int_equal(scratch_count("", "", NULL), 2);
}

static void what_cannot_be_copied_is_told(void **state)
{
    struct fixture *f = *state;
    struct error e;
    scratch_write("text", LITERAL("this is no database, and long enough to be none for certain"));
    scratch_write("empty", LITERAL(""));
    const char *const databases[] = {scratch_path("none"), scratch_path("text"),
                                     scratch_path("empty"), "/"};
    for (size_t i = 0; i < COUNT(databases); i++) {
        assert_int_equal(backup_write(databases[i], scratch_path("copy"), &e), ERROR_LOCAL);
        assert_int_equal(scratch_count("", "copy", NULL), 0);
    }
    assert_int_equal(backup_write(":memory:", scratch_path("copy"), &e), ERROR_USAGE);
    open_store(f);
    assert_int_equal(backup_write(f->path, scratch_path("none/copy"), &e), ERROR_LOCAL);
    assert_int_equal(scratch_count("", "", NULL), 2);
}

static void nothing_is_left_when_the_disk_is_full(void **state)
{
    struct fixture *f = *state;
    struct error e;
    open_store(f);
    fill(f, 20000);
    scratch_limit(100000);
    assert_int_equal(backup_write(f->path, scratch_path("copy"), &e), ERROR_LOCAL);
    scratch_limit(-1);
    assert_int_equal(scratch_count("", "", NULL), 0);
}

/* The last one: the signal stays. */
static void nothing_is_left_when_it_is_stopped(void **state)
{
    struct fixture *f = *state;
    struct error e;
    open_store(f);
    fill(f, 20000);
    assert_int_equal(stop_init(NULL), ERROR_NONE);
    raise(SIGTERM);
    assert_int_equal(backup_write(f->path, scratch_path("copy"), &e), ERROR_STOPPED);
    assert_int_equal(scratch_count("", "", NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_copy_is_a_database_that_goes_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_exists_is_left_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_copied_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_left_when_the_disk_is_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_left_when_it_is_stopped, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
