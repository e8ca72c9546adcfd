/* SPDX-License-Identifier: MIT */
/*
 * Copies from one place to another: what is equal afterwards, what goes on, and what is refused.
 * Both places are SQLite files here; the steps are the same for every store.
 */
#include "unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/stop.h"
#include "server/copy.h"
#include "server/copy_end.h"
#include "server/store_keys.h"
#include "unit/place_sqlite.h"
#include "unit/scratch.h"

#define LARGE_BYTES 10000000

static int set_up(void **state)
{
    return sqlite_set_up(state) || scratch_make(state);
}

static int tear_down(void **state)
{
    return scratch_remove(state) || store_tear_down(state);
}

static void make_tables(struct fixture *f)
{
    open_store(f);
    store_close(f->store);
    f->store = NULL;
}

/* Messages with these ids without the store, which need not be open. */
static void fill(struct fixture *f, int first, int last)
{
    char sql[400];
    snprintf(sql, sizeof(sql),
             "WITH RECURSIVE n (i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
             " INSERT INTO message (id, channel, sender, content, time)"
             " SELECT i, 'c' || i %% 7, 's', printf('%%0100d', i), 7 * i FROM n",
             first, last);
    run_sql_once(f, sql);
}

static enum error_kind copy(struct fixture *f, struct error *e)
{
    return copy_database(f->path, scratch_path("copy.db"), e);
}

/* On the copy. */
static void change(const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(scratch_path("copy.db"), &db), SQLITE_OK);
    run_sql(db, sql);
    sqlite3_close(db);
}

/* How many rows are in one of the two and not in the other? */
static int differences(struct fixture *f, const char *table)
{
    char sql[5000];
    sqlite3_stmt *statement;
    sqlite3 *db = other_connection(f);
    snprintf(sql, sizeof(sql), "ATTACH '%s' AS copy", scratch_path("copy.db"));
    run_sql(db, sql);
    snprintf(sql, sizeof(sql),
             "SELECT (SELECT count(*) FROM (SELECT * FROM main.%s EXCEPT SELECT * FROM copy.%s))"
             " + (SELECT count(*) FROM (SELECT * FROM copy.%s EXCEPT SELECT * FROM main.%s))",
             table, table, table, table);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int count = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return count;
}

static void assert_same(struct fixture *f)
{
    assert_int_equal(differences(f, "message"), 0);
    assert_int_equal(differences(f, "append_key"), 0);
    assert_int_equal(differences(f, "sqlite_sequence"), 0);
}

/* The copy takes the place of what it was made of. */
static void use_copy(struct fixture *f)
{
    store_close(f->store);
    unlink(f->path);
    assert_int_equal(rename(scratch_path("copy.db"), f->path), 0);
    f->store = NULL;
    open_store(f);
}

static void append(struct fixture *f, struct item *item, struct span channel, struct span content,
                   const char *key)
{
    int before = f->done;
    item->message =
        (struct store_message){.channel = channel, .sender = span_of("s"), .content = content};
    item->append =
        (struct store_append){.messages = &item->message, .count = 1, .key = span_of(key)};
    queue_append(f, item);
    wait_for(f, before + 1);
    assert_int_equal(item->kind, ERROR_NONE);
}

static void every_byte_is_kept(void **state)
{
    struct fixture *f = *state;
    struct item item;
    struct span odd = LITERAL("a\0b\xc3\xa4\n"), empty = LITERAL("");
    char *large = malloc(LARGE_BYTES);
    assert_non_null(large);
    memset(large, 'x', LARGE_BYTES);
    open_store(f);
    append(f, &item, odd, empty, "");
    append(f, &item, empty, odd, "k1");
    append(f, &item, (struct span){large, 65536}, (struct span){large, LARGE_BYTES}, "");
    append(f, &item, span_of("c"), odd, "k2");
    assert_int_equal(copy(f, NULL), ERROR_NONE);
    assert_same(f);
    free(large);
}

static void ids_go_on_above_the_highest_that_ever_was(void **state)
{
    struct fixture *f = *state;
    struct item item;
    make_tables(f);
    fill(f, 1, 3000);
    run_sql_once(f, "DELETE FROM message WHERE id > 2500 OR id % 3 = 0");
    assert_int_equal(copy(f, NULL), ERROR_NONE);
    assert_same(f);
    use_copy(f);
    append(f, &item, span_of("c"), span_of("x"), "");
    assert_int_equal(item.message.id, 3001);
}

/* Where no message is left, too. */
static void an_empty_source_keeps_its_ids(void **state)
{
    struct fixture *f = *state;
    struct item item;
    make_tables(f);
    assert_int_equal(copy(f, NULL), ERROR_NONE);
    fill(f, 40, 41);
    run_sql_once(f, "DELETE FROM message");
    assert_int_equal(copy(f, NULL), ERROR_NONE);
    use_copy(f);
    append(f, &item, span_of("c"), span_of("x"), "");
    assert_int_equal(item.message.id, 42);
}

static void keys_are_known_to_the_copy(void **state)
{
    struct fixture *f = *state;
    struct item item;
    char name[32];
    open_store(f);
    for (int i = 0; i < 2 * COPY_KEYS_ROWS + 3; i++) {
        snprintf(name, sizeof(name), "key %d", i);
        append(f, &item, span_of("c"), span_of(name), name);
    }
    run_sql_once(f, "UPDATE append_key SET ids = x'00000001000000ff', messages = 1"
                    " WHERE name = 'key 7'");
    assert_int_equal(copy(f, NULL), ERROR_NONE);
    change("UPDATE append_key SET time = 1 WHERE name = 'key 9';"
           "INSERT INTO append_key VALUES ('key 77x', 1, 1, 1, 1, NULL), ('z', 1, 1, 1, 1, NULL)");
    assert_int_equal(copy(f, NULL), ERROR_NONE); /* they are the source's */
    assert_int_equal(differences(f, "message"), 0);
    use_copy(f);
    append(f, &item, span_of("c"), span_of("key 7"), "key 7");
    assert_true(item.append.replayed);
    append(f, &item, span_of("c"), span_of("key 9"), "key 9");
    assert_true(item.append.replayed);
    assert_int_equal(item.message.id, 10);
    assert_int_equal(query_number(f, "SELECT count(*) FROM append_key"), 2 * COPY_KEYS_ROWS + 3);
}

static void keys_with_gaps_stay_such(void **state)
{
    struct fixture *f = *state;
    make_tables(f);
    fill(f, 1, 3);
    run_sql_once(f, "INSERT INTO append_key VALUES ('gaps', 5, 1, 2, 7,"
                    " x'00000000000000010000000000000003'), ('none', 5, 2, 2, 7, NULL)");
    assert_int_equal(copy(f, NULL), ERROR_NONE);
    assert_same(f);
}

static void a_copy_that_was_ended_goes_on(void **state)
{
    struct fixture *f = *state;
    make_tables(f);
    fill(f, 1, 2 * COPY_RANGE_ROWS + 500);
    assert_int_equal(copy(f, NULL), ERROR_NONE);
    static const char *const cuts[] = {
        "DELETE FROM message WHERE id > 20000; DELETE FROM sqlite_sequence",
        "DELETE FROM message WHERE id > 10000",
        "DELETE FROM message WHERE id > 1",
        "DELETE FROM message",
        "DELETE FROM message WHERE id > 12345",
    };
    for (size_t i = 0; i < COUNT(cuts); i++) {
        change(cuts[i]);
        change("INSERT INTO append_key VALUES ('half', 1, 1, 1, 1, NULL)");
        assert_int_equal(copy(f, NULL), ERROR_NONE);
        assert_same(f);
    }
    fill(f, 30000, 35000); /* and one of a source that grows */
    assert_int_equal(copy(f, NULL), ERROR_NONE);
    assert_same(f);
}

static void other_messages_are_left_as_they_are(void **state)
{
    struct fixture *f = *state;
    struct error e;
    static const char *const table[] = {
        "UPDATE message SET content = 'x' WHERE id = 9",
        "UPDATE message SET sender = 'x' WHERE id = 10500",
        "UPDATE message SET channel = 'x' WHERE id = 2",
        "UPDATE message SET time = 6 WHERE id = 1",
        "DELETE FROM message WHERE id IN (5, 11000)",
        "INSERT INTO message VALUES (11001, 'c', 's', 'x', 7)",
        "DELETE FROM message; INSERT INTO message VALUES (11000, 'c', 's', 'x', 7)",
        "UPDATE message SET channel = channel || sender, sender = '' WHERE id = 4",
    };
    make_tables(f);
    fill(f, 1, 11000);
    struct buf good, before, after;
    buf_init(&good, 1u << 24);
    buf_init(&before, 1u << 24);
    buf_init(&after, 1u << 24);
    assert_int_equal(copy(f, NULL), ERROR_NONE);
    scratch_read("copy.db", &good);
    for (size_t i = 0; i < COUNT(table); i++) {
        scratch_write("copy.db", (struct span){good.data, good.len});
        change(table[i]);
        scratch_read("copy.db", &before);
        assert_int_equal(copy(f, &e), ERROR_REFUSED);
        assert_non_null(strstr(e.text, "the target holds other messages than the source"));
        scratch_read("copy.db", &after);
        assert_int_equal(before.len, after.len);
        assert_memory_equal(before.data, after.data, before.len);
    }
    buf_release(&good);
    buf_release(&before);
    buf_release(&after);
}

static void what_is_read_back_is_looked_at(void **state)
{
    struct fixture *f = *state;
    struct error e;
    static const char *const triggers[] = {
        "CREATE TRIGGER bad AFTER INSERT ON message WHEN new.id = 77"
        " BEGIN UPDATE message SET content = 'x' WHERE id = 77; END",
        "CREATE TRIGGER bad AFTER INSERT ON message WHEN new.id = 77"
        " BEGIN DELETE FROM message WHERE id = 76; END",
        "CREATE TRIGGER bad AFTER INSERT ON append_key"
        " BEGIN UPDATE append_key SET fingerprint = 6; END",
    };
    make_tables(f);
    assert_int_equal(copy(f, NULL), ERROR_NONE);
    fill(f, 1, 100);
    run_sql_once(f, "INSERT INTO append_key VALUES ('k', 5, 2, 2, 7, NULL)");
    for (size_t i = 0; i < COUNT(triggers); i++) {
        change("DELETE FROM message; DELETE FROM append_key");
        change(triggers[i]);
        assert_int_equal(copy(f, &e), ERROR_LOCAL);
        assert_non_null(strstr(e.text, i < 2 ? "read back" : "keys"));
        change("DROP TRIGGER bad");
    }
}

static void earlier_versions_are_read_and_not_changed(void **state)
{
    struct fixture *f = *state;
    struct item item;
    run_sql_once(f, "CREATE TABLE message (id INTEGER PRIMARY KEY AUTOINCREMENT,"
                    " channel TEXT NOT NULL, sender TEXT NOT NULL, content TEXT NOT NULL,"
                    " time INTEGER NOT NULL);"
                    "CREATE INDEX message_channel ON message (channel, id);"
                    "PRAGMA user_version = 1");
    fill(f, 1, 10);
    for (int version = 1; version <= 2; version++) {
        assert_int_equal(copy(f, NULL), ERROR_NONE);
        assert_int_equal(differences(f, "message"), 0);
        assert_int_equal(query_number(f, "PRAGMA user_version"), version);
        if (version == 1)
            run_sql_once(f, STORE_KEYS_SCHEMA "PRAGMA user_version = 2;"
                                              "INSERT INTO append_key VALUES ('k', 5, 2, 2, 7)");
    }
    use_copy(f);
    assert_int_equal(query_number(f, "SELECT count(*) FROM append_key WHERE name = 'k'"
                                     " AND fingerprint = 5 AND first_id = 2 AND messages = 2"
                                     " AND time = 7 AND ids IS NULL"),
                     1);
    append(f, &item, span_of("c"), span_of("x"), "");
    assert_int_equal(item.message.id, 11);
}

static void what_is_no_place_is_told(void **state)
{
    struct fixture *f = *state;
    struct error e;
    make_tables(f);
    assert_int_equal(copy_database(f->path, f->path, &e), ERROR_USAGE);
    assert_int_equal(copy_database(":memory:", scratch_path("copy.db"), &e), ERROR_USAGE);
    assert_int_equal(copy_database(f->path, ":memory:", &e), ERROR_USAGE);
    assert_int_equal(copy_database(scratch_path("none"), scratch_path("copy.db"), &e), ERROR_LOCAL);
    assert_int_equal(copy_database(f->path, scratch_path("none/copy.db"), &e), ERROR_LOCAL);
    scratch_write("empty", LITERAL(""));
    assert_int_equal(copy_database(scratch_path("empty"), scratch_path("copy.db"), &e),
                     ERROR_LOCAL);
    assert_non_null(strstr(e.text, "there is nothing in it"));
    scratch_write("text", LITERAL("this is no database, and long enough to be none for certain"));
    assert_int_equal(copy_database(scratch_path("text"), scratch_path("copy.db"), &e), ERROR_LOCAL);
    assert_int_equal(copy_database(f->path, scratch_path("text"), &e), ERROR_LOCAL);
    assert_false(scratch_has("copy.db"));
    assert_int_equal(copy(f, NULL), ERROR_NONE);
    change("PRAGMA user_version = 2");
    assert_int_equal(copy(f, &e), ERROR_LOCAL);
    assert_non_null(strstr(e.text, "an earlier version"));
    change("PRAGMA user_version = 99");
    assert_int_equal(copy(f, &e), ERROR_LOCAL);
}

/* The source is a server's all the while, the target nobody's. */
static void a_server_may_use_the_source(void **state)
{
    struct fixture *f = *state;
    struct item item;
    struct error e;
    open_store(f);
    append(f, &item, span_of("c"), span_of("x"), "k");
    assert_int_equal(copy(f, NULL), ERROR_NONE);
    append(f, &item, span_of("c"), span_of("y"), "");
    assert_int_equal(copy(f, NULL), ERROR_NONE);
    assert_same(f);
    assert_int_equal(copy_database(scratch_path("copy.db"), f->path, &e), ERROR_LOCAL);
    assert_non_null(strstr(e.text, "the target: another program has it open"));
    append(f, &item, span_of("c"), span_of("z"), "");
}

/* The last one: the signal stays. */
static void a_signal_ends_it(void **state)
{
    struct fixture *f = *state;
    struct error e;
    make_tables(f);
    fill(f, 1, 100);
    assert_int_equal(stop_init(NULL), ERROR_NONE);
    raise(SIGTERM);
    assert_int_equal(copy(f, &e), ERROR_STOPPED);
    assert_non_null(strstr(e.text, "goes on"));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(every_byte_is_kept),
        CASE(ids_go_on_above_the_highest_that_ever_was),
        CASE(an_empty_source_keeps_its_ids),
        CASE(keys_are_known_to_the_copy),
        CASE(keys_with_gaps_stay_such),
        CASE(a_copy_that_was_ended_goes_on),
        CASE(other_messages_are_left_as_they_are),
        CASE(what_is_read_back_is_looked_at),
        CASE(earlier_versions_are_read_and_not_changed),
        CASE(what_is_no_place_is_told),
        CASE(a_server_may_use_the_source),
        CASE(a_signal_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
