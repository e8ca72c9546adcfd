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
#include "unit/fake_clock.h"

/* The reply of the next request, and what was asked. */
static struct {
    struct http_reply reply;
    struct span body;
    size_t piece;
    size_t cut_after; /* bytes of the body; SIZE_MAX: whole */
    int64_t took_ms;  /* each request */
    int reconnects;   /* so many requests go over a new connection */
    unsigned requests;
    char target[512];
    char key[64];
    struct buf posted;
} fake;

void http_perform(struct http *h, const struct http_request *request, struct http_reply *reply)
{
    (void)h;
    snprintf(fake.target, sizeof(fake.target), "%s", request->target);
    buf_clear(&fake.posted);
    assert_int_equal(buf_add(&fake.posted, request->body.data, request->body.len), 0);
    snprintf(fake.key, sizeof(fake.key), "%s",
             request->idempotency_key ? request->idempotency_key : "");
    fake.requests++;
    fake_clock_advance(fake.took_ms);
    *reply = fake.reply;
    reply->reconnected = fake.reconnects > 0 && fake.reconnects--;
    size_t len = fake.body.len < fake.cut_after ? fake.body.len : fake.cut_after;
    for (size_t i = 0; i < len; i += fake.piece) {
        size_t n = len - i < fake.piece ? len - i : fake.piece;
        struct span piece = {fake.body.data + i, n};
        if (!request->on_body(request->context, reply, piece)) {
            reply->end = HTTP_ABORTED;
            return;
        }
    }
    if (fake.body.len > len)
        reply->end = HTTP_FAILED;
}

static void will_reply(long status, const char *features, const char *body)
{
    fake.reply = (struct http_reply){
        .end = HTTP_COMPLETE, .status = status, .left = true, .retry_after_ms = -1, .last_id = -1};
    snprintf(fake.reply.features, sizeof(fake.reply.features), "%s", features);
    snprintf(fake.reply.error, sizeof(fake.reply.error), "%s", "the connection broke");
    fake.body = span_of(body);
    fake.piece = 7;
    fake.cut_after = SIZE_MAX;
}

/* Gathers the ids handed over as text; stops before `stop_at`. */
struct gathered {
    char ids[256];
    int64_t stop_at;
};

static bool gather(void *context, const struct message *m)
{
    struct gathered *g = context;
    if (m->id == g->stop_at)
        return false;
    size_t len = strlen(g->ids);
    snprintf(g->ids + len, sizeof(g->ids) - len, "%d ", (int)m->id);
    return true;
}

static bool never_stop(void *context)
{
    (void)context;
    return true;
}

static bool never_interrupt(void *context)
{
    (void)context;
    return false;
}

static struct gathered got;
static const struct channel_sink sink = {.on_message = gather,
                                         .on_flush = never_stop,
                                         .interrupt = never_interrupt,
                                         .watch_fd = -1,
                                         .context = &got};

static enum error_kind get(struct channel *c, int64_t wait_s, struct channel_fetched *ret)
{
    return channel_fetch(c, wait_s, &sink, ret, NULL);
}

#define M(id) "{\"id\":" #id ",\"channel\":\"c\",\"sender\":\"s\",\"content\":\"x\"}"

static int set_up(void **state)
{
    static struct channel channel;
    channel_init(&channel, NULL, span_of("a b&c"));
    buf_init(&fake.posted, 10000);
    got = (struct gathered){0};
    *state = &channel;
    return 0;
}

static int tear_down(void **state)
{
    channel_release(*state);
    buf_release(&fake.posted);
    return 0;
}

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
    assert_int_equal(posted.stored.id, 4);
    message_release(&posted.stored);
    will_reply(400, "", "{\"error\":\"no\"}");
    assert_int_equal(channel_post(c, span_of("ch"), span_of("me"), span_of("x"), "k1", &posted, &e),
                     ERROR_REFUSED);
    assert_string_equal(e.text, "the server answers 400: no");
    assert_string_equal(fake.key, "k1");
    assert_int_equal(posted.status, 400);
}

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
    message_release(&c->newest);
    c->newest = (struct message){0};
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

static void a_probe_tells_the_newest_id_and_the_extras(void **state)
{
    struct channel *c = *state;
    int64_t newest, retry_after;
    struct error e;
    will_reply(200, "wait, keys", "[" M(12) "]");
    assert_int_equal(channel_probe(c, span_of("d"), &newest, &retry_after, &e), ERROR_NONE);
    assert_string_equal(fake.target, "/past?channel=d&count=1");
    assert_int_equal(newest, 12);
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
    struct message found;
    struct error e;
#define LOOK(after, sender, content)                                                               \
    channel_look(c, span_of("d"), after, span_of(sender), span_of(content), 0, &found, &e)
    will_reply(200, "", "[" M(4) "," M(6) "]");
    assert_int_equal(LOOK(3, "s", " x\n"), ERROR_NONE);
    assert_string_equal(fake.target, "/get?channel=d&last=3");
    assert_int_equal(found.id, 4);
    message_release(&found);
    assert_int_equal(LOOK(4, "s", "x"), ERROR_NONE);
    assert_int_equal(found.id, 6);
    message_release(&found);
    assert_int_equal(LOOK(6, "s", "x"), ERROR_NONE);
    assert_null(found.fields);
    assert_int_equal(LOOK(3, "t", "x"), ERROR_NONE);
    assert_null(found.fields);
    fake.cut_after = 80; /* after the first message: it counts, whatever came then */
    assert_int_equal(LOOK(3, "s", "x"), ERROR_NONE);
    assert_int_equal(found.id, 4);
    message_release(&found);
    assert_int_equal(LOOK(5, "s", "x"), ERROR_UNREACHABLE);
    assert_null(found.fields);
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
        CASE(a_past_of_bad_elements_is_behind_us),
        CASE(each_fetch_that_is_not_held_asks_for_the_newest_message_once_more),
        CASE(a_long_message_is_asked_for_every_second_time_only),
        CASE(a_check_hands_over_what_is_newer),
        CASE(a_reset_is_noticed_before_anything_is_handed_over),
        CASE(a_new_connection_makes_a_held_reply_be_asked_for_again),
        CASE(a_failure_is_followed_by_a_check),
        CASE(a_held_reply_is_followed_by_a_check_when_the_newest_id_is_below_ours),
        CASE(what_was_expected_must_be_there),
        CASE(a_channel_begins_anew_after_a_reset),
        CASE(a_probe_tells_the_newest_id_and_the_extras),
        CASE(a_look_finds_the_first_message_that_is_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
