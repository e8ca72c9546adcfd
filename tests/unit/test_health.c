/* SPDX-License-Identifier: MIT */
/*
 * Whether a message would be stored: asked of a real store, whose database another connection holds
 * or whose disk is full. The clock is the test's.
 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "server/health.h"
#include "unit/fake_clock.h"
#include "unit/place_sqlite.h"
#include "unit/scratch.h"

static struct {
    struct health health;
    struct store *store;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int64_t heard; /* the last number */
    int others;    /* what was no end of a probe */
} own = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void on_end(void *context, struct span channel, int64_t number)
{
    (void)context;
    pthread_mutex_lock(&own.lock);
    own.others += channel.len > 0;
    own.heard = number;
    pthread_cond_signal(&own.changed);
    pthread_mutex_unlock(&own.lock);
}

static void wait_for_end(int64_t number)
{
    pthread_mutex_lock(&own.lock);
    while (own.heard < number)
        pthread_cond_wait(&own.changed, &own.lock);
    pthread_mutex_unlock(&own.lock);
}

static int set_up(void **state)
{
    if (scratch_make(state))
        return -1;
    own.heard = 0;
    own.others = 0;
    health_init(&own.health, on_end, NULL);
    return store_open(scratch_path("chat.db"), on_end, NULL, &own.store, NULL) ? -1 : 0;
}

static int tear_down(void **state)
{
    store_close(own.store);
    health_destroy(&own.health);
    return scratch_remove(state);
}

/* Asks and waits for the probe that must begin. */
static const char *ask_anew(int64_t expected)
{
    int64_t number;
    assert_false(health_ask(&own.health, own.store, &number));
    assert_int_equal(number, expected);
    wait_for_end(number);
    assert_true(health_has_ended(&own.health, number));
    return health_problem(&own.health, number);
}

static int64_t commits(void)
{
    struct store_stats stats;
    int64_t count = 0;
    store_stats(own.store, &stats);
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
        count += stats.commit->counts[i];
    assert_int_equal(stats.messages, 0);
    assert_int_equal(stats.queued, 0);
    return count;
}

static void a_result_is_good_for_a_second(void **state)
{
    (void)state;
    int64_t number;
    assert_null(ask_anew(1));
    for (int i = 0; i < 100; i++) {
        assert_true(health_ask(&own.health, own.store, &number));
        assert_int_equal(number, 1);
        assert_null(health_problem(&own.health, number));
    }
    assert_int_equal(commits(), 1); /* of the probe: a real write */
    fake_clock_advance(HEALTH_FRESH_MS);
    assert_null(ask_anew(2));
    assert_int_equal(commits(), 2);
    assert_int_equal(own.others, 0);
}

static sqlite3 *hold_database(void)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(scratch_path("chat.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    return db;
}

/* One probe is under way however many ask; who comes when it has taken too long is told at once. */
static void a_database_that_is_held_is_told_in_time(void **state)
{
    (void)state;
    int64_t number;
    sqlite3 *db = hold_database();
    for (int i = 0; i < 3; i++) {
        assert_false(health_ask(&own.health, own.store, &number));
        assert_int_equal(number, 1);
        assert_false(health_has_ended(&own.health, number));
        assert_non_null(health_problem(&own.health, number)); /* to whoever has waited enough */
    }
    fake_clock_advance(HEALTH_WAIT_S * 1000);
    assert_true(health_ask(&own.health, own.store, &number));
    assert_non_null(health_problem(&own.health, number));
    sqlite3_close(db); /* rolls back */
    wait_for_end(1);
    assert_true(health_ask(&own.health, own.store, &number));
    assert_null(health_problem(&own.health, number));
}

static void a_full_disk_is_told_and_so_is_its_end(void **state)
{
    (void)state;
    assert_null(ask_anew(1));
    scratch_limit(0);
    fake_clock_advance(HEALTH_FRESH_MS);
    assert_string_equal(ask_anew(2), "No message can be stored: the database failed");
    assert_int_equal(commits(), 1);
    scratch_limit(-1);
    fake_clock_advance(HEALTH_FRESH_MS);
    assert_null(ask_anew(3));
}

/* Also under a new file with the same name; and it is over when the file is back. */
static void a_database_that_is_gone_is_told(void **state)
{
    (void)state;
    static const char *const sentence =
        "No message can be stored: the database was removed or replaced";
    char away[300];
    snprintf(away, sizeof(away), "%s", scratch_path("away.db"));
    assert_null(ask_anew(1));
    assert_int_equal(rename(scratch_path("chat.db"), away), 0);
    fake_clock_advance(HEALTH_FRESH_MS);
    assert_string_equal(ask_anew(2), sentence);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(scratch_path("chat.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE t (a)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    fake_clock_advance(HEALTH_FRESH_MS);
    assert_string_equal(ask_anew(3), sentence);
    assert_int_equal(rename(away, scratch_path("chat.db")), 0);
    fake_clock_advance(HEALTH_FRESH_MS);
    assert_null(ask_anew(4));
    assert_int_equal(commits(), 2);
}

static void ignore_done(struct store_append *append, enum error_kind kind)
{
    (void)append, (void)kind;
}

static void a_full_queue_is_told_at_once(void **state)
{
    (void)state;
    int64_t number;
    struct store_append *appends = calloc(STORE_QUEUE_MAX + 1, sizeof(*appends));
    assert_non_null(appends);
    sqlite3 *db = hold_database();
    appends[0].done = ignore_done;
    assert_int_equal(store_queue(own.store, &appends[0]), ERROR_NONE);
    struct store_stats stats;
    do /* the writer takes one and waits for the database */
        store_stats(own.store, &stats);
    while (stats.queued > 0);
    for (int i = 1; i <= STORE_QUEUE_MAX; i++) {
        appends[i].done = ignore_done;
        assert_int_equal(store_queue(own.store, &appends[i]), ERROR_NONE);
    }
    assert_true(health_ask(&own.health, own.store, &number));
    assert_string_equal(health_problem(&own.health, number),
                        "No message can be stored: too many wait already");
    sqlite3_close(db);
    store_close(own.store); /* ends them all */
    free(appends);
    assert_int_equal(store_open(scratch_path("chat.db"), on_end, NULL, &own.store, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_result_is_good_for_a_second, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_database_that_is_held_is_told_in_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk_is_told_and_so_is_its_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_queue_is_told_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_database_that_is_gone_is_told, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
