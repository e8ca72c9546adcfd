/* SPDX-License-Identifier: MIT */
/*
 * What store.h promises, as cases that take any implementation's address.
 */
#include "unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "server/store.h"
#include "unit/store_fixture.h"

#define MANY 3000

/* Stores MANY messages in "a", every third in "b" instead. */
static struct item *store_many(struct fixture *f)
{
    struct item *items = calloc(MANY, sizeof(*items));
    assert_non_null(items);
    int before = f->done;
    for (int i = 0; i < MANY; i++) {
        snprintf(items[i].content, sizeof(items[i].content), "m%d", i);
        queue(f, &items[i], span_of(i % 3 ? "a" : "b"), span_of(items[i].content));
    }
    wait_for(f, before + MANY);
    return items;
}

struct row_check {
    int64_t last_id;
    int rows, stop_at;
    char last_content[64];
};

static bool on_row(void *context, const struct store_message *m)
{
    struct row_check *c = context;
    assert_true(m->id > c->last_id);
    assert_true(m->time_s > 1600000000);
    c->last_id = m->id;
    snprintf(c->last_content, sizeof(c->last_content), "%.*s", (int)m->content.len,
             m->content.data);
    return ++c->rows != c->stop_at;
}

static void appends_are_in_order_and_visible_when_done(void **state)
{
    struct fixture *f = *state;
    open_store(f);
    struct item *items = store_many(f);
    assert_int_equal(f->failed, 0);
    assert_int_equal(f->heard, MANY);
    assert_int_equal(f->done_before_heard, 0);
    for (int i = 1; i < MANY; i++)
        assert_int_equal(items[i].message.id, items[i - 1].message.id + 1);
    struct row_check c = {0};
    assert_int_equal(store_read(f->store, span_of("a"), 0, INT64_MAX, INT64_MAX, on_row, &c, NULL),
                     ERROR_NONE);
    assert_int_equal(c.rows, MANY / 3 * 2);
    assert_string_equal(c.last_content, "m2999");
    free(items);
}

static void readings_keep_their_bounds(void **state)
{
    struct fixture *f = *state;
    open_store(f);
    struct item *items = store_many(f);
    int64_t first = items[1].message.id, after, last;
    struct row_check c = {0};
    assert_int_equal(store_read(f->store, span_of("a"), first, first + 10, 5, on_row, &c, NULL), 0);
    assert_int_equal(c.rows, 5);
    c = (struct row_check){.stop_at = 2};
    assert_int_equal(store_read(f->store, span_of("a"), 0, INT64_MAX, 100, on_row, &c, NULL), 0);
    assert_int_equal(c.rows, 2);
    assert_int_equal(store_last_id(f->store, span_of("a"), clock_now_us(), &last, NULL), 0);
    assert_int_equal(last, items[MANY - 1].message.id);
    assert_int_equal(store_last_id(f->store, span_of("none"), clock_now_us(), &last, NULL), 0);
    assert_int_equal(last, 0);
    assert_int_equal(store_find_start(f->store, span_of("a"), INT64_MAX, 1, &after, NULL), 0);
    assert_int_equal(after, items[MANY - 1].message.id - 1);
    assert_int_equal(store_find_start(f->store, span_of("a"), INT64_MAX, MANY, &after, NULL), 0);
    assert_int_equal(after, 0);
    assert_int_equal(store_find_start(f->store, span_of("a"), INT64_MAX, -1, &after, NULL), 0);
    assert_int_equal(after, 0);
    assert_int_equal(store_find_start(f->store, span_of("a"), INT64_MAX, 0, &after, NULL), 0);
    assert_true(after == INT64_MAX);
    free(items);
}

static void ids_are_never_used_again(void **state)
{
    struct fixture *f = *state;
    struct item item;
    open_store(f);
    queue(f, &item, span_of("c"), span_of("one"));
    wait_for(f, 1);
    int64_t id = item.message.id;
    store_close(f->store);
    f->store = NULL;
    open_store(f); /* a second start finds what was stored */
    int64_t last;
    assert_int_equal(store_last_id(f->store, span_of("c"), clock_now_us(), &last, NULL), 0);
    assert_int_equal(last, id);
    queue(f, &item, span_of("c"), LITERAL("nul \0 inside"));
    wait_for(f, 2);
    assert_true(item.message.id > id);
    struct row_check c = {0};
    assert_int_equal(store_read(f->store, span_of("c"), id, INT64_MAX, 9, on_row, &c, NULL), 0);
    assert_int_equal(c.rows, 1);
}

static int rows_of(struct fixture *f, const char *channel)
{
    struct row_check c = {0};
    assert_int_equal(
        store_read(f->store, span_of(channel), 0, INT64_MAX, INT64_MAX, on_row, &c, NULL), 0);
    return c.rows;
}

static void an_append_of_several_is_stored_whole_or_not_at_all(void **state)
{
    struct fixture *f = *state;
    open_store(f);
    sqlite3 *db = other_connection(f);
    run_sql(db, "CREATE TRIGGER no_poison BEFORE INSERT ON message WHEN new.content = 'poison' "
                "BEGIN SELECT RAISE(ABORT, 'poison'); END");
    struct store_message messages[] = {
        {.channel = span_of("a"), .sender = span_of("s"), .content = span_of("1")},
        {.channel = span_of("b"), .sender = span_of("s"), .content = span_of("2")},
        {.channel = span_of("a"), .sender = span_of("s"), .content = span_of("poison")},
    };
    struct item item = {
        .append = {
            .messages = messages, .count = COUNT(messages), .done = store_on_done, .context = f}};
    assert_int_equal(store_queue(f->store, &item.append), ERROR_NONE);
    wait_for(f, 1);
    assert_int_equal(item.kind, ERROR_UNREACHABLE);
    assert_int_equal(f->heard, 0);
    assert_int_equal(rows_of(f, "a") + rows_of(f, "b"), 0);
    messages[2].content = span_of("3");
    assert_int_equal(store_queue(f->store, &item.append), ERROR_NONE);
    wait_for(f, 2);
    assert_int_equal(item.kind, ERROR_NONE);
    assert_int_equal(f->heard, 3);
    assert_true(messages[0].id < messages[1].id && messages[1].id < messages[2].id);
    assert_int_equal(rows_of(f, "a"), 2);
    sqlite3_close(db);
}

/* The end of an append, and how many messages the listener had been told of by then. */
struct noting {
    struct item item;
    int heard;
};

static void note_heard(struct store_append *append, enum error_kind kind)
{
    struct fixture *f = append->context;
    struct item *item = (struct item *)((char *)append - offsetof(struct item, append));
    pthread_mutex_lock(&f->lock);
    ((struct noting *)(void *)item)->heard = f->heard;
    pthread_mutex_unlock(&f->lock);
    store_on_done(append, kind);
}

static void queue_noting(struct fixture *f, struct noting *n, struct store_message *messages,
                         size_t count)
{
    n->item.append = (struct store_append){
        .messages = messages, .count = count, .done = note_heard, .context = f};
    assert_int_equal(store_queue(f->store, &n->item.append), ERROR_NONE);
}

static void a_long_append_is_told_briefly_and_ends_a_group(void **state)
{
    struct fixture *f = *state;
    static struct store_message messages[STORE_GROUP_MAX + 2];
    static struct noting items[3];
    open_store(f);
    for (size_t i = 0; i < COUNT(messages); i++)
        messages[i] = (struct store_message){.channel = span_of(i % 500 < 400 ? "a" : "b"),
                                             .sender = span_of("s"),
                                             .content = span_of("x")};
    sqlite3 *db = other_connection(f);
    run_sql(db, "BEGIN IMMEDIATE");
    queue_noting(f, &items[0], &messages[0], 1); /* the writer may have begun with this one */
    queue_noting(f, &items[1], &messages[1], STORE_GROUP_MAX);
    queue_noting(f, &items[2], &messages[STORE_GROUP_MAX + 1], 1);
    run_sql(db, "ROLLBACK");
    sqlite3_close(db);
    wait_for(f, 3);
    assert_int_equal(f->failed, 0);
    assert_int_equal(items[1].heard, 1 + 5); /* a b a b, and one more in a */
    assert_int_equal(items[2].heard, 1 + 5 + 1);
    assert_int_equal(messages[STORE_GROUP_MAX].id, messages[1].id + STORE_GROUP_MAX - 1);
    assert_int_equal(rows_of(f, "a") + rows_of(f, "b"), COUNT(messages));
}

static void a_full_queue_takes_no_more_and_a_failed_group_stores_nothing(void **state)
{
    struct fixture *f = *state;
    static struct item items[STORE_QUEUE_MAX + STORE_GROUP_MAX + 1];
    static struct item one;
    size_t queued = 0;
    open_store(f);
    sqlite3 *db = other_connection(f);
    run_sql(db, "BEGIN IMMEDIATE"); /* the writer has to wait, and gives up after seconds */
    bool full = false;
    while (!full && queued < COUNT(items)) {
        struct item *item = &items[queued];
        item->message = (struct store_message){
            .channel = span_of("c"), .sender = span_of("s"), .content = span_of("x")};
        item->append = (struct store_append){
            .messages = &item->message, .count = 1, .done = store_on_done, .context = f};
        full = store_queue(f->store, &item->append) != ERROR_NONE;
        queued += !full;
    }
    assert_true(full);
    assert_true(queued >= STORE_QUEUE_MAX);
    wait_for(f, 1); /* those of the first group, at least */
    run_sql(db, "ROLLBACK");
    sqlite3_close(db);
    wait_for(f, (int)queued);
    assert_true(f->failed > 0);
    assert_int_equal(items[0].kind, ERROR_UNREACHABLE);
    assert_int_equal(rows_of(f, "c"), (int)queued - f->failed);
    assert_int_equal(f->heard, (int)queued - f->failed);
    queue(f, &one, span_of("c"), span_of("after")); /* and it goes on */
    wait_for(f, (int)queued + 1);
    assert_int_equal(one.kind, ERROR_NONE);
}

static void somebody_elses_database_is_left_alone(void **state)
{
    struct fixture *f = *state;
    static const char *const table[] = {
        "CREATE TABLE bookmarks (url TEXT)",
        "PRAGMA user_version = 1",
        "PRAGMA user_version = 2",
        "DROP TABLE bookmarks; PRAGMA user_version = 999",
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct store *store = NULL;
        struct error e = {0};
        sqlite3 *db = other_connection(f);
        run_sql(db, table[i]);
        sqlite3_close(db);
        assert_int_equal(store_open(f->path, store_on_message, f, &store, &e), ERROR_LOCAL);
        assert_true(e.text[0] != '\0');
        assert_null(store);
        assert_int_equal(query_number(f, "SELECT count(*) FROM sqlite_master"), i < 3);
    }
}

static void closing_finishes_what_is_queued(void **state)
{
    struct fixture *f = *state;
    static struct item items[STORE_GROUP_MAX + 500];
    open_store(f);
    for (size_t i = 0; i < COUNT(items); i++)
        queue(f, &items[i], span_of("c"), span_of("x"));
    store_close(f->store);
    assert_int_equal(f->done, COUNT(items));
    assert_int_equal(f->failed, 0);
    f->store = NULL;
}

static void what_is_no_database_is_told(void **state)
{
    struct fixture *f = *state;
    struct store *store = NULL;
    struct error e = {0};
    FILE *file = fopen(f->path, "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++)
        fputs("this is no database\n", file);
    fclose(file);
    assert_int_equal(store_open(f->path, store_on_message, f, &store, &e), ERROR_LOCAL);
    assert_true(e.text[0] != '\0');
    assert_null(store);
    assert_int_equal(store_open(f->folder, store_on_message, f, &store, &e), ERROR_LOCAL);
    assert_null(store);
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(mkfifo(f->path, 0600), 0); /* nobody is at its other end */
    assert_int_equal(store_open(f->path, store_on_message, f, &store, &e), ERROR_LOCAL);
    assert_int_equal(store_check(f->path, &e), ERROR_LOCAL);
    assert_non_null(strstr(e.text, "no regular file"));
    assert_null(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(appends_are_in_order_and_visible_when_done, store_set_up,
                                        store_tear_down),
        cmocka_unit_test_setup_teardown(readings_keep_their_bounds, store_set_up, store_tear_down),
        cmocka_unit_test_setup_teardown(ids_are_never_used_again, store_set_up, store_tear_down),
        cmocka_unit_test_setup_teardown(closing_finishes_what_is_queued, store_set_up,
                                        store_tear_down),
        cmocka_unit_test_setup_teardown(an_append_of_several_is_stored_whole_or_not_at_all,
                                        store_set_up, store_tear_down),
        cmocka_unit_test_setup_teardown(a_long_append_is_told_briefly_and_ends_a_group,
                                        store_set_up, store_tear_down),
        cmocka_unit_test_setup_teardown(
            a_full_queue_takes_no_more_and_a_failed_group_stores_nothing, store_set_up,
            store_tear_down),
        cmocka_unit_test_setup_teardown(somebody_elses_database_is_left_alone, store_set_up,
                                        store_tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_database_is_told, store_set_up, store_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
