/* SPDX-License-Identifier: MIT */
/*
 * Rows go in many to a statement: each message has the id that its append was told, whatever
 * number of messages and appends goes together.
 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/store.h"
#include "server/store_rows.h"
#include "unit/place_sqlite.h"

#define APPENDS_MAX  150
#define MESSAGES_MAX (APPENDS_MAX * (APPENDS_MAX + 1) / 2)

/* Messages with their own number as content. */
static struct store_message messages[MESSAGES_MAX];
static char contents[MESSAGES_MAX][8];
static struct item items[APPENDS_MAX];

/* Appends of these numbers of messages, queued while the database is another's. */
static size_t store_together(struct fixture *f, const size_t *counts, size_t appends)
{
    size_t used = 0;
    int done = f->done;
    sqlite3 *db = other_connection(f);
    run_sql(db, "BEGIN IMMEDIATE");
    for (size_t i = 0; i < appends; i++) {
        items[i].append = (struct store_append){.messages = &messages[used], .count = counts[i]};
        for (size_t j = 0; j < counts[i]; j++, used++) {
            snprintf(contents[used], sizeof(contents[used]), "%zu", used);
            messages[used] = (struct store_message){.channel = span_of("c"),
                                                    .sender = span_of("s"),
                                                    .content = span_of(contents[used])};
        }
        queue_append(f, &items[i]);
    }
    run_sql(db, "ROLLBACK");
    sqlite3_close(db);
    wait_for(f, done + (int)appends);
    assert_int_equal(f->failed, 0);
    return used;
}

struct look {
    size_t rows;
    int64_t first_id;
};

static bool on_row(void *context, const struct store_message *m)
{
    struct look *l = context;
    assert_int_equal(m->id, l->first_id + (int64_t)l->rows);
    assert_int_equal(m->id, messages[l->rows].id);
    assert_int_equal(m->time_s, messages[l->rows].time_s);
    assert_true(span_equal(m->content, span_of(contents[l->rows])));
    l->rows++;
    return true;
}

static void check_rows(struct fixture *f, size_t expected)
{
    struct look l = {.first_id = messages[0].id};
    assert_int_equal(
        store_read(f->store, span_of("c"), l.first_id - 1, INT64_MAX, INT64_MAX, on_row, &l, NULL),
        ERROR_NONE);
    assert_int_equal(l.rows, expected);
}

static void an_append_of_any_length_is_in_order_and_without_gaps(void **state)
{
    struct fixture *f = *state;
    open_store(f);
    for (size_t n = 1; n <= 3 * STORE_ROWS_MAX; n++) {
        store_together(f, &n, 1);
        check_rows(f, n);
    }
    size_t most = STORE_GROUP_MAX;
    store_together(f, &most, 1);
    check_rows(f, most);
}

static void so_are_many_that_go_together(void **state)
{
    struct fixture *f = *state;
    size_t counts[APPENDS_MAX];
    open_store(f);
    for (size_t i = 0; i < APPENDS_MAX; i++)
        counts[i] = i + 1;
    check_rows(f, store_together(f, counts, APPENDS_MAX));
    for (size_t i = 0; i < APPENDS_MAX; i++)
        counts[i] = 1;
    check_rows(f, store_together(f, counts, APPENDS_MAX));
}

/* The highest id ever is in the table, in AUTOINCREMENT's counter, or in neither. */
static void ids_go_on_wherever_the_highest_is_known_from(void **state)
{
    struct fixture *f = *state;
    size_t n = 3;
    static const struct {
        const char *change;
        int64_t first_id;
    } table[] = {
        {"DELETE FROM message", 4},
        {"DELETE FROM sqlite_sequence", 7},
        {"UPDATE sqlite_sequence SET seq = 100", 101},
        {"DELETE FROM message; DELETE FROM sqlite_sequence", 1},
    };
    open_store(f);
    store_together(f, &n, 1);
    assert_int_equal(messages[0].id, 1);
    for (size_t i = 0; i < COUNT(table); i++) {
        run_sql_once(f, table[i].change);
        store_together(f, &n, 1);
        assert_int_equal(messages[0].id, table[i].first_id);
        check_rows(f, n);
    }
}

static void behind_the_last_id_nothing_is_stored(void **state)
{
    struct fixture *f = *state;
    size_t n = 1;
    struct item item;
    open_store(f);
    run_sql_once(f, "INSERT INTO sqlite_sequence VALUES ('message', 9223372036854775806)");
    store_together(f, &n, 1);
    assert_true(messages[0].id == INT64_MAX);
    queue(f, &item, span_of("c"), span_of("x"));
    wait_for(f, 2);
    assert_int_equal(item.kind, ERROR_UNREACHABLE);
    assert_int_equal(query_number(f, "SELECT count(*) FROM message"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQLITE_CASE(an_append_of_any_length_is_in_order_and_without_gaps),
        SQLITE_CASE(so_are_many_that_go_together),
        SQLITE_CASE(ids_go_on_wherever_the_highest_is_known_from),
        SQLITE_CASE(behind_the_last_id_nothing_is_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
