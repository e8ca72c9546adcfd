/* SPDX-License-Identifier: MIT */
/*
 * The API without a socket: every recorded request of the original server, then what is ours.
 */
#include "unit.h"

#include "unit/api_fixture.h"

#include <jansson.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/form.h"
#include "server/api.h"

#define WIRE_FILE "tests/data/wire.jsonl"
#define FORM_TYPE "application/x-www-form-urlencoded"

/* Puts "TIME" for each time, which must look like one, so that replies can be compared. */
static void hide_times(json_t *json)
{
    size_t i;
    json_t *item;
    json_array_foreach(json, i, item) hide_times(item);
    const char *time = json_string_value(json_object_get(json, "time"));
    if (!time)
        return;
    assert_int_equal(strlen(time), strlen("2024-01-01T00:00:00Z"));
    assert_int_equal(time[19], 'Z');
    json_object_set_new(json, "time", json_string("TIME"));
}

/* Channel names are text here: the original's folded ones (note "numeric-looking channel") differ
 * in GET replies, and with them what is found. */
static bool is_folded(const json_t *record)
{
    const char *note = json_string_value(json_object_get(record, "note"));
    const char *method = json_string_value(json_object_get(record, "method"));
    return note && strcmp(note, "numeric-looking channel") == 0 && strcmp(method, "GET") == 0;
}

static void check_record(struct fixture *f, const json_t *record, int line)
{
    const char *reply = json_string_value(json_object_get(record, "reply"));
    struct buf body;
    buf_init(&body, 1u << 20);
    int status = ask(f, json_string_value(json_object_get(record, "method")),
                     json_string_value(json_object_get(record, "target")),
                     json_string_value(json_object_get(record, "type")),
                     json_string_value(json_object_get(record, "body")), &body);
    json_t *expected = json_loads(reply, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    json_t *got = json_loadb(body.data, body.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    assert_non_null(got);
    hide_times(got);
    bool same = status == json_integer_value(json_object_get(record, "status"));
    if (json_is_null(expected) && !f->api.plain) /* no message is [] here */
        same = same && json_is_array(got) && json_array_size(got) == 0;
    else if (!expected) /* the original's plain-text 404 is a JSON error here */
        same = same && json_is_string(json_object_get(got, "error"));
    else if (!is_folded(record))
        same = same && json_equal(got, expected);
    if (!same)
        print_error("record %d: status %d, %.*s\n", line, status, (int)body.len, body.data);
    assert_true(same);
    json_decref(expected);
    json_decref(got);
    buf_release(&body);
}

static void every_recorded_request_gets_the_recorded_reply(void **state)
{
    struct fixture *f = *state;
    FILE *file = fopen(WIRE_FILE, "r");
    char *line = NULL;
    size_t size = 0;
    int number = 0;
    assert_non_null(file);
    while (getline(&line, &size, file) > 0) {
        json_t *record = json_loads(line, JSON_ALLOW_NUL, NULL);
        assert_non_null(record);
        /* unknown to the original, an extra here: the same request, but a page of one */
        if (f->api.plain || !strstr(line, "&limit=1"))
            check_record(*state, record, ++number);
        json_decref(record);
    }
    assert_true(number > 80);
    free(line);
    fclose(file);
}

static void a_plain_server_does_as_recorded_with_null_and_without_limit(void **state)
{
    struct fixture *f = *state;
    f->api.plain = true;
    every_recorded_request_gets_the_recorded_reply(state);
}

/* A POST of content "hi" (or another) under a key, begun only. */
static enum api_next begin_keyed(struct fixture *f, struct api_call *call, const char *key,
                                 const char *content)
{
    char form[256];
    snprintf(form, sizeof(form), "channel=t&sender=s&content=%s", content);
    struct api_request request = {
        .method = "POST",
        .path = span_of("/send"),
        .body = span_of(form),
        .content_type = FORM_TYPE,
        .idempotency_key = key,
    };
    api_init(call, &f->api);
    return api_begin(call, &request);
}

/* The same to its end. Returns the status; *ret_body is the caller's. */
static int send_keyed(struct fixture *f, const char *key, const char *content, bool replayed,
                      struct buf *ret_body)
{
    struct api_call call;
    go_on(f, &call, begin_keyed(f, &call, key, content));
    assert_int_equal(call.response.replayed, replayed);
    buf_clear(ret_body);
    assert_int_equal(buf_add(ret_body, call.response.body.data, call.response.body.len), 0);
    int status = call.response.status;
    api_release(&call);
    return status;
}

static void a_repeat_gets_the_stored_reply(void **state)
{
    struct fixture *f = *state;
    struct buf first, again;
    buf_init(&first, 1u << 20);
    buf_init(&again, 1u << 20);
    assert_int_equal(send_keyed(f, "k", "hi+%26", false, &first), 200);
    assert_int_equal(send_keyed(f, "k", "hi+%26", true, &again), 200);
    assert_string_equal(again.data, first.data);
    assert_int_equal(send_keyed(f, "k", "+hi+%26%0a", true, &again), 200); /* the same, trimmed */
    assert_string_equal(again.data, first.data);
    assert_int_equal(send_keyed(f, "k", "ho", false, &again), 422);
    assert_non_null(strstr(again.data, "{\"error\":"));
    assert_int_equal(send_keyed(f, "l", "hi+%26", false, &again), 200);
    assert_string_not_equal(again.data, first.data);
    f->api.plain = true;
    assert_int_equal(send_keyed(f, "k", "ho", false, &again), 200);
    buf_release(&first);
    buf_release(&again);
}

static void keys_are_checked(void **state)
{
    static char long_key[KEYS_TEXT_MAX + 2];
    static const struct {
        const char *key;
        int status;
    } table[] = {
        {"", 400},          {" \t", 400},       {"a b", 400},        {"a\x7f", 400},
        {"\xc3\xa4", 400},  {"\xc2\xa0k", 400}, {"~!", 200},         {"  both sides\t", 400},
        {" sides\t ", 200}, {long_key, 400},    {long_key + 1, 200},
    };
    struct buf body;
    buf_init(&body, 1u << 20);
    memset(long_key, 'k', sizeof(long_key) - 1);
    for (size_t i = 0; i < COUNT(table); i++)
        assert_int_equal(send_keyed(*state, table[i].key, "x", false, &body), table[i].status);
    assert_int_equal(send_keyed(*state, "sides", "x", true, &body), 200);
    buf_release(&body);
}

static void a_key_in_work_is_told(void **state)
{
    struct fixture *f = *state;
    struct api_call first, second;
    assert_int_equal(begin_keyed(f, &first, "k", "hi"), API_STORE);
    assert_int_equal(begin_keyed(f, &second, "k", "hi"), API_READY);
    assert_int_equal(second.response.status, 409);
    assert_int_equal(second.response.retry_after_s, 1);
    api_release(&second);
    assert_int_equal(begin_keyed(f, &second, "kk", "hi"), API_STORE); /* another does not mind */
    api_release(&second);
    go_on(f, &first, API_STORE);
    assert_int_equal(first.response.status, 200);
    assert_int_equal(begin_keyed(f, &second, "k", "hi"), API_STORE); /* though the reply is kept */
    go_on(f, &second, API_STORE);
    assert_true(second.response.replayed);
    api_release(&first);
    api_release(&second);
    assert_int_equal(begin_keyed(f, &first, "l", "hi"), API_STORE);
    api_fail(&first, 429, "The store took no more");
    assert_int_equal(begin_keyed(f, &second, "l", "hi"), API_STORE);
    api_release(&first);
    api_release(&second);
}

static void readings_tell_the_last_id(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *path, *query;
        int64_t last_id;
    } table[] = {
        {"/get", "channel=t", 2},
        {"/get", "channel=t&limit=1", 2},
        {"/get", "channel=t&last=2", 2},
        {"/get", "channel=t&last=9&wait=1", 2},
        {"/past", "channel=t&before=2", 2},
        {"/past", "channel=t&count=0", 2},
        {"/get", "channel=none", 0},
        {"/past", "channel=none", 0},
        {"/get", "channel=", -1},
        {"/get", "channel=t&last=x", -1},
        {"/", "", -1},
    };
    struct buf body;
    buf_init(&body, 1u << 20);
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            ask(f, "POST", "/send", FORM_TYPE,
                i < 2 ? "channel=t&sender=s&content=x" : "channel=other&sender=s&content=x", &body),
            200);
    for (size_t i = 0; i < COUNT(table) * 2; i++) {
        size_t k = i % COUNT(table);
        struct api_call call;
        struct api_request request = {
            .method = "GET", .path = span_of(table[k].path), .query = span_of(table[k].query)};
        f->api.plain = i >= COUNT(table);
        api_init(&call, &f->api);
        go_on(f, &call, api_begin(&call, &request));
        assert_int_equal(call.response.last_id, f->api.plain ? -1 : table[k].last_id);
        api_release(&call);
    }
    buf_release(&body);
}

static void a_plain_server_ignores_the_extras(void **state)
{
    struct fixture *f = *state;
    struct buf body;
    buf_init(&body, 1u << 20);
    f->api.plain = true;
    assert_int_equal(send_keyed(f, "not valid", "x", false, &body), 200);
    assert_int_equal(send_keyed(f, "not valid", "y", false, &body), 200);
    assert_int_equal(ask(f, "GET", "/get?channel=t&limit=1&wait=x", NULL, NULL, &body), 200);
    assert_non_null(strstr(body.data, "\"y\""));
    struct api_call call;
    struct api_request request = {
        .method = "GET", .path = span_of("/get"), .query = span_of("channel=none&wait=9")};
    api_init(&call, &f->api);
    assert_int_equal(api_begin(&call, &request), API_READY);
    assert_buf(call.response.body, "null");
    api_release(&call);
    assert_int_equal(ask(f, "GET", "/past?channel=none", NULL, NULL, &body), 200);
    assert_buf(body, "null");
    buf_release(&body);
}

static void channel_names_are_text(void **state)
{
    struct buf body;
    buf_init(&body, 1u << 20);
    assert_int_equal(
        ask(*state, "POST", "/send", FORM_TYPE, "channel=007&sender=a&content=x", &body), 200);
    assert_int_equal(ask(*state, "GET", "/get?channel=7", NULL, NULL, &body), 200);
    assert_buf(body, "[]");
    assert_int_equal(ask(*state, "GET", "/get?channel=007", NULL, NULL, &body), 200);
    assert_true(body.len > 10);
    buf_release(&body);
}

static void limits_and_waits_are_checked(void **state)
{
    static const struct {
        const char *target;
        int status;
    } table[] = {
        {"/get?channel=t&limit=0", 400},
        {"/get?channel=t&limit=x", 400},
        {"/get?channel=t&limit=-1", 400},
        {"/get?channel=t&limit=5000", 200},
        {"/get?channel=t&wait=-1", 400},
        {"/get?channel=t&wait=x", 400},
        {"/get?channel=t&wait=1000", 200},
        {"/get?channel=t&wait=", 200},
        {"/", 200},
        {"//get?channel=t", 404},
        {"", 404},
    };
    struct buf body;
    buf_init(&body, 1u << 20);
    for (size_t i = 0; i < COUNT(table); i++)
        assert_int_equal(ask(*state, "GET", table[i].target, NULL, NULL, &body), table[i].status);
    assert_int_equal(ask(*state, "HEAD", "/get?channel=t", NULL, NULL, &body), 404);
    buf_release(&body);
}

/* 5,000 messages take many pieces; each must end and go on at the right comma. */
static void long_replies_come_in_pieces_and_whole(void **state)
{
    struct fixture *f = *state;
    struct buf body;
    buf_init(&body, 16u << 20);
    for (int i = 0; i < 5000; i++) {
        char form[128];
        snprintf(form, sizeof(form), "channel=long&sender=s&content=message+number+%d+%%26", i);
        assert_int_equal(ask(f, "POST", "/send", FORM_TYPE, form, &body), 200);
    }
    static const struct {
        const char *target;
        size_t first, count;
    } table[] = {
        {"/get?channel=long", 0, 5000},
        {"/get?channel=long&limit=1000", 0, 1000},
        {"/get?channel=long&limit=1", 0, 1},
        {"/past?channel=long&count=3000", 2000, 3000},
        {"/past?channel=long&count=-1", 0, 5000},
        {"/past?channel=long", 4900, 100},
        {"/past?channel=long&count=9999", 0, 5000},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        assert_int_equal(ask(f, "GET", table[i].target, NULL, NULL, &body), 200);
        json_t *got = json_loadb(body.data, body.len, 0, NULL);
        assert_int_equal(json_array_size(got), table[i].count);
        for (size_t k = 0; k < table[i].count; k++) {
            char content[64];
            snprintf(content, sizeof(content), "message number %zu &amp;", table[i].first + k);
            assert_string_equal(
                json_string_value(json_object_get(json_array_get(got, k), "content")), content);
        }
        json_decref(got);
    }
    buf_release(&body);
}

static void store_form(struct fixture *f, const char *form, int status)
{
    struct buf body;
    buf_init(&body, 64u << 20);
    assert_int_equal(ask(f, "POST", "/send", FORM_TYPE, form, &body), status);
    buf_release(&body);
}

/* Whether the same was asked just before makes no difference. */
static void what_is_asked_again_is_answered_the_same(void **state)
{
    struct fixture *f = *state;
    static const char *const targets[] = {
        "/get?channel=a",           "/get?channel=b",         "/get?channel=a&last=1",
        "/get?channel=a&limit=1",   "/get?channel=a&last=99", "/past?channel=a&count=2",
        "/past?channel=a&before=4", "/get?channel=none",
    };
    struct buf fresh, again;
    buf_init(&fresh, 10000);
    buf_init(&again, 10000);
    for (int round = 0; round < 2; round++) {
        store_form(f, "channel=a&sender=s&content=x", 200);
        store_form(f, "channel=b&sender=s&content=y", 200);
        for (size_t i = 0; i < COUNT(targets) * COUNT(targets); i++) {
            const char *target = targets[i / COUNT(targets)];
            latest_destroy(&f->latest);
            latest_init(&f->latest);
            assert_int_equal(ask(f, "GET", target, NULL, NULL, &fresh), 200);
            if (i % COUNT(targets) > 0) /* and with another question in between */
                ask(f, "GET", targets[i % COUNT(targets)], NULL, NULL, &again);
            assert_int_equal(ask(f, "GET", target, NULL, NULL, &again), 200);
            assert_string_equal(again.data, fresh.data);
        }
    }
    assert_int_equal(ask(f, "GET", targets[0], NULL, NULL, &again), 200);
    store_form(f, "channel=a&sender=s&content=new", 200);
    assert_int_equal(ask(f, "GET", targets[0], NULL, NULL, &fresh), 200);
    assert_null(strstr(again.data, "new"));
    assert_non_null(strstr(fresh.data, "new"));
    buf_release(&fresh);
    buf_release(&again);
}

/* "channel=NAME&sender=s&content=" and then one byte over and over, `len` bytes in all. */
static char *huge_form(const char *channel, char byte, size_t len)
{
    char *form = malloc(len + 1);
    assert_non_null(form);
    int n = snprintf(form, len, "channel=%s&sender=s&content=", channel);
    memset(form + n, byte, len - (size_t)n);
    form[len] = '\0';
    return form;
}

/* The longest replies there are: each byte six times as long, behind as much of a piece as there
 * can be. A message that could not be given out would block its channel. */
static void the_largest_message_comes_back(void **state)
{
    static const struct {
        char byte;
        size_t reply_per_byte;
    } table[] = {{'\x01', 6}, {'\xff', 3}, {'x', 1}};
    struct buf body;
    buf_init(&body, 128u << 20);
    for (size_t i = 0; i < COUNT(table); i++) {
        char channel[16], target[64];
        snprintf(channel, sizeof(channel), "huge%zu", i);
        snprintf(target, sizeof(target), "/get?channel=%s", channel);
        char *small = huge_form(channel, 'x', API_FILL_BYTES - 200);
        char *form = huge_form(channel, table[i].byte, API_BODY_MAX);
        store_form(*state, small, 200);
        store_form(*state, form, 200);
        store_form(*state, small, 200);
        assert_int_equal(ask(*state, "GET", target, NULL, NULL, &body), 200);
        assert_true(body.len > table[i].reply_per_byte * (API_BODY_MAX - 100));
        assert_int_equal(body.data[body.len - 1], ']');
        free(form);
        free(small);
    }
    buf_release(&body);
}

static void only_a_form_of_a_post_is_read(void **state)
{
    struct buf body;
    buf_init(&body, 1u << 20);
    store_form(*state, "channel=t&sender=s&content=x", 200);
    assert_int_equal(ask(*state, "GET", "/get?channel=none", FORM_TYPE, "channel=t", &body), 200);
    assert_buf(body, "[]");
    assert_int_equal(ask(*state, "POST", "/send", "application/x-www-form-urlencoded; charset=x",
                         "channel=t&sender=s&content=x", &body),
                     200);
    assert_int_equal(ask(*state, "POST", "/send", "application/x-www-form-urlencodedx",
                         "channel=t&sender=s&content=x", &body),
                     400);
    buf_release(&body);
}

/* A reply must never look complete when it is not. */
static void a_store_that_fails_cuts_the_reply(void **state)
{
    struct fixture *f = *state;
    struct store *in_memory = f->api.store;
    char folder[4096], path[4200];
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof(folder), "%s/api-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/chat.db", folder);
    assert_int_equal(store_open(path, ignore_message, NULL, &f->api.store, NULL), 0);
    char *form = huge_form("t", 'x', API_FILL_BYTES);
    for (int i = 0; i < 4; i++)
        store_form(f, form, 200);
    struct api_call call;
    struct api_request request = {
        .method = "GET", .path = span_of("/get"), .query = span_of("channel=t")};
    api_init(&call, &f->api);
    assert_int_equal(api_begin(&call, &request), API_READY);
    assert_int_equal(call.response.status, 200);
    assert_true(call.response.more);
    assert_true(api_fill(&call));
    assert_true(call.response.more);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "DROP TABLE message", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_false(api_fill(&call));
    api_release(&call);
    api_init(&call, &f->api); /* and at the beginning of a reply it can be told */
    assert_int_equal(api_begin(&call, &request), API_READY);
    assert_int_equal(call.response.status, 503);
    assert_true(call.response.retry_after_s > 0);
    api_release(&call);
    store_form(f, form, 503);
    free(form);
    store_close(f->api.store);
    f->api.store = in_memory;
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void a_token_is_demanded_everywhere(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *authorization;
        int status;
    } table[] = {
        {NULL, 401},
        {"Bearer ", 401},
        {"Bearer wrong", 401},
        {"Bearer secre", 401},
        {"Bearer secretx", 401},
        {"Basic secret", 401},
        {"Bearer secret", 200},
        {"bearer secret", 200},
    };
    f->api.token = span_of("secret");
    for (size_t i = 0; i < COUNT(table); i++) {
        struct api_call call;
        struct api_request request = {
            .method = "GET", .path = span_of("/"), .authorization = table[i].authorization};
        api_init(&call, &f->api);
        assert_int_equal(api_begin(&call, &request), API_READY);
        assert_int_equal(call.response.status, table[i].status);
        assert_int_equal(call.response.authenticate, table[i].status == 401);
        api_release(&call);
    }
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, api_set_up, api_tear_down)

/* Which requests are counted as what, also those that are turned away. */
static void requests_count_as_their_route(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *method, *path;
        enum metrics_route route, plain;
    } table[] = {
        {"GET", "/get", METRICS_GET, METRICS_GET},
        {"POST", "/get", METRICS_OTHER, METRICS_OTHER},
        {"GET", "/past", METRICS_PAST, METRICS_PAST},
        {"POST", "/send", METRICS_SEND, METRICS_SEND},
        {"POST", "/batch", METRICS_BATCH, METRICS_OTHER},
        {"GET", "/", METRICS_PAGE, METRICS_PAGE},
        {"HEAD", "/healthz", METRICS_HEALTH, METRICS_HEALTH},
        {"GET", "/metrics", METRICS_METRICS, METRICS_METRICS},
        {"GET", "/metrics/x", METRICS_OTHER, METRICS_OTHER},
    };
    f->api.token = span_of("secret");
    for (size_t i = 0; i < 2 * COUNT(table); i++) {
        struct api_call call;
        struct api_request request = {.method = table[i / 2].method,
                                      .path = span_of(table[i / 2].path)};
        f->api.plain = i % 2;
        enum metrics_route expected = i % 2 ? table[i / 2].plain : table[i / 2].route;
        api_init(&call, &f->api);
        enum api_next next = api_begin(&call, &request);
        assert_int_equal(next, expected == METRICS_HEALTH && i % 2 == 0 ? API_WAIT : next);
        assert_int_equal(call.route, expected);
        assert_int_equal(call.response.status == 401, expected != METRICS_HEALTH);
        api_release(&call);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(every_recorded_request_gets_the_recorded_reply),
        CASE(a_plain_server_does_as_recorded_with_null_and_without_limit),
        CASE(a_repeat_gets_the_stored_reply),
        CASE(keys_are_checked),
        CASE(a_key_in_work_is_told),
        CASE(readings_tell_the_last_id),
        CASE(what_is_asked_again_is_answered_the_same),
        CASE(a_plain_server_ignores_the_extras),
        CASE(channel_names_are_text),
        CASE(limits_and_waits_are_checked),
        CASE(long_replies_come_in_pieces_and_whole),
        CASE(the_largest_message_comes_back),
        CASE(only_a_form_of_a_post_is_read),
        CASE(a_store_that_fails_cuts_the_reply),
        CASE(a_token_is_demanded_everywhere),
        CASE(requests_count_as_their_route),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
