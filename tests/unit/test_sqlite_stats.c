/* SPDX-License-Identifier: MIT */
/*
 * What the SQLite store counts of its files, and what a probe does to them. What holds for any
 * store is in test_store.c.
 */
#include "unit.h"

#include "server/store.h"
#include "unit/place_sqlite.h"
#include "unit/scratch.h"

static struct store_stats stats_of(struct fixture *f)
{
    struct store_stats stats;
    store_stats(f->store, &stats);
    return stats;
}

static int64_t commits(struct fixture *f)
{
    int64_t count = 0;
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
        count += stats_of(f).commit->counts[i];
    return count;
}

static void the_sizes_are_those_of_the_files(void **state)
{
    struct fixture *f = *state;
    struct item one;
    open_store(f);
    queue(f, &one, span_of("c"), span_of("x"));
    wait_for(f, 1);
    assert_true(stats_of(f).wal_bytes > 4096);
    assert_int_equal(stats_of(f).bytes, query_number(f, "SELECT page_count * 4096 FROM "
                                                        "pragma_page_count"));
    store_close(f->store);
    f->store = NULL;
    assert_int_equal(store_open(":memory:", store_on_message, f, &f->store, NULL), ERROR_NONE);
    assert_int_equal(stats_of(f).wal_bytes, 0);
    assert_true(stats_of(f).bytes > 4096);
}

static void a_failure_is_counted_and_stores_nothing(void **state)
{
    struct fixture *f = *state;
    struct item one, two;
    open_store(f);
    scratch_limit(0);
    queue(f, &one, span_of("c"), span_of("x"));
    wait_for(f, 1);
    scratch_limit(-1);
    assert_int_equal(one.kind, ERROR_UNREACHABLE);
    assert_int_equal(stats_of(f).failed, 1);
    queue(f, &two, span_of("c"), span_of("y"));
    wait_for(f, 2);
    assert_int_equal(stats_of(f).messages, 1);
    assert_int_equal(commits(f), 1);
}

static void a_probe_writes_and_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct item probe = {0}, one;
    open_store(f);
    int64_t before = stats_of(f).wal_bytes;
    queue_append(f, &probe);
    wait_for(f, 1);
    assert_int_equal(probe.kind, ERROR_NONE);
    assert_true(stats_of(f).wal_bytes > before);
    assert_int_equal(f->heard, 0);
    assert_int_equal(stats_of(f).messages, 0);
    assert_int_equal(query_number(f, "SELECT count(*) FROM message"), 0);
    queue(f, &one, span_of("c"), span_of("x"));
    wait_for(f, 2);
    assert_int_equal(one.message.id, 1);
    reopen_store(f); /* and the version is as it was */
    run_sql_once(f, "PRAGMA user_version = 99");
    queue_append(f, &probe);
    wait_for(f, 3);
    assert_int_equal(probe.kind, ERROR_NONE);
    assert_int_equal(query_number(f, "PRAGMA user_version"), 99); /* even if it is another's */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQLITE_CASE(the_sizes_are_those_of_the_files),
        SQLITE_CASE(a_failure_is_counted_and_stores_nothing),
        SQLITE_CASE(a_probe_writes_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
