/* SPDX-License-Identifier: MIT */
/*
 * Appends under a key are stored once: cases for any store (see store_fixture.h).
 */
#include "unit.h"

#include <stdbool.h>
#include <string.h>

#include "server/store.h"
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
static void *block_writer(struct fixture *f, struct item *item)
{
    void *held = f->place->hold(f->path);
    queue(f, item, span_of("c"), span_of("blocked"));
    return held;
}

static void one_group_stores_a_key_once(void **state)
{
    struct fixture *f = *state;
    struct item blocked, first, again, other, plain;
    open_store(f);
    void *held = block_writer(f, &blocked);
    queue_one(f, &first, "x", "k");
    queue_one(f, &again, "x", "k");
    queue_one(f, &other, "y", "k");
    queue_one(f, &plain, "z", NULL);
    f->place->release(held);
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
    static const char *const poisons[][2] = {{"poison", "p"}, {"p", "poison"}};
    open_store(f);
    run_sql_once(f, f->place->no_poison);
    for (size_t i = 0; i < COUNT(poisons); i++) {
        struct item blocked, first, again, poison;
        int before = f->done;
        void *held = block_writer(f, &blocked);
        queue_one(f, &first, "x", "k");
        queue_one(f, &again, "x", "k");
        queue_one(f, &poison, poisons[i][0], poisons[i][1]);
        f->place->release(held);
        wait_for(f, before + 4);
        assert_int_equal(first.kind, ERROR_UNREACHABLE);
        assert_int_equal(again.kind, ERROR_UNREACHABLE);
        assert_false(again.append.replayed);
        assert_int_equal(poison.kind, ERROR_UNREACHABLE);
        assert_int_equal(query_number(f, KEYS), 0);
        assert_int_equal(query_number(f, "SELECT count(*) FROM message WHERE content <> 'blocked'"),
                         0);
    }
    run_sql_once(f, f->place->poison);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_CASE(a_repeat_stores_nothing_and_has_the_ids_of_the_first),
        STORE_CASE(another_payload_under_the_key_is_refused),
        STORE_CASE(one_group_stores_a_key_once),
        STORE_CASE(a_failed_group_leaves_no_key),
        STORE_CASE(a_key_counts_for_seven_days),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
