/* SPDX-License-Identifier: MIT */
/*
 * A store keeps any bytes of any length as they are: cases for any store (see store_fixture.h).
 */
#include "unit.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "server/store.h"
#include "unit/store_fixture.h"

#define LONG_NAME ((size_t)64 << 10)
#define LARGE     ((size_t)10 << 20)

/* The one message that is expected, and how often it came. */
struct expected {
    struct store_message message;
    int rows;
};

static bool check_row(void *context, const struct store_message *m)
{
    struct expected *x = context;
    assert_int_equal(m->id, x->message.id);
    assert_int_equal(m->time_s, x->message.time_s);
    assert_true(span_equal(m->channel, x->message.channel));
    assert_true(span_equal(m->sender, x->message.sender));
    assert_true(span_equal(m->content, x->message.content));
    x->rows++;
    return true;
}

/* Stores a message under a key, and finds it, and nothing else in its channel. */
static void store_and_read(struct fixture *f, struct span channel, struct span sender,
                           struct span content)
{
    struct item item;
    int before = f->done;
    int64_t last = 0, after = -1;
    item.message = (struct store_message){.channel = channel, .sender = sender, .content = content};
    item.append =
        (struct store_append){.messages = &item.message, .count = 1, .key = span_of("key")};
    run_sql_once(f, "DELETE FROM append_key");
    for (int round = 0; round < 2; round++) {
        queue_append(f, &item);
        wait_for(f, before + 1 + round);
        assert_int_equal(item.kind, ERROR_NONE);
        assert_int_equal(item.append.replayed, round == 1);
    }
    struct expected x = {.message = item.message};
    assert_int_equal(store_read(f->store, channel, 0, INT64_MAX, 9, check_row, &x, NULL), 0);
    assert_int_equal(x.rows, 1);
    assert_int_equal(store_last_id(f->store, channel, clock_now_us(), &last, NULL), 0);
    assert_int_equal(last, item.message.id);
    assert_int_equal(store_last_ids(f->store, &channel, 1, &last, NULL), 0);
    assert_int_equal(last, item.message.id);
    assert_int_equal(store_find_start(f->store, channel, INT64_MAX, 1, &after, NULL), 0);
    assert_int_equal(after, last - 1);
}

static char *bytes_of(size_t len)
{
    char *bytes = malloc(len);
    assert_non_null(bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(i * 31 + i / 256);
    return bytes;
}

static void any_bytes_are_kept(void **state)
{
    struct fixture *f = *state;
    char all[256];
    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (char)i;
    const struct span texts[] = {
        LITERAL("\0"),
        LITERAL("a\0b"),
        LITERAL("a\0c"),
        LITERAL("a"),
        LITERAL("A"),
        LITERAL("a "),
        LITERAL("\xc3\xa4"),
        LITERAL("a\xcc\x88"),
        LITERAL("\xff\xfe no UTF-8"),
        LITERAL("'; DROP TABLE message; --"),
        LITERAL("\\x00 %s $1 {\"}"),
        {all, sizeof(all)},
    };
    open_store(f);
    for (size_t i = 0; i < COUNT(texts); i++)
        store_and_read(f, texts[i], texts[COUNT(texts) - 1 - i], texts[i]);
    store_and_read(f, span_of("empty"), span_of("s"), LITERAL(""));
    store_and_read(f, span_of("no data"), span_of("s"), (struct span){NULL, 0});
    for (size_t i = 0; i < COUNT(texts); i++)
        assert_int_equal(rows_of(f->store, texts[i]), 1);
}

/* Two long names that differ at the end only are two channels. */
static void long_names_are_kept(void **state)
{
    struct fixture *f = *state;
    char *one = bytes_of(LONG_NAME), *other = bytes_of(LONG_NAME);
    other[LONG_NAME - 1] ^= 1;
    open_store(f);
    store_and_read(f, (struct span){one, LONG_NAME}, (struct span){other, LONG_NAME}, span_of("x"));
    store_and_read(f, (struct span){other, LONG_NAME}, (struct span){one, LONG_NAME}, span_of("x"));
    assert_int_equal(f->heard, 2);
    free(one);
    free(other);
}

static void large_contents_are_kept(void **state)
{
    struct fixture *f = *state;
    char *large = bytes_of(LARGE);
    open_store(f);
    store_and_read(f, span_of("c"), span_of("s"), (struct span){large, LARGE});
    free(large);
}

struct sizes {
    const size_t *expected;
    size_t rows, stop_at;
};

static bool check_size(void *context, const struct store_message *m)
{
    struct sizes *s = context;
    assert_int_equal(m->content.len, s->expected[s->rows]);
    return ++s->rows != s->stop_at;
}

/* Reading in pages must not show, wherever they end. */
static void many_sizes_are_read_in_order(void **state)
{
    struct fixture *f = *state;
    static struct store_message messages[700];
    static size_t expected[COUNT(messages)];
    const size_t largest = 400000;
    char *bytes = bytes_of(largest);
    open_store(f);
    for (size_t i = 0; i < COUNT(messages); i++) {
        expected[i] = i < 300 ? i % 3 : i % 50 == 0 ? largest : i * 13 % 5000;
        messages[i] = (struct store_message){
            .channel = span_of("c"), .sender = span_of("s"), .content = {bytes, expected[i]}};
    }
    struct item item = {.append = {.messages = messages, .count = COUNT(messages)}};
    queue_append(f, &item);
    wait_for(f, 1);
    assert_int_equal(item.kind, ERROR_NONE);
    static const size_t stops[] = {1, 255, 256, 257, 300, 301, 302, 512, 699, 700, 0};
    for (size_t i = 0; i < COUNT(stops); i++) {
        struct sizes s = {.expected = expected, .stop_at = stops[i]};
        size_t wanted = stops[i] ? stops[i] : COUNT(messages);
        assert_int_equal(
            store_read(f->store, span_of("c"), 0, INT64_MAX, INT64_MAX, check_size, &s, NULL), 0);
        assert_int_equal(s.rows, wanted);
        s = (struct sizes){.expected = expected};
        assert_int_equal(
            store_read(f->store, span_of("c"), 0, INT64_MAX, (int64_t)wanted, check_size, &s, NULL),
            0);
        assert_int_equal(s.rows, wanted);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_CASE(any_bytes_are_kept),
        STORE_CASE(long_names_are_kept),
        STORE_CASE(large_contents_are_kept),
        STORE_CASE(many_sizes_are_read_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
