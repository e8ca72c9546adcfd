/* SPDX-License-Identifier: MIT */
/*
 * How a channel notices that the server's history was reset.
 */
#include "unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/channel.h"
#include "unit/fake_http.h"

/* A channel that watches and has printed messages 3 and 5. */
static struct channel *watching(void **state)
{
    struct channel *c = *state;
    struct channel_fetched fetched;
    c->watches = true;
    will_reply(200, "", "[" M(3) "," M(5) "]");
    assert_int_equal(get(c, 0, &fetched), ERROR_NONE);
    c->check_due = false;
    fake.requests = 0;
    fake.took_ms = 0;
    return c;
}

/* The same with a server that holds replies. */
static struct channel *following(void **state)
{
    struct channel *c = watching(state);
    c->can_wait = true;
    fake.took_ms = 25000;
    return c;
}

static void each_fetch_that_is_not_held_asks_for_the_newest_message_once_more(void **state)
{
    struct channel *c = watching(state);
    struct channel_fetched fetched;
    for (int i = 0; i < 3; i++) {
        will_reply(200, "", "[" M(5) "]");
        assert_int_equal(get(c, 0, &fetched), ERROR_NONE);
        assert_string_equal(fake.target, "/get?channel=a+b%26c&last=4");
        assert_true(fetched.checked);
        assert_int_equal(fetched.handed_over, 0);
    }
    assert_string_equal(got.ids, "3 5 ");
}

static void a_long_message_is_asked_for_every_second_time_only(void **state)
{
    struct channel *c = watching(state);
    struct channel_fetched fetched;
    struct buf body;
    buf_init(&body, 1u << 20);
    assert_int_equal(buf_addf(&body, "[{\"id\":7,\"sender\":\"s\",\"content\":\"%0*d\"}]",
                              CHANNEL_CHECK_MAX + 1, 0),
                     0);
    c->cursor = 5;
    c->check_due = true;
    will_reply(200, "", "[" M(5) "]");
    assert_int_equal(get(c, 0, &fetched), ERROR_NONE);
    buf_clear(&c->newest);
    c->known = (struct message_mark){0};
    will_reply(200, "", body.data);
    assert_int_equal(get(c, 0, &fetched), ERROR_NONE);
    c->check_due = false;
    will_reply(200, "", "null");
    assert_int_equal(get(c, 0, &fetched), ERROR_NONE);
    assert_string_equal(fake.target, "/get?channel=a+b%26c&last=7");
    will_reply(200, "", body.data);
    assert_int_equal(get(c, 0, &fetched), ERROR_NONE);
    assert_string_equal(fake.target, "/get?channel=a+b%26c&last=6");
    assert_true(fetched.checked);
    buf_release(&body);
}

static void a_check_hands_over_what_is_newer(void **state)
{
    struct channel *c = watching(state);
    struct channel_fetched fetched;
    c->check_due = true;
    will_reply(200, "", "[" M(5) "," M(8) "]");
    assert_int_equal(get(c, 0, &fetched), ERROR_NONE);
    assert_string_equal(got.ids, "3 5 8 ");
    assert_int_equal(channel_mark(c).id, 8);
}

static void a_reset_is_noticed_before_anything_is_handed_over(void **state)
{
    static const char *const histories[] = {
        "null",                                                     /* emptied */
        "[]",                                                       /* the same */
        "[" M(6) "]",                                               /* the newest one is gone */
        "[{\"id\":5,\"sender\":\"s\",\"content\":\"y\"}," M(6) "]", /* another one */
        "[{\"id\":5,\"sender\":\"\\ud800\"}," M(6) "]",             /* no message */
    };
    struct channel_fetched fetched;
    for (size_t i = 0; i < COUNT(histories); i++) {
        struct channel *c = watching(state);
        c->check_due = true;
        will_reply(200, "", histories[i]);
        assert_int_equal(get(c, 0, &fetched), ERROR_RESET);
        assert_string_equal(got.ids, "3 5 ");
        tear_down(state);
        set_up(state);
    }
}

static void a_new_connection_makes_a_held_reply_be_asked_for_again(void **state)
{
    struct channel *c = following(state);
    struct channel_fetched fetched;
    fake.reconnects = 1;
    will_reply(200, "wait", "[" M(5) "," M(7) "]");
    assert_int_equal(get(c, 25, &fetched), ERROR_NONE);
    assert_int_equal(fake.requests, 2);
    assert_string_equal(fake.target, "/get?channel=a+b%26c&last=4");
    assert_string_equal(got.ids, "3 5 7 ");
    fake.reconnects = 1;
    will_reply(200, "wait", "[" M(8) "]"); /* the same ids, but another history */
    assert_int_equal(get(c, 25, &fetched), ERROR_RESET);
    assert_string_equal(got.ids, "3 5 7 ");
}

static void a_failure_is_followed_by_a_check(void **state)
{
    struct channel *c = following(state);
    struct channel_fetched fetched;
    will_reply(500, "", "");
    assert_int_equal(get(c, 25, &fetched), ERROR_UNREACHABLE);
    will_reply(200, "wait", "null");
    assert_int_equal(get(c, 25, &fetched), ERROR_RESET);
    assert_int_equal(get(c, 25, &fetched), ERROR_RESET); /* and so it stays */
}

static void a_held_reply_is_followed_by_a_check_when_the_newest_id_is_below_ours(void **state)
{
    static const struct {
        int64_t last_id, took_ms;
        bool due;
    } replies[] = {{5, 25000, false}, {6, 25000, false}, {4, 25000, true},
                   {0, 25000, true},  {-1, 25000, true}, {5, 100, true} /* ended early */};
    for (size_t i = 0; i < COUNT(replies); i++) {
        struct channel *c = following(state);
        struct channel_fetched fetched;
        will_reply(200, "wait", "[]");
        fake.reply.last_id = replies[i].last_id;
        fake.took_ms = replies[i].took_ms;
        assert_int_equal(get(c, 25, &fetched), ERROR_NONE);
        assert_string_equal(fake.target, "/get?channel=a+b%26c&last=5&wait=25");
        assert_int_equal(c->check_due, replies[i].due);
        if (replies[i].due) {
            assert_int_equal(get(c, 25, &fetched), ERROR_RESET);
            assert_string_equal(fake.target, "/get?channel=a+b%26c&last=4"); /* not held */
        }
        tear_down(state);
        set_up(state);
    }
}

static void what_was_expected_must_be_there(void **state)
{
    struct channel *c = watching(state);
    struct message_mark mark = channel_mark(c);
    struct channel_fetched fetched;
    struct channel later;
    for (unsigned good = 0; good < 2; good++) {
        channel_init(&later, NULL, span_of("c"));
        later.watches = true;
        channel_expect(&later, (struct message_mark){5, mark.fingerprint + !good});
        will_reply(200, "", "[" M(5) "," M(6) "]");
        assert_int_equal(get(&later, 0, &fetched), good ? ERROR_NONE : ERROR_RESET);
        assert_string_equal(fake.target, "/get?channel=c&last=4");
        channel_release(&later);
    }
    channel_init(&later, NULL, span_of("c"));
    later.watches = true;
    channel_expect(&later, (struct message_mark){.id = 5}); /* -a: it was never seen */
    will_reply(200, "", "null");
    assert_int_equal(get(&later, 0, &fetched), ERROR_NONE); /* so it need not be there */
    assert_string_equal(fake.target, "/get?channel=c&last=4");
    will_reply(200, "", "[" M(5) "]");
    assert_int_equal(get(&later, 0, &fetched), ERROR_NONE); /* but from now on it must */
    assert_int_equal(channel_mark(&later).fingerprint, mark.fingerprint);
    will_reply(200, "", "null");
    assert_int_equal(get(&later, 0, &fetched), ERROR_RESET);
    channel_release(&later);
}

static void a_channel_begins_anew_after_a_reset(void **state)
{
    struct channel *c = watching(state);
    struct channel_fetched fetched;
    channel_restart(c);
    assert_int_equal(channel_mark(c).id, 0);
    will_reply(200, "", "[" M(1) "]");
    assert_int_equal(get(c, 0, &fetched), ERROR_NONE);
    assert_string_equal(got.ids, "3 5 1 ");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(each_fetch_that_is_not_held_asks_for_the_newest_message_once_more),
        CASE(a_long_message_is_asked_for_every_second_time_only),
        CASE(a_check_hands_over_what_is_newer),
        CASE(a_reset_is_noticed_before_anything_is_handed_over),
        CASE(a_new_connection_makes_a_held_reply_be_asked_for_again),
        CASE(a_failure_is_followed_by_a_check),
        CASE(a_held_reply_is_followed_by_a_check_when_the_newest_id_is_below_ours),
        CASE(what_was_expected_must_be_there),
        CASE(a_channel_begins_anew_after_a_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
