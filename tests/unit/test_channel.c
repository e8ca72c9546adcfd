/* SPDX-License-Identifier: MIT */
/*
 * What the API means, against a fake of http.h: the reply is cut into pieces of every size.
 */
#include "unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/channel.h"
#include "unit/fake_http.h"

static void each_message_once_and_the_cursor_follows(void **state)
{
    struct channel *c = *state;
    struct channel_fetched fetched;
    will_reply(200, "", "[" M(3) "," M(5) "," M(4) "," M(5) "," M(9) "]");
    assert_int_equal(get(c, 0, &fetched), ERROR_NONE);
    assert_string_equal(got.ids, "3 5 9 ");
    assert_int_equal(c->cursor, 9);
    assert_int_equal(fetched.handed_over, 3);
    assert_string_equal(fake.target, "/get?channel=a+b%26c&last=0");
    will_reply(200, "", "null");
    assert_int_equal(get(c, 0, &fetched), ERROR_NONE);
    assert_string_equal(fake.target, "/get?channel=a+b%26c&last=9");
    assert_string_equal(got.ids, "3 5 9 ");
}

static void a_reply_cut_anywhere_is_taken_up_after_its_last_whole_message(void **state)
{
    static const char body[] = "[" M(1) ", " M(2) ",\n" M(30) "]";
    (void)state;
    for (size_t piece = 1; piece < sizeof(body); piece += 5) {
        for (size_t cut = 0; cut < sizeof(body) - 1; cut++) {
            struct channel c;
            struct channel_fetched fetched;
            channel_init(&c, NULL, span_of("c"));
            got = (struct gathered){0};
            will_reply(200, "", body);
            fake.piece = piece;
            fake.cut_after = cut;
            assert_int_equal(get(&c, 0, &fetched), ERROR_UNREACHABLE);
            fake.cut_after = SIZE_MAX;
            assert_int_equal(get(&c, 0, &fetched), ERROR_NONE);
            assert_string_equal(got.ids, "1 2 30 ");
            channel_release(&c);
        }
    }
}

static void a_bad_element_never_spoils_its_neighbours(void **state)
{
    static const char *const bad[] = {
        "{\"id\":5,\"sender\":\"s\",\"content\":\"\\ud800\"}",
        "7",
        "\"x\"",
        "null",
        "[]",
        "",
        "{}",
        "{\"id\":5}",
        "{\"id\":0,\"sender\":\"s\",\"content\":\"x\"}",
        "{\"id\":5,,}",
        "tru",
    };
    struct channel *c = *state;
    (void)c;
    for (size_t i = 0; i < COUNT(bad); i++) {
        char body[512];
        struct channel fresh;
        struct channel_fetched fetched;
        channel_init(&fresh, NULL, span_of("c"));
        got = (struct gathered){0};
        snprintf(body, sizeof(body), "[" M(1) ",%s," M(9) "]", bad[i]);
        will_reply(200, "", body);
        assert_int_equal(get(&fresh, 0, &fetched), ERROR_NONE);
        assert_string_equal(got.ids, "1 9 ");
        channel_release(&fresh);
    }
}

static void an_id_in_bad_bytes_does_not_move_the_cursor(void **state)
{
    struct channel *c = *state;
    struct channel_fetched fetched;
    will_reply(200, "", "[" M(1) ",{\"id\":9000000000000000000,\"sender\":\"\\ud800\"}]");
    assert_int_equal(get(c, 0, &fetched), ERROR_NONE);
    assert_int_equal(c->cursor, 1);
    will_reply(200, "", "[" M(2) "]");
    assert_int_equal(get(c, 0, &fetched), ERROR_NONE);
    assert_string_equal(got.ids, "1 2 ");
}

static void a_page_without_one_message_is_passed(void **state)
{
    struct channel *c = *state;
    struct channel_fetched fetched;
    struct buf page;
    buf_init(&page, 1u << 20);
    for (int i = 1; i <= CHANNEL_PAGE; i++)
        assert_int_equal(buf_addf(&page, "%c{\"id\":%d,\"sender\":0}", i == 1 ? '[' : ',', i), 0);
    assert_int_equal(buf_add_char(&page, ']'), 0);
    c->can_limit = true;
    will_reply(200, "limit", page.data);
    assert_int_equal(get(c, 0, &fetched), ERROR_NONE);
    assert_true(fetched.more);
    assert_int_equal(c->cursor, CHANNEL_PAGE);
    buf_release(&page);
}

static void what_is_no_array_is_told(void **state)
{
    static const char *const bodies[] = {"<html>", "{\"error\":\"x\"}", "[1] 2", "",
                                         "7",      "[" M(1) ","};
    struct channel *c = *state;
    struct channel_fetched fetched;
    for (size_t i = 0; i < COUNT(bodies); i++) {
        will_reply(200, "", bodies[i]);
        assert_int_equal(get(c, 0, &fetched), ERROR_BAD_DATA);
    }
    assert_string_equal(got.ids, "1 "); /* what was whole in the last one */
}

static void extras_are_used_when_announced_and_not_before(void **state)
{
    struct channel *c = *state;
    struct channel_fetched fetched;
    will_reply(200, " wait, limit\r\n", "[]");
    assert_int_equal(get(c, 25, &fetched), ERROR_NONE);
    assert_string_equal(fake.target, "/get?channel=a+b%26c&last=0");
    assert_true(c->can_wait && c->can_limit);
    will_reply(200, "waiting limits", "[]");
    assert_int_equal(get(c, 25, &fetched), ERROR_NONE);
    assert_string_equal(fake.target, "/get?channel=a+b%26c&last=0&limit=1000&wait=25");
    assert_false(c->can_wait || c->can_limit); /* another server now */
    assert_false(fetched.more);
    will_reply(200, "keys", "[]");
    assert_int_equal(get(c, 0, &fetched), ERROR_NONE);
    assert_true(c->can_keys);
    will_reply(200, "", ""); /* a status line and no more: that says nothing about keys */
    assert_int_equal(get(c, 0, &fetched), ERROR_BAD_DATA);
    assert_true(c->can_keys);
}

static void a_full_page_means_more(void **state)
{
    struct channel *c = *state;
    struct channel_fetched fetched;
    struct buf page;
    buf_init(&page, 1u << 20);
    for (int i = 1; i <= CHANNEL_PAGE; i++)
        assert_int_equal(buf_addf(&page, "%c{\"id\":%d,\"sender\":\"s\",\"content\":\"x\"}",
                                  i == 1 ? '[' : ',', i),
                         0);
    assert_int_equal(buf_add_char(&page, ']'), 0);
    c->can_limit = true;
    will_reply(200, "limit", page.data);
    assert_int_equal(get(c, 0, &fetched), ERROR_NONE);
    assert_true(fetched.more);
    assert_int_equal(c->cursor, CHANNEL_PAGE);
    assert_int_equal(get(c, 0, &fetched), ERROR_NONE); /* the same page: no way forward */
    assert_false(fetched.more);
    buf_release(&page);
}

static void the_sink_can_stop_before_a_message(void **state)
{
    struct channel *c = *state;
    struct channel_fetched fetched;
    got.stop_at = 5;
    will_reply(200, "", "[" M(3) "," M(5) "," M(7) "]");
    assert_int_equal(get(c, 0, &fetched), ERROR_STOPPED);
    assert_int_equal(c->cursor, 3);
    got.stop_at = 0;
    assert_int_equal(get(c, 0, &fetched), ERROR_NONE);
    assert_string_equal(got.ids, "3 5 7 ");
}

static void the_past_is_asked_for_by_count(void **state)
{
    struct channel *c = *state;
    struct channel_fetched fetched;
    will_reply(200, "", "[" M(7) "]");
    assert_int_equal(channel_fetch_past(c, 0, &sink, &fetched, NULL), ERROR_NONE);
    assert_string_equal(fake.target, "/past?channel=a+b%26c&count=1");
    assert_string_equal(got.ids, "");
    assert_int_equal(c->cursor, 7); /* only where to begin */
    will_reply(200, "", "[" M(8) "," M(9) "]");
    assert_int_equal(channel_fetch_past(c, 50, &sink, &fetched, NULL), ERROR_NONE);
    assert_string_equal(fake.target, "/past?channel=a+b%26c&count=50");
    assert_string_equal(got.ids, "8 9 ");
}

/* Even over a new connection, as the first one always is. */
static void the_first_reply_is_taken_in_any_number_of_pieces(void **state)
{
    struct channel *c = *state;
    struct channel_fetched fetched;
    c->watches = true;
    will_reply(200, "", "[" M(1) "," M(2) "," M(3) "]");
    for (fake.piece = 1; fake.piece < 200; fake.piece += 3) {
        channel_restart(c);
        got = (struct gathered){0};
        fake.reconnects = 1;
        assert_int_equal(channel_fetch_past(c, 50, &sink, &fetched, NULL), ERROR_NONE);
        assert_string_equal(got.ids, "1 2 3 ");
    }
}

static void a_past_of_bad_elements_is_behind_us(void **state)
{
    struct channel *c = *state;
    struct channel_fetched fetched;
    will_reply(200, "", "[{\"id\":8,\"sender\":1},{\"id\":9,\"sender\":1}]");
    assert_int_equal(channel_fetch_past(c, 2, &sink, &fetched, NULL), ERROR_NONE);
    assert_int_equal(c->cursor, 9);
    assert_int_equal(channel_mark(c).id, 9);
    assert_int_equal(channel_mark(c).fingerprint, 0);
}

static void a_post_is_form_encoded_and_judged(void **state)
{
    struct channel *c = *state;
    struct channel_posted posted;
    struct error e;
    will_reply(200, "", "{\"id\":4,\"sender\":\"me\",\"content\":\"a &amp; b\"}");
    assert_int_equal(
        channel_post(c, span_of("ch"), span_of("me"), span_of("a & b"), NULL, &posted, &e),
        ERROR_NONE);
    assert_string_equal(fake.target, "/send");
    assert_string_equal(fake.key, "");
    assert_buf(fake.posted, "channel=ch&sender=me&content=a+%26+b");
    assert_int_equal(posted.stored.last, 4);
    will_reply(400, "", "{\"error\":\"no\"}");
    assert_int_equal(channel_post(c, span_of("ch"), span_of("me"), span_of("x"), "k1", &posted, &e),
                     ERROR_REFUSED);
    assert_string_equal(e.text, "the server answers 400: no");
    assert_string_equal(fake.key, "k1");
    assert_int_equal(posted.status, 400);
}

static void a_batch_asks_for_no_more_than_is_wanted(void **state)
{
    struct channel *c = *state;
    struct channel_posted posted;
    struct error e;
    struct batch batch;
    struct batch_line line = {1, span_of("ch"), span_of("s"), span_of("x")};
    batch_init(&batch);
    assert_true(batch_add(&batch, &line));
    c->can_minimal = false;
    will_reply(200, "", "[" M(4) "]");
    assert_int_equal(channel_post_batch(c, &batch, "k1", false, &posted, &e), ERROR_NONE);
    assert_string_equal(fake.target, "/batch");
    assert_string_equal(fake.key, "k1");
    assert_string_equal(fake.prefer, "");
    c->can_minimal = true;
    assert_int_equal(channel_post_batch(c, &batch, "k2", true, &posted, &e), ERROR_NONE);
    assert_string_equal(fake.prefer, "");
    assert_true(span_equal(posted.stored.json, span_of("[" M(4) "]")));
    will_reply(200, "", "{\"first\":5,\"last\":5,\"count\":1}");
    assert_int_equal(channel_post_batch(c, &batch, "k3", false, &posted, &e), ERROR_NONE);
    assert_string_equal(fake.prefer, "return=minimal");
    assert_int_equal(posted.stored.last, 5);
    batch_release(&batch);
}

static void a_probe_tells_the_newest_id_and_the_extras(void **state)
{
    struct channel *c = *state;
    int64_t newest, retry_after;
    struct error e;
    will_reply(200, "wait, keys, minimal", "[" M(12) "]");
    assert_int_equal(channel_probe(c, span_of("d"), &newest, &retry_after, &e), ERROR_NONE);
    assert_string_equal(fake.target, "/past?channel=d&count=1");
    assert_int_equal(newest, 12);
    assert_true(c->can_minimal);
    assert_true(c->can_keys);
    will_reply(200, "", "null");
    assert_int_equal(channel_probe(c, span_of("d"), &newest, &retry_after, &e), ERROR_NONE);
    assert_int_equal(newest, 0);
    assert_false(c->can_keys);
    will_reply(200, "", "[{\"id\":9,\"sender\":\"\\ud800\"}]");
    assert_int_equal(channel_probe(c, span_of("d"), &newest, &retry_after, &e), ERROR_NONE);
    assert_int_equal(newest, 9);
    will_reply(200, "", "[7]");
    assert_int_equal(channel_probe(c, span_of("d"), &newest, &retry_after, &e), ERROR_NONE);
    assert_int_equal(newest, -1); /* older equal messages must not be taken for ours */
    will_reply(503, "", "");
    assert_int_equal(channel_probe(c, span_of("d"), &newest, &retry_after, &e), ERROR_UNREACHABLE);
}

static void a_look_finds_the_first_message_that_is_ours(void **state)
{
    struct channel *c = *state;
    struct stored found;
    struct error e;
#define LOOK(after, sender, content)                                                               \
    channel_look(c, span_of("d"), after, span_of(sender), span_of(content), 0, &found, &e)
    will_reply(200, "", "[" M(4) "," M(6) "]");
    assert_int_equal(LOOK(3, "s", " x\n"), ERROR_NONE);
    assert_string_equal(fake.target, "/get?channel=d&last=3");
    assert_int_equal(found.last, 4);
    assert_int_equal(LOOK(4, "s", "x"), ERROR_NONE);
    assert_int_equal(found.last, 6);
    assert_int_equal(LOOK(6, "s", "x"), ERROR_NONE);
    assert_int_equal(found.last, 0);
    assert_int_equal(LOOK(3, "t", "x"), ERROR_NONE);
    assert_int_equal(found.last, 0);
    fake.cut_after = 80; /* after the first message: it counts, whatever came then */
    assert_int_equal(LOOK(3, "s", "x"), ERROR_NONE);
    assert_int_equal(found.last, 4);
    assert_int_equal(LOOK(5, "s", "x"), ERROR_UNREACHABLE);
    assert_int_equal(found.last, 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(each_message_once_and_the_cursor_follows),
        CASE(a_reply_cut_anywhere_is_taken_up_after_its_last_whole_message),
        CASE(a_bad_element_never_spoils_its_neighbours),
        CASE(an_id_in_bad_bytes_does_not_move_the_cursor),
        CASE(a_page_without_one_message_is_passed),
        CASE(what_is_no_array_is_told),
        CASE(extras_are_used_when_announced_and_not_before),
        CASE(a_full_page_means_more),
        CASE(the_sink_can_stop_before_a_message),
        CASE(the_past_is_asked_for_by_count),
        CASE(a_post_is_form_encoded_and_judged),
        CASE(the_first_reply_is_taken_in_any_number_of_pieces),
        CASE(a_past_of_bad_elements_is_behind_us),
        CASE(a_batch_asks_for_no_more_than_is_wanted),
        CASE(a_probe_tells_the_newest_id_and_the_extras),
        CASE(a_look_finds_the_first_message_that_is_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
