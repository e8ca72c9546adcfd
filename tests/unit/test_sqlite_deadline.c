/* SPDX-License-Identifier: MIT */
/*
 * What has waited too long for the writer is never stored, however the wait came about. The clock
 * is the test's, so only the database really waits.
 */
#include "unit.h"

#include <stdbool.h>
#include <time.h>

#include "server/store.h"
#include "unit/fake_clock.h"
#include "unit/place_sqlite.h"

#define MESSAGES "SELECT count(*) FROM message"

/* Queues an append and waits until the writer has taken it, found it in time, and asks for the
 * database: it looks at the clock when it is queued, when it is taken and for how long to ask. */
static void queue_and_see_it_taken(struct fixture *f, struct item *item)
{
    long before = fake_clock_looks();
    queue(f, item, span_of("c"), span_of("x"));
    while (fake_clock_looks() < before + 3)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

/* The database is another's until after the deadline, but not until SQLite gives up. */
static void the_lock_comes_too_late(void **state)
{
    struct fixture *f = *state;
    struct item late, keyed, in_time;
    open_store(f);
    sqlite3 *db = other_connection(f);
    run_sql(db, "BEGIN IMMEDIATE");
    queue_and_see_it_taken(f, &late);
    keyed.message = (struct store_message){
        .channel = span_of("c"), .sender = span_of("s"), .content = span_of("keyed")};
    keyed.append =
        (struct store_append){.messages = &keyed.message, .count = 1, .key = span_of("k")};
    queue_append(f, &keyed);
    fake_clock_advance(STORE_WAIT_MAX_MS);
    queue(f, &in_time, span_of("c"), span_of("in time"));
    run_sql(db, "ROLLBACK");
    sqlite3_close(db);
    wait_for(f, 3);
    assert_int_equal(late.kind, ERROR_UNREACHABLE);
    assert_int_equal(keyed.kind, ERROR_UNREACHABLE);
    assert_int_equal(in_time.kind, ERROR_NONE);
    assert_int_equal(f->heard, 1);
    assert_int_equal(query_number(f, MESSAGES), 1);
    assert_int_equal(query_number(f, "SELECT count(*) FROM append_key"), 0);
    queue_append(f, &keyed); /* sent again it is stored: nothing of the first try is left */
    wait_for(f, 4);
    assert_int_equal(keyed.kind, ERROR_NONE);
    assert_false(keyed.append.replayed);
    reopen_store(f);
    assert_int_equal(query_number(f, MESSAGES), 2);
}

static void just_in_time_is_in_time(void **state)
{
    struct fixture *f = *state;
    struct item item;
    open_store(f);
    sqlite3 *db = other_connection(f);
    run_sql(db, "BEGIN IMMEDIATE");
    queue_and_see_it_taken(f, &item);
    fake_clock_advance(STORE_WAIT_MAX_MS - 1);
    run_sql(db, "ROLLBACK");
    sqlite3_close(db);
    wait_for(f, 1);
    assert_int_equal(item.kind, ERROR_NONE);
}

struct scene {
    struct fixture *f;
    sqlite3 *db;
    struct item first, late, in_time;
    double began; /* the writer took late and in_time after that */
    bool good;
};

static double real_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* In the writer's thread, between two groups: of the next group the first append gets late, the
 * second does not, and the database is another's. */
static void on_first_done(struct store_append *append, enum error_kind kind)
{
    struct scene *s = append->context;
    s->good = kind == ERROR_NONE && !store_queue(s->f->store, &s->late.append);
    fake_clock_advance(STORE_WAIT_MAX_MS);
    s->good = s->good && !store_queue(s->f->store, &s->in_time.append) &&
              !sqlite3_exec(s->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    s->began = real_seconds();
}

static void what_is_late_when_taken_does_not_wait_for_the_database(void **state)
{
    struct scene s = {.f = *state};
    open_store(s.f);
    s.db = other_connection(s.f);
    struct item *items[] = {&s.first, &s.late, &s.in_time};
    for (size_t i = 0; i < COUNT(items); i++) {
        items[i]->message = (struct store_message){
            .channel = span_of("c"), .sender = span_of("s"), .content = span_of("x")};
        items[i]->append = (struct store_append){
            .messages = &items[i]->message, .count = 1, .done = store_on_done, .context = s.f};
    }
    s.first.append.done = on_first_done;
    s.first.append.context = &s;
    assert_int_equal(store_queue(s.f->store, &s.first.append), ERROR_NONE);
    wait_for(s.f, 1); /* the late one; the database is still locked */
    assert_true(real_seconds() - s.began < STORE_WAIT_MAX_MS / 1000 * 0.9);
    assert_true(s.good);
    assert_int_equal(s.late.kind, ERROR_UNREACHABLE);
    run_sql(s.db, "ROLLBACK");
    sqlite3_close(s.db);
    wait_for(s.f, 2);
    assert_int_equal(s.in_time.kind, ERROR_NONE);
    assert_int_equal(query_number(s.f, MESSAGES), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQLITE_CASE(the_lock_comes_too_late),
        SQLITE_CASE(just_in_time_is_in_time),
        SQLITE_CASE(what_is_late_when_taken_does_not_wait_for_the_database),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
