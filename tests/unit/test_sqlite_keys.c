/* SPDX-License-Identifier: MIT */
/*
 * Rows of keys in SQLite: old ones go, and databases without keys get them. What holds for any
 * store is in test_store_keys.c.
 */
#include "unit.h"

#include <stdbool.h>
#include <string.h>

#include "server/store.h"
#include "server/store_keys.h"
#include "server/store_schema.h"
#include "unit/fake_clock.h"
#include "unit/place_sqlite.h"

#define MESSAGES "SELECT count(*) FROM message"
#define KEYS     "SELECT count(*) FROM append_key"

/* Appends one message to channel "c" under a key (NULL: none). */
static void append_one(struct fixture *f, struct item *item, const char *content, const char *key)
{
    int before = f->done;
    item->message = (struct store_message){
        .channel = span_of("c"), .sender = span_of("s"), .content = span_of(content)};
    item->append = (struct store_append){
        .messages = &item->message, .count = 1, .key = span_of(key ? key : "")};
    queue_append(f, item);
    wait_for(f, before + 1);
}

static void old_keys_go_seldom_and_not_all_at_once(void **state)
{
    struct fixture *f = *state;
    struct item item;
    open_store(f);
    run_sql_once(f, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)"
                    "INSERT INTO append_key SELECT 'old' || i, i, i, 1, i, NULL FROM n");
    static const int left[] = {1500, 500, 0, 0};
    for (size_t i = 0; i < COUNT(left); i++) {
        append_one(f, &item, "x", i % 2 ? "k" : NULL);
        assert_int_equal(query_number(f, KEYS), left[i] + (i > 0));
    }
    run_sql_once(f, "INSERT INTO append_key VALUES ('old', 1, 1, 1, 1, NULL)");
    fake_clock_advance(STORE_KEYS_PRUNE_MS - 1000);
    append_one(f, &item, "x", NULL);
    assert_int_equal(query_number(f, KEYS), 2); /* not yet */
    fake_clock_advance(1000);
    append_one(f, &item, "x", NULL);
    assert_int_equal(query_number(f, KEYS), 1);
    assert_int_equal(query_number(f, "SELECT count(*) FROM append_key WHERE name = 'k'"), 1);
}

static void old_keys_are_found_by_the_index(void **state)
{
    struct fixture *f = *state;
    open_store(f);
    assert_int_equal(query_number(f, "SELECT count(*) FROM pragma_index_info('append_key_time')"
                                     " WHERE seqno = 0 AND name = 'time'"),
                     1);
}

/* As the first version made it. */
static void make_version_1(const struct fixture *f)
{
    run_sql_once(f, "PRAGMA journal_mode = WAL;"
                    "CREATE TABLE message (id INTEGER PRIMARY KEY AUTOINCREMENT,"
                    " channel TEXT NOT NULL, sender TEXT NOT NULL, content TEXT NOT NULL,"
                    " time INTEGER NOT NULL);"
                    "CREATE INDEX message_channel ON message (channel, id);"
                    "PRAGMA user_version = 1;"
                    "INSERT INTO message VALUES (41, 'c', 's', 'old', 1700000000),"
                    " (42, 'c', 's', 'gone', 1700000000);"
                    "DELETE FROM message WHERE id = 42");
}

static void a_database_of_version_1_gets_keys(void **state)
{
    struct fixture *f = *state;
    struct item item;
    make_version_1(f);
    for (int round = 0; round < 2; round++) { /* and is of the present version from then on */
        if (round == 0)
            open_store(f);
        else
            reopen_store(f);
        assert_int_equal(query_number(f, "PRAGMA user_version"), STORE_SCHEMA_VERSION);
        append_one(f, &item, "new", "k");
        assert_int_equal(item.append.replayed, round == 1);
        assert_int_equal(item.message.id, 43);
    }
    assert_int_equal(query_number(f, MESSAGES " WHERE id = 41 AND content = 'old'"), 1);
    assert_int_equal(query_number(f, MESSAGES), 2);
}

/* As the second version made it: its keys have no gaps. */
static void a_database_of_version_2_keeps_its_keys(void **state)
{
    struct fixture *f = *state;
    struct item item;
    make_version_1(f);
    run_sql_once(f, STORE_KEYS_SCHEMA "PRAGMA user_version = 2");
    open_store(f);
    append_one(f, &item, "x", "k");
    store_close(f->store);
    f->store = NULL;
    run_sql_once(f, "CREATE TABLE kept AS SELECT name, fingerprint, first_id, messages, time"
                    " FROM append_key; DROP TABLE append_key;" STORE_KEYS_SCHEMA
                    "INSERT INTO append_key SELECT * FROM kept; DROP TABLE kept;"
                    "PRAGMA user_version = 2");
    open_store(f);
    assert_int_equal(query_number(f, "PRAGMA user_version"), STORE_SCHEMA_VERSION);
    append_one(f, &item, "x", "k");
    assert_true(item.append.replayed);
    assert_int_equal(item.message.id, 43);
}

static void append_two(struct fixture *f, struct item *item, struct store_message two[2])
{
    int before = f->done;
    for (int i = 0; i < 2; i++)
        two[i] = (struct store_message){
            .channel = span_of("c"), .sender = span_of("s"), .content = span_of("x")};
    item->append = (struct store_append){.messages = two, .count = 2, .key = span_of("k")};
    queue_append(f, item);
    wait_for(f, before + 1);
}

static void a_key_may_have_ids_with_gaps(void **state)
{
    struct fixture *f = *state;
    struct item item;
    struct store_message two[2];
    open_store(f);
    append_two(f, &item, two);
    run_sql_once(f, "UPDATE append_key SET first_id = 5,"
                    " ids = x'000000000000000500000001000000ff'");
    append_two(f, &item, two);
    assert_true(item.append.replayed);
    assert_int_equal(two[0].id, 5);
    assert_int_equal(two[1].id, (INT64_C(1) << 32) + 255);
    run_sql_once(f, "UPDATE append_key SET ids = x'0000000000000005'"); /* damaged */
    append_two(f, &item, two);
    assert_int_equal(item.kind, ERROR_REFUSED);
}

static void a_migration_that_fails_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct store *store = NULL;
    struct error e = {0};
    make_version_1(f);
    run_sql_once(f, "CREATE INDEX append_key_time ON message (time)"); /* in the way */
    assert_int_equal(store_open(f->path, store_on_message, f, &store, &e), ERROR_LOCAL);
    assert_true(e.text[0] != '\0');
    assert_null(store);
    assert_int_equal(query_number(f, "PRAGMA user_version"), 1);
    assert_int_equal(
        query_number(f, "SELECT count(*) FROM sqlite_master WHERE name = 'append_key'"), 0);
    run_sql_once(f, "DROP INDEX append_key_time");
    open_store(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQLITE_CASE(old_keys_go_seldom_and_not_all_at_once),
        SQLITE_CASE(old_keys_are_found_by_the_index),
        SQLITE_CASE(a_database_of_version_1_gets_keys),
        SQLITE_CASE(a_database_of_version_2_keeps_its_keys),
        SQLITE_CASE(a_key_may_have_ids_with_gaps),
        SQLITE_CASE(a_migration_that_fails_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
