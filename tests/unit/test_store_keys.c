/* SPDX-License-Identifier: MIT */
/*
 * Appends under a key are stored once, and databases without keys get them. What is here about
 * tables and rows is SQLite's; the rest holds for any store.
 */
#include "unit.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <string.h>

#include "server/store.h"
#include "server/store_keys.h"
#include "server/store_schema.h"
#include "unit/fake_clock.h"
#include "unit/store_fixture.h"

#define MESSAGES "SELECT count(*) FROM message"
#define KEYS     "SELECT count(*) FROM append_key"

static struct store_message message_of(const char *channel, const char *sender, const char *content)
{
    return (struct store_message){
        .channel = span_of(channel), .sender = span_of(sender), .content = span_of(content)};
}

/* Queues messages under a key (NULL: none). */
static void queue_keyed(struct fixture *f, struct item *item, struct store_message *messages,
                        size_t count, const char *key)
{
    item->append =
        (struct store_append){.messages = messages, .count = count, .key = span_of(key ? key : "")};
    queue_append(f, item);
}

/* Queues one message to channel "c" under a key. */
static void queue_one(struct fixture *f, struct item *item, const char *content, const char *key)
{
    item->message = message_of("c", "s", content);
    queue_keyed(f, item, &item->message, 1, key);
}

/* The same to its end. */
static void append_one(struct fixture *f, struct item *item, const char *content, const char *key)
{
    int before = f->done;
    queue_one(f, item, content, key);
    wait_for(f, before + 1);
}

static void a_repeat_stores_nothing_and_has_the_ids_of_the_first(void **state)
{
    struct fixture *f = *state;
    struct item item;
    struct store_message first[] = {message_of("a", "s", "1"), message_of("b", "s", "2"),
                                    message_of("a", "s", "3")};
    struct store_message again[] = {first[0], first[1], first[2]};
    open_store(f);
    queue_keyed(f, &item, first, COUNT(first), "k");
    wait_for(f, 1);
    assert_int_equal(item.kind, ERROR_NONE);
    assert_false(item.append.replayed);
    run_sql_once(f, "UPDATE append_key SET time = time - 100");
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT(again); i++)
            again[i].id = again[i].time_s = 0;
        if (round == 1)
            reopen_store(f);
        queue_keyed(f, &item, again, COUNT(again), "k");
        wait_for(f, 2 + round);
        assert_int_equal(item.kind, ERROR_NONE);
        assert_true(item.append.replayed);
        for (size_t i = 0; i < COUNT(again); i++)
            assert_int_equal(again[i].id, first[i].id);
    }
    assert_int_equal(again[2].time_s, first[2].time_s - 100); /* the stored one */
    assert_int_equal(f->heard, 3);
    assert_int_equal(query_number(f, MESSAGES), 3);
}

static void another_payload_under_the_key_is_refused(void **state)
{
    struct fixture *f = *state;
    struct item item;
    struct store_message two[] = {message_of("a", "bc", "d"), message_of("e", "f", "g")};
    const struct store_message others[][2] = {
        {two[1], two[0]},
        {message_of("ab", "c", "d"), two[1]},
        {message_of("a", "b", "cd"), two[1]},
        {two[0], message_of("e", "f", "gg")},
        {message_of("A", "bc", "d"), two[1]},
    };
    open_store(f);
    queue_keyed(f, &item, two, 2, "k");
    wait_for(f, 1);
    for (size_t i = 0; i < COUNT(others); i++) {
        struct store_message other[] = {others[i][0], others[i][1]};
        queue_keyed(f, &item, other, 2, "k");
        wait_for(f, 2 + (int)i);
        assert_int_equal(item.kind, ERROR_REFUSED);
        assert_false(item.append.replayed);
    }
    queue_keyed(f, &item, two, 1, "k"); /* fewer */
    wait_for(f, 2 + (int)COUNT(others));
    assert_int_equal(item.kind, ERROR_REFUSED);
    queue_keyed(f, &item, two, 2, "K"); /* another key, and none */
    wait_for(f, 3 + (int)COUNT(others));
    queue_keyed(f, &item, two, 2, NULL);
    wait_for(f, 4 + (int)COUNT(others));
    assert_int_equal(item.kind, ERROR_NONE);
    assert_int_equal(query_number(f, MESSAGES), 6);
    assert_int_equal(f->heard, 6);
}

/* Lets appends gather behind a writer that waits for the database. */
static sqlite3 *block_writer(struct fixture *f, struct item *item)
{
    sqlite3 *db = other_connection(f);
    run_sql(db, "BEGIN IMMEDIATE");
    queue(f, item, span_of("c"), span_of("blocked"));
    return db;
}

static void release_writer(sqlite3 *db)
{
    run_sql(db, "ROLLBACK");
    sqlite3_close(db);
}

static void one_group_stores_a_key_once(void **state)
{
    struct fixture *f = *state;
    struct item blocked, first, again, other, plain;
    open_store(f);
    sqlite3 *db = block_writer(f, &blocked);
    queue_one(f, &first, "x", "k");
    queue_one(f, &again, "x", "k");
    queue_one(f, &other, "y", "k");
    queue_one(f, &plain, "z", NULL);
    release_writer(db);
    wait_for(f, 5);
    assert_int_equal(first.kind, ERROR_NONE);
    assert_false(first.append.replayed);
    assert_int_equal(again.kind, ERROR_NONE);
    assert_true(again.append.replayed);
    assert_int_equal(again.message.id, first.message.id);
    assert_int_equal(again.message.time_s, first.message.time_s);
    assert_int_equal(other.kind, ERROR_REFUSED);
    assert_int_equal(plain.kind, ERROR_NONE);
    assert_int_equal(f->heard, 3);
    assert_int_equal(query_number(f, MESSAGES), 3);
}

/* A transaction that fails for any reason leaves neither messages nor keys. */
static void a_failed_group_leaves_no_key(void **state)
{
    struct fixture *f = *state;
    static const char *const triggers[] = {
        "CREATE TRIGGER no BEFORE INSERT ON message WHEN new.content = 'poison'"
        " BEGIN SELECT RAISE(ABORT, 'poison'); END",
        "CREATE TRIGGER no BEFORE INSERT ON append_key WHEN new.name = 'p'"
        " BEGIN SELECT RAISE(ABORT, 'poison'); END",
    };
    open_store(f);
    for (size_t i = 0; i < COUNT(triggers); i++) {
        struct item blocked, first, again, poison;
        int before = f->done;
        run_sql_once(f, triggers[i]);
        sqlite3 *db = block_writer(f, &blocked);
        queue_one(f, &first, "x", "k");
        queue_one(f, &again, "x", "k");
        queue_one(f, &poison, "poison", "p");
        release_writer(db);
        wait_for(f, before + 4);
        assert_int_equal(first.kind, ERROR_UNREACHABLE);
        assert_int_equal(again.kind, ERROR_UNREACHABLE);
        assert_false(again.append.replayed);
        assert_int_equal(poison.kind, ERROR_UNREACHABLE);
        assert_int_equal(query_number(f, KEYS), 0);
        assert_int_equal(query_number(f, "SELECT count(*) FROM message WHERE content <> 'blocked'"),
                         0);
        run_sql_once(f, "DROP TRIGGER no");
    }
    struct item item;
    append_one(f, &item, "poison", "p");
    assert_int_equal(item.kind, ERROR_NONE);
    assert_false(item.append.replayed);
}

static void a_key_counts_for_seven_days(void **state)
{
    struct fixture *f = *state;
    struct item item;
    open_store(f);
    append_one(f, &item, "x", "k");
    int64_t first = item.message.id;
    run_sql_once(f, "UPDATE append_key SET time = time - 7 * 86400 + 100");
    append_one(f, &item, "x", "k");
    assert_true(item.append.replayed);
    run_sql_once(f, "UPDATE append_key SET time = time - 100");
    append_one(f, &item, "y", "k");
    assert_int_equal(item.kind, ERROR_NONE);
    assert_false(item.append.replayed);
    assert_true(item.message.id > first);
    append_one(f, &item, "y", "k");
    assert_true(item.append.replayed);
    assert_int_equal(query_number(f, KEYS), 1);
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

static void a_key_may_have_ids_with_gaps(void **state)
{
    struct fixture *f = *state;
    struct item item;
    struct store_message two[] = {message_of("a", "s", "1"), message_of("b", "s", "2")};
    open_store(f);
    queue_keyed(f, &item, two, COUNT(two), "k");
    wait_for(f, 1);
    run_sql_once(f, "UPDATE append_key SET first_id = 5,"
                    " ids = x'000000000000000500000001000000ff'");
    queue_keyed(f, &item, two, COUNT(two), "k");
    wait_for(f, 2);
    assert_true(item.append.replayed);
    assert_int_equal(two[0].id, 5);
    assert_int_equal(two[1].id, (INT64_C(1) << 32) + 255);
    run_sql_once(f, "UPDATE append_key SET ids = x'0000000000000005'"); /* damaged */
    queue_keyed(f, &item, two, COUNT(two), "k");
    wait_for(f, 3);
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

#define CASE(test) cmocka_unit_test_setup_teardown(test, store_set_up, store_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_repeat_stores_nothing_and_has_the_ids_of_the_first),
        CASE(another_payload_under_the_key_is_refused),
        CASE(one_group_stores_a_key_once),
        CASE(a_failed_group_leaves_no_key),
        CASE(a_key_counts_for_seven_days),
        CASE(old_keys_go_seldom_and_not_all_at_once),
        CASE(old_keys_are_found_by_the_index),
        CASE(a_database_of_version_1_gets_keys),
        CASE(a_database_of_version_2_keeps_its_keys),
        CASE(a_key_may_have_ids_with_gaps),
        CASE(a_migration_that_fails_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
