/* SPDX-License-Identifier: MIT */
/*
 * Batches: their lines, and the API call without a socket.
 */
#include "unit.h"

#include "unit/api_fixture.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/batch.h"

#define GOOD_LINE "{\"channel\":\"c\",\"sender\":\"s\",\"content\":\"x\"}\n"
#define REPLY_MAX (16u << 20)

static void assert_span(struct span got, struct span wanted)
{
    assert_int_equal(got.len, wanted.len);
    assert_memory_equal(got.data, wanted.data, wanted.len);
}

/* `count` times the same line. */
static void add_lines(struct buf *body, const char *line, int count)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(buf_add_str(body, line), 0);
}

static struct span span_of_body(const struct buf *body)
{
    return (struct span){body->data, body->len};
}

static void lines_become_messages_in_order(void **state)
{
    (void)state;
    static const char body[] =
        "{\"channel\":\"a\",\"sender\":\"anna\",\"content\":\"one\"}\n"
        "{\"id\":7,\"content\":\"\\u00e4 & \\\"two\\\"\\n\",\"sender\":\" "
        "bob\\t\",\"channel\":\"b\","
        "\"time\":null,\"more\":[{\"channel\":1}]}\r\n"
        " {\"channel\":\"\\u2003a\\u00a0\", \"sender\":\"\\ud83d\\ude00\", \"content\":\"3\"} \n"
        "\n  \r\n\t";
    struct batch b;
    batch_init(&b);
    assert_int_equal(batch_bytes(&b), 0);
    assert_int_equal(batch_parse(&b, LITERAL(body), NULL), ERROR_NONE);
    assert_int_equal(b.count, 3);
    assert_span(b.messages[0].channel, LITERAL("a"));
    assert_span(b.messages[0].sender, LITERAL("anna"));
    assert_span(b.messages[0].content, LITERAL("one"));
    assert_span(b.messages[1].channel, LITERAL("b"));
    assert_span(b.messages[1].sender, LITERAL("bob"));
    assert_span(b.messages[1].content, LITERAL("\xc3\xa4 & \"two\""));
    assert_span(b.messages[2].channel, LITERAL("a"));
    assert_span(b.messages[2].sender, LITERAL("\xf0\x9f\x98\x80"));
    assert_span(b.messages[2].content, LITERAL("3"));
    batch_release(&b);
    assert_int_equal(batch_bytes(&b), 0);
}

static void content_may_hold_nul_and_what_is_no_utf8_is_replaced(void **state)
{
    (void)state;
    static const char body[] =
        "{\"channel\":\"c\",\"sender\":\"s\",\"content\":\"a\\u0000b\"}\n"
        "{\"channel\":\"c\xff\",\"sender\":\"\xc3\",\"content\":\"\xed\xa0\x80|\xf0\x9f\x98\"}\n"
        "{\"channel\":\"c\",\"sender\":\"s\",\"content\":\" \xe2\x80 \"}\n";
    struct batch b;
    batch_init(&b);
    assert_int_equal(batch_parse(&b, LITERAL(body), NULL), ERROR_NONE);
    assert_int_equal(b.count, 3);
    assert_span(b.messages[0].content, LITERAL("a\0b"));
    assert_span(b.messages[1].channel, LITERAL("c\uFFFD"));
    assert_span(b.messages[1].sender, LITERAL("\uFFFD"));
    assert_span(b.messages[1].content, LITERAL("\uFFFD\uFFFD\uFFFD|\uFFFD\uFFFD\uFFFD"));
    assert_span(b.messages[2].content, LITERAL("\uFFFD\uFFFD"));
    batch_release(&b);
}

/* Each stands in line 2, behind a good one. */
static void every_bad_line_is_named(void **state)
{
    (void)state;
    const struct {
        struct span line;
        const char *why;
    } table[] = {
        {LITERAL(" \t\r\n" GOOD_LINE), "line 2: blank"},
        {LITERAL("\n\n\n" GOOD_LINE), "line 2: blank"},
        {LITERAL("hello"), "line 2: not JSON: '[' or '{' expected, at character 5"},
        {LITERAL("{\"channel\":\"c\""), "line 2: not JSON: '}' expected"},
        {LITERAL("{\"channel\":\"c\n\"}"), "line 2: not JSON: "},
        {LITERAL("{} {}"), "line 2: not JSON: end of file expected"},
        {LITERAL("{\"content\":\"\0\"}"), "line 2: not JSON: control character 0x0"},
        {LITERAL("{\"content\":\"\x01\"}"), "line 2: not JSON: control character 0x1"},
        {LITERAL("\0{}"), "line 2: not JSON: "},
        {LITERAL("{}\0"), "line 2: not JSON: "},
        {LITERAL("\xff{}"), "line 2: not JSON: "},
        {LITERAL("\xef\xbb\xbf{}"), "line 2: not JSON: "},
        {LITERAL("{\"a\\u0000\":1}"), "line 2: not JSON: NUL byte in object key not supported"},
        {LITERAL("{\"content\":\"\\ud800\"}"), "line 2: not JSON: invalid Unicode"},
        {LITERAL("{\"content\":\"\\udc00\"}"), "line 2: not JSON: invalid Unicode"},
        {LITERAL("{\"content\":\"x\",\"content\":\"x\"}"),
         "line 2: not JSON: duplicate object key"},
        {LITERAL("{\"n\":1e999}"), "line 2: not JSON: real number overflow"},
        {LITERAL("[]"), "line 2: not a JSON object"},
        {LITERAL("{}"), "line 2: no string \"channel\""},
        {LITERAL("{\"channel\":7,\"sender\":\"s\",\"content\":\"x\"}"),
         "line 2: no string \"channel\""},
        {LITERAL("{\"channel\":\"c\",\"sender\":null,\"content\":\"x\"}"),
         "line 2: no string \"sender\""},
        {LITERAL("{\"channel\":\"c\",\"sender\":\"s\",\"Content\":\"x\"}"),
         "line 2: no string \"content\""},
        {LITERAL("{\"channel\":\"\",\"sender\":\"s\",\"content\":\"x\"}"),
         "line 2: \"channel\" is empty"},
        {LITERAL("{\"channel\":\"c\",\"sender\":\"\\u2028\",\"content\":\"x\"}"),
         "line 2: \"sender\" is empty"},
        {LITERAL("{\"channel\":\"c\",\"sender\":\"s\",\"content\":\" \\r\\n\"}"),
         "line 2: \"content\" is empty"},
    };
    struct buf body;
    struct batch b;
    struct error e;
    batch_init(&b);
    buf_init(&body, 1u << 20);
    for (size_t i = 0; i < COUNT(table); i++) {
        buf_clear(&body);
        add_lines(&body, GOOD_LINE, 1);
        assert_int_equal(buf_add(&body, table[i].line.data, table[i].line.len), 0);
        add_lines(&body, "\nhello\n", 1);
        assert_int_equal(batch_parse(&b, span_of_body(&body), &e), ERROR_BAD_DATA);
        if (strncmp(e.text, table[i].why, strlen(table[i].why)) != 0)
            print_error("%s\n", e.text);
        assert_memory_equal(e.text, table[i].why, strlen(table[i].why));
        assert_int_equal(text_valid_prefix(e.text, strlen(e.text)), strlen(e.text));
        assert_int_equal(batch_bytes(&b), 0);
    }
    buf_release(&body);
}

static void a_batch_has_a_line(void **state)
{
    (void)state;
    static const char *const table[] = {"", "\n", " ", "\n\r\n \t\n"};
    struct batch b;
    struct error e;
    batch_init(&b);
    for (size_t i = 0; i < COUNT(table); i++) {
        assert_int_equal(batch_parse(&b, span_of(table[i]), &e), ERROR_BAD_DATA);
        assert_string_equal(e.text, "line 1: no message");
    }
}

static void fields_that_nobody_looks_at_may_be_odd(void **state)
{
    (void)state;
    struct buf body;
    struct batch b;
    batch_init(&b);
    buf_init(&body, 1u << 20);
    add_lines(&body, "{\"n\":-1", 1);
    add_lines(&body, "0", 299);
    add_lines(&body, ",\"\":0.1e-400,\"channel \":{},\"channel\":\"c\",\"sender\":\"s\",", 1);
    add_lines(&body, "\"content\":\"x\",\"d\":", 1);
    add_lines(&body, "[", 1000);
    add_lines(&body, "]", 1000);
    add_lines(&body, "}", 1);
    assert_int_equal(batch_parse(&b, span_of_body(&body), NULL), ERROR_NONE);
    assert_int_equal(b.count, 1);
    batch_release(&b);
    buf_release(&body);
}

static void the_limits_are_exact(void **state)
{
    (void)state;
    struct buf body;
    struct batch b;
    struct error e;
    batch_init(&b);
    buf_init(&body, 2u << 20);
    add_lines(&body, GOOD_LINE, BATCH_LINES_MAX);
    assert_int_equal(batch_parse(&b, span_of_body(&body), NULL), ERROR_NONE);
    assert_int_equal(b.count, BATCH_LINES_MAX);
    batch_release(&b);
    add_lines(&body, " \r\n", 20);
    assert_int_equal(batch_parse(&b, span_of_body(&body), NULL), ERROR_NONE);
    batch_release(&b);
    add_lines(&body, "x", 1); /* now it counts; and a limit goes before a bad line */
    assert_int_equal(batch_parse(&b, span_of_body(&body), &e), ERROR_REFUSED);
    assert_string_equal(e.text, BATCH_TOO_LARGE);

    buf_clear(&body);
    add_lines(&body, "{\"channel\":\"c\",\"sender\":\"s\",\"content\":\"", 1);
    assert_int_equal(buf_reserve(&body, BATCH_BODY_MAX + 1 - body.len), 0);
    memset(body.data + body.len, 'x', BATCH_BODY_MAX + 1 - body.len);
    body.len = BATCH_BODY_MAX;
    memcpy(body.data + body.len - 2, "\"}", 2);
    assert_int_equal(batch_parse(&b, span_of_body(&body), NULL), ERROR_NONE);
    assert_true(b.messages[0].content.len > BATCH_BODY_MAX - 100);
    batch_release(&b);
    assert_int_equal(buf_add_char(&body, '\n'), 0);
    assert_int_equal(batch_parse(&b, span_of_body(&body), &e), ERROR_REFUSED);
    assert_string_equal(e.text, BATCH_TOO_LARGE);
    buf_release(&body);
}

/* A line whose every byte of text takes three in the end. */
static void the_memory_is_bounded(void **state)
{
    (void)state;
    static const char begin[] = "{\"channel\":\"c\",\"sender\":\"s\",\"content\":\"";
    char *body = malloc(BATCH_BODY_MAX);
    struct batch b;
    batch_init(&b);
    assert_non_null(body);
    memset(body, 0xff, BATCH_BODY_MAX);
    memcpy(body, begin, sizeof(begin) - 1);
    memcpy(body + BATCH_BODY_MAX - 2, "\"}", 2);
    assert_int_equal(batch_parse(&b, (struct span){body, BATCH_BODY_MAX}, NULL), ERROR_NONE);
    assert_true(b.messages[0].content.len > 3 * (BATCH_BODY_MAX - 100));
    assert_span(b.messages[0].channel, LITERAL("c"));
    assert_span(b.messages[0].sender, LITERAL("s"));
    assert_true(batch_bytes(&b) <= 3 * BATCH_BODY_MAX + 1 + sizeof(struct store_message));
    batch_release(&b);
    free(body);
}

static struct api_request batch_request(const char *body, const char *key)
{
    return (struct api_request){
        .method = "POST",
        .path = span_of("/batch"),
        .query = span_of(""),
        .body = span_of(body),
        .content_type = BATCH_TYPE,
        .idempotency_key = key,
    };
}

static int post(struct fixture *f, const char *body, struct buf *reply)
{
    struct api_request request = batch_request(body, NULL);
    return ask_request(f, &request, reply);
}

static void assert_stored(struct fixture *f, const char *channel, const char *wanted)
{
    char target[64];
    struct buf reply;
    buf_init(&reply, REPLY_MAX);
    snprintf(target, sizeof(target), "/get?channel=%s", channel);
    assert_int_equal(ask(f, "GET", target, NULL, NULL, &reply), 200);
    assert_string_equal(reply.data, wanted);
    buf_release(&reply);
}

static void the_reply_is_what_get_gives(void **state)
{
    struct buf reply, one;
    buf_init(&reply, REPLY_MAX);
    buf_init(&one, REPLY_MAX);
    assert_int_equal(ask(*state, "POST", "/send", "application/x-www-form-urlencoded",
                         "channel=other&sender=s&content=x", &one),
                     200);
    for (int i = 0; i < 500; i++)
        assert_int_equal(buf_addf(&one,
                                  "%s{\"channel\":\"c\",\"sender\":\"s<\",\"content\":\" %d \\u0000"
                                  "&'\\\\\"}\n",
                                  i ? "" : "\n", i),
                         0);
    assert_int_equal(post(*state, strchr(one.data, '\n') + 1, &reply), 200);
    assert_stored(*state, "c", reply.data);
    assert_memory_equal(reply.data, "[{\"id\":2,", 9);
    assert_non_null(strstr(reply.data, "},{\"id\":3,\"channel\":\"c\",\"sender\":\"s&lt;\","
                                       "\"content\":\"1 \\u0000&amp;&#39;\\\\\",\"time\":\"2"));
    assert_non_null(strstr(reply.data, "},{\"id\":501,\"channel\":\"c\""));
    assert_non_null(strstr(reply.data, "\"content\":\"499 "));
    buf_release(&one);
    buf_release(&reply);
}

static void a_bad_line_stores_nothing(void **state)
{
    struct buf reply;
    buf_init(&reply, REPLY_MAX);
    assert_int_equal(post(*state, GOOD_LINE GOOD_LINE "{\"channel\":\"c\"}\n" GOOD_LINE, &reply),
                     400);
    assert_string_equal(reply.data, "{\"error\":\"line 3: no string \\\"sender\\\"\"}");
    assert_stored(*state, "c", "[]");
    assert_int_equal(post(*state, "", &reply), 400);
    buf_release(&reply);
}

static void too_much_is_413_and_stores_nothing(void **state)
{
    struct buf body, reply;
    buf_init(&body, 1u << 20);
    buf_init(&reply, REPLY_MAX);
    add_lines(&body, GOOD_LINE, BATCH_LINES_MAX + 1);
    assert_int_equal(post(*state, body.data, &reply), 413);
    assert_string_equal(reply.data, "{\"error\":\"" BATCH_TOO_LARGE "\"}");
    assert_stored(*state, "c", "[]");
    body.len = body.len / (BATCH_LINES_MAX + 1) * BATCH_LINES_MAX;
    body.data[body.len] = '\0';
    assert_int_equal(post(*state, body.data, &reply), 200);
    buf_release(&body);
    buf_release(&reply);
}

static void only_its_own_type_is_taken(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *method, *type;
        int status;
    } table[] = {
        {"POST", "application/x-ndjson", 200},
        {"POST", "Application/X-NDJSON; charset=utf-8", 200},
        {"POST", "application/x-ndjsonx", 415},
        {"POST", "application/json", 415},
        {"POST", "application/x-www-form-urlencoded", 415},
        {"POST", "", 415},
        {"POST", NULL, 415},
        {"GET", "application/x-ndjson", 404},
        {"PUT", "application/x-ndjson", 404},
    };
    struct buf reply;
    buf_init(&reply, REPLY_MAX);
    for (size_t i = 0; i < COUNT(table) * 2; i++) {
        size_t k = i % COUNT(table);
        f->api.plain = i >= COUNT(table);
        assert_int_equal(ask(f, table[k].method, "/batch", table[k].type, GOOD_LINE, &reply),
                         f->api.plain ? 404 : table[k].status);
    }
    assert_int_equal(api_body_limit(&f->api, span_of("/batch")).bytes, API_BODY_MAX);
    f->api.plain = false;
    assert_int_equal(api_body_limit(&f->api, span_of("/batch")).bytes, BATCH_BODY_MAX);
    assert_int_equal(api_body_limit(&f->api, span_of("/send")).bytes, API_BODY_MAX);
    assert_int_equal(ask(f, "POST", "/send", BATCH_TYPE, GOOD_LINE, &reply), 400);
    buf_release(&reply);
}

/* Runs a batch under a key to its end. Returns the status; *reply is the caller's. */
static int post_keyed(struct fixture *f, const char *key, const char *body, bool replayed,
                      struct buf *reply)
{
    struct api_call call;
    struct api_request request = batch_request(body, key);
    api_init(&call, &f->api);
    go_on(f, &call, api_begin(&call, &request));
    assert_int_equal(call.response.replayed, replayed);
    buf_clear(reply);
    assert_int_equal(buf_add(reply, call.response.body.data, call.response.body.len), 0);
    int status = call.response.status;
    api_release(&call);
    return status;
}

static void a_repeat_gets_the_stored_reply(void **state)
{
    static const char *const others[] = {
        GOOD_LINE GOOD_LINE,
        GOOD_LINE "{\"channel\":\"c\",\"sender\":\"s\",\"content\":\"y\"}\n" GOOD_LINE,
        GOOD_LINE GOOD_LINE "{\"channel\":\"d\",\"sender\":\"s\",\"content\":\"x\"}\n",
        GOOD_LINE GOOD_LINE GOOD_LINE GOOD_LINE,
    };
    struct fixture *f = *state;
    struct buf first, again;
    buf_init(&first, REPLY_MAX);
    buf_init(&again, REPLY_MAX);
    assert_int_equal(post_keyed(f, "k", GOOD_LINE GOOD_LINE GOOD_LINE, false, &first), 200);
    assert_int_equal(post_keyed(f, "k", GOOD_LINE GOOD_LINE GOOD_LINE "\n", true, &again), 200);
    assert_string_equal(again.data, first.data);
    for (size_t i = 0; i < COUNT(others); i++)
        assert_int_equal(post_keyed(f, "k", others[i], false, &again), 422);
    assert_int_equal(post_keyed(f, "a b", GOOD_LINE, false, &again), 400);
    assert_int_equal(post_keyed(f, "l", "bad", false, &again), 400); /* its key stays free */
    assert_stored(f, "c", first.data);
    assert_int_equal(post_keyed(f, "l", GOOD_LINE, false, &again), 200);
    buf_release(&first);
    buf_release(&again);
}

/* A batch whose client wants the ids only, run to its end. */
static void post_minimal(struct fixture *f, const char *key, const char *body, int status,
                         bool replayed, const char *reply)
{
    struct api_call call;
    struct api_request request = batch_request(body, key);
    request.prefer = "wait=5, return=minimal";
    api_init(&call, &f->api);
    go_on(f, &call, api_begin(&call, &request));
    assert_int_equal(call.response.status, status);
    assert_int_equal(call.response.minimal, status == 200);
    assert_int_equal(call.response.replayed, replayed);
    assert_string_equal(call.response.body.data, reply);
    api_release(&call);
}

static void a_reply_may_name_the_ids_only(void **state)
{
    struct fixture *f = *state;
    struct buf first, again;
    buf_init(&first, REPLY_MAX);
    buf_init(&again, REPLY_MAX);
    post_minimal(f, NULL, GOOD_LINE, 200, false, "{\"first\":1,\"last\":1,\"count\":1}");
    post_minimal(f, "k", GOOD_LINE GOOD_LINE, 200, false, "{\"first\":2,\"last\":3,\"count\":2}");
    assert_int_equal(post_keyed(f, "l", GOOD_LINE GOOD_LINE GOOD_LINE, false, &first), 200);
    post_minimal(f, NULL, GOOD_LINE, 200, false, "{\"first\":7,\"last\":7,\"count\":1}");
    /* a repeat is answered as it asks, not as the first was */
    post_minimal(f, "k", GOOD_LINE GOOD_LINE, 200, true, "{\"first\":2,\"last\":3,\"count\":2}");
    post_minimal(f, "l", GOOD_LINE GOOD_LINE GOOD_LINE, 200, true,
                 "{\"first\":4,\"last\":6,\"count\":3}");
    assert_int_equal(post_keyed(f, "k", GOOD_LINE GOOD_LINE, true, &again), 200);
    assert_memory_equal(again.data, "[{\"id\":2,", 9);
    assert_int_equal(post_keyed(f, "l", GOOD_LINE GOOD_LINE GOOD_LINE, true, &again), 200);
    assert_string_equal(again.data, first.data);
    post_minimal(f, "l", GOOD_LINE, 422, false,
                 "{\"error\":\"The Idempotency-Key belongs to another request\"}");
    post_minimal(f, NULL, "x", 400, false,
                 "{\"error\":\"line 1: not JSON: '[' or '{' expected, at character 1\"}");
    buf_release(&first);
    buf_release(&again);
}

static void a_key_in_work_is_told(void **state)
{
    struct fixture *f = *state;
    struct api_call first, second;
    struct api_request request = batch_request(GOOD_LINE GOOD_LINE, "k");
    api_init(&first, &f->api);
    api_init(&second, &f->api);
    assert_int_equal(api_begin(&first, &request), API_STORE);
    assert_true(api_bytes(&first) >= 2 * sizeof(struct store_message));
    assert_int_equal(api_begin(&second, &request), API_READY);
    assert_int_equal(second.response.status, 409);
    assert_true(second.response.retry_after_s > 0);
    go_on(f, &first, API_STORE);
    assert_int_equal(first.response.status, 200);
    assert_int_equal(first.batch.count, 0); /* the reply may be read slowly */
    api_release(&first);
    api_release(&second);
}

static void what_the_store_did_not_take_is_503(void **state)
{
    struct fixture *f = *state;
    struct api_call call;
    struct api_request request = batch_request(GOOD_LINE GOOD_LINE, "k");
    api_init(&call, &f->api);
    assert_int_equal(api_begin(&call, &request), API_STORE);
    api_stored(&call, ERROR_UNREACHABLE);
    assert_int_equal(call.response.status, 503);
    assert_true(call.response.retry_after_s > 0);
    api_release(&call);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, api_set_up, api_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_become_messages_in_order),
        cmocka_unit_test(content_may_hold_nul_and_what_is_no_utf8_is_replaced),
        cmocka_unit_test(every_bad_line_is_named),
        cmocka_unit_test(a_batch_has_a_line),
        cmocka_unit_test(fields_that_nobody_looks_at_may_be_odd),
        cmocka_unit_test(the_limits_are_exact),
        cmocka_unit_test(the_memory_is_bounded),
        CASE(the_reply_is_what_get_gives),
        CASE(a_bad_line_stores_nothing),
        CASE(too_much_is_413_and_stores_nothing),
        CASE(only_its_own_type_is_taken),
        CASE(a_repeat_gets_the_stored_reply),
        CASE(a_reply_may_name_the_ids_only),
        CASE(a_key_in_work_is_told),
        CASE(what_the_store_did_not_take_is_503),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
