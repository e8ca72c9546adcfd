/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <string.h>

#include "client/outcome.h"

#define GOOD  "{\"id\":7,\"channel\":\"c\",\"sender\":\"me\",\"content\":\"a &lt; b\"}"
#define OTHER "{\"id\":7,\"channel\":\"c\",\"sender\":\"me\",\"content\":\"a\"}"

/* Every row of the table in outcome.h. */
static void what_became_of_a_post(void **state)
{
    (void)state;
    static const struct {
        enum http_end end;
        int code;
        long status;
        bool left;
        const char *body;
        enum error_kind expected;
    } table[] = {
        {HTTP_COMPLETE, 0, 200, true, GOOD, ERROR_NONE},
        {HTTP_COMPLETE, 0, 200, true, OTHER, ERROR_BAD_DATA},
        {HTTP_COMPLETE, 0, 200, true, "", ERROR_UNKNOWN},
        {HTTP_COMPLETE, 0, 200, true, "<html>", ERROR_UNKNOWN},
        {HTTP_COMPLETE, 0, 200, true, "[" GOOD "]", ERROR_UNKNOWN},
        {HTTP_COMPLETE, 0, 200, true, "{\"id\":0,\"sender\":\"me\",\"content\":\"a &lt; b\"}",
         ERROR_UNKNOWN},
        {HTTP_COMPLETE, 0, 201, true, GOOD, ERROR_UNKNOWN},
        {HTTP_COMPLETE, 0, 204, true, "", ERROR_UNKNOWN},
        {HTTP_FAILED, CURLE_PARTIAL_FILE, 200, true, GOOD, ERROR_UNKNOWN},
        {HTTP_COMPLETE, 0, 301, true, "", ERROR_REFUSED},
        {HTTP_COMPLETE, 0, 307, true, "", ERROR_REFUSED},
        {HTTP_COMPLETE, 0, 400, true, "{\"error\":\"empty\"}", ERROR_REFUSED},
        {HTTP_COMPLETE, 0, 401, true, "", ERROR_REFUSED},
        {HTTP_COMPLETE, 0, 403, true, "", ERROR_REFUSED},
        {HTTP_COMPLETE, 0, 404, true, "", ERROR_REFUSED},
        {HTTP_COMPLETE, 0, 413, true, "", ERROR_REFUSED},
        {HTTP_FAILED, CURLE_SEND_ERROR, 413, true, "", ERROR_REFUSED},
        {HTTP_COMPLETE, 0, 408, true, "", ERROR_UNKNOWN},
        {HTTP_COMPLETE, 0, 409, true, "", ERROR_UNKNOWN},
        {HTTP_COMPLETE, 0, 422, true, "", ERROR_REFUSED},
        {HTTP_COMPLETE, 0, 425, true, "", ERROR_UNREACHABLE},
        {HTTP_COMPLETE, 0, 429, true, "", ERROR_UNREACHABLE},
        {HTTP_COMPLETE, 0, 500, true, "", ERROR_UNKNOWN},
        {HTTP_COMPLETE, 0, 502, true, "", ERROR_UNKNOWN},
        {HTTP_COMPLETE, 0, 503, true, "", ERROR_UNKNOWN},
        {HTTP_FAILED, CURLE_COULDNT_RESOLVE_HOST, 0, false, "", ERROR_UNREACHABLE},
        {HTTP_FAILED, CURLE_COULDNT_CONNECT, 0, false, "", ERROR_UNREACHABLE},
        {HTTP_FAILED, CURLE_SSL_CONNECT_ERROR, 0, false, "", ERROR_UNREACHABLE},
        {HTTP_FAILED, CURLE_PEER_FAILED_VERIFICATION, 0, false, "", ERROR_UNREACHABLE},
        {HTTP_FAILED, CURLE_OPERATION_TIMEDOUT, 0, false, "", ERROR_UNREACHABLE},
        {HTTP_FAILED, CURLE_OPERATION_TIMEDOUT, 0, true, "", ERROR_UNKNOWN},
        {HTTP_FAILED, CURLE_GOT_NOTHING, 0, true, "", ERROR_UNKNOWN},
        {HTTP_FAILED, CURLE_SEND_ERROR, 0, true, "", ERROR_UNKNOWN},
        {HTTP_FAILED, CURLE_RECV_ERROR, 0, true, "", ERROR_UNKNOWN},
        {HTTP_FAILED, CURLE_SEND_FAIL_REWIND, 0, true, "", ERROR_UNKNOWN},
        {HTTP_FAILED, CURLE_SEND_FAIL_REWIND, 0, false, "", ERROR_UNREACHABLE},
        {HTTP_SILENT, 0, 0, true, "", ERROR_UNKNOWN},
        {HTTP_SILENT, 0, 0, false, "", ERROR_UNREACHABLE},
        {HTTP_SILENT, 0, 200, true, "{\"id\":7", ERROR_UNKNOWN},
        {HTTP_ABORTED, 0, 200, true, "", ERROR_UNKNOWN},
        {HTTP_INTERRUPTED, 0, 0, true, "", ERROR_UNKNOWN},
        {HTTP_INTERRUPTED, 0, 0, false, "", ERROR_UNREACHABLE},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct http_reply reply = {.code = table[i].code,
                                   .status = table[i].status,
                                   .left = table[i].left,
                                   .retry_after_ms = -1};
        reply.end = table[i].end;
        strcpy(reply.error, "no luck");
        struct stored stored = {.last = 4711};
        struct error e = {0};
        enum error_kind kind = outcome_of_post(&reply, span_of(table[i].body), span_of("me"),
                                               span_of("a < b"), &stored, &e);
        if (kind != table[i].expected)
            print_error("row %zu: got %d\n", i, (int)kind);
        assert_int_equal(kind, table[i].expected);
        assert_int_equal(stored.last, kind == ERROR_NONE ? 7 : 4711);
        assert_true(kind == ERROR_NONE || e.text[0] != '\0');
    }
}

/* Whatever libcurl calls it: what counts is whether something of the request left. */
static void every_failure_of_libcurl(void **state)
{
    (void)state;
    for (int code = 1; code < CURL_LAST; code++) {
        for (int left = 0; left < 2; left++) {
            struct stored stored;
            struct http_reply reply = {.end = HTTP_FAILED, .code = code, .left = left};
            assert_int_equal(
                outcome_of_post(&reply, span_of(""), span_of("me"), span_of("x"), &stored, NULL),
                left ? ERROR_UNKNOWN : ERROR_UNREACHABLE);
        }
    }
}

static void what_became_of_a_get(void **state)
{
    (void)state;
    static const struct {
        enum http_end end;
        long status;
        enum error_kind expected;
    } table[] = {
        {HTTP_COMPLETE, 200, ERROR_NONE},        {HTTP_FAILED, 200, ERROR_UNREACHABLE},
        {HTTP_FAILED, 0, ERROR_UNREACHABLE},     {HTTP_SILENT, 0, ERROR_UNREACHABLE},
        {HTTP_SILENT, 200, ERROR_UNREACHABLE},   {HTTP_COMPLETE, 204, ERROR_REFUSED},
        {HTTP_COMPLETE, 302, ERROR_REFUSED},     {HTTP_COMPLETE, 400, ERROR_REFUSED},
        {HTTP_COMPLETE, 401, ERROR_REFUSED},     {HTTP_COMPLETE, 404, ERROR_REFUSED},
        {HTTP_COMPLETE, 408, ERROR_UNREACHABLE}, {HTTP_COMPLETE, 425, ERROR_UNREACHABLE},
        {HTTP_COMPLETE, 429, ERROR_UNREACHABLE}, {HTTP_COMPLETE, 500, ERROR_UNREACHABLE},
        {HTTP_COMPLETE, 503, ERROR_UNREACHABLE},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct http_reply reply = {.status = table[i].status, .retry_after_ms = -1};
        reply.end = table[i].end;
        assert_int_equal(outcome_of_get(&reply, span_of(""), NULL), table[i].expected);
    }
}

static void sentences_tell_what_the_server_said(void **state)
{
    (void)state;
    struct error e;
    struct http_reply reply = {.end = HTTP_COMPLETE, .status = 400};
    outcome_of_get(&reply, span_of("{\"error\":\"Channel empty\"}"), &e);
    assert_string_equal(e.text, "the server answers 400: Channel empty");
    reply.status = 308;
    strcpy(reply.location, "https://chat.example/");
    outcome_of_get(&reply, span_of(""), &e);
    assert_string_equal(e.text, "the server answers 308 and points to https://chat.example/");
}

#define A "{\"id\":7,\"sender\":\"me\",\"content\":\"a\"}"
#define B "{\"id\":8,\"sender\":\"me\",\"content\":\"b\"}"

static void what_became_of_a_batch(void **state)
{
    (void)state;
    static const struct {
        long status;
        const char *body;
        enum error_kind expected;
    } table[] = {
        {200, "[" A "," B "]", ERROR_NONE},
        {200, "{\"first\":7,\"last\":8,\"count\":2}", ERROR_NONE},
        {200, "{\"first\":7,\"last\":8,\"count\":2}\n", ERROR_NONE},
        {200, "{\"first\":7,\"last\":9,\"count\":2}", ERROR_BAD_DATA},
        {200, "{\"first\":7,\"last\":8,\"count\":1}", ERROR_BAD_DATA},
        {200, "{\"first\":0,\"last\":1,\"count\":2}", ERROR_BAD_DATA},
        {200, "{\"first\":7,\"last\":8}", ERROR_BAD_DATA},
        {200, "{\"first\":7,\"last\":8,\"count\":2", ERROR_UNKNOWN},
        {200, "[" A "]", ERROR_BAD_DATA},
        {200, "[" B "," A "]", ERROR_BAD_DATA},
        {200, "[" A "," A "]", ERROR_BAD_DATA},
        {200, "[" A "," B "," B "]", ERROR_BAD_DATA},
        {200, "[]", ERROR_BAD_DATA},
        {200, A, ERROR_BAD_DATA},
        {200, "[" A ",", ERROR_UNKNOWN},
        {200, "[" A "," B "] x", ERROR_UNKNOWN},
        {200, "[7,8]", ERROR_BAD_DATA},
        {200, "[" A "," B "]\n", ERROR_NONE},
        {200, "null", ERROR_UNKNOWN},
        {200, "", ERROR_UNKNOWN},
        {400, "{\"error\":\"line 2\"}", ERROR_REFUSED},
        {404, "", ERROR_REFUSED},
        {409, "", ERROR_UNKNOWN},
        {422, "", ERROR_REFUSED},
        {429, "", ERROR_UNREACHABLE},
        {503, "", ERROR_UNKNOWN},
    };
    struct batch batch;
    struct batch_line lines[] = {{1, span_of("c"), span_of("me"), span_of("a")},
                                 {2, span_of("c"), span_of("me"), span_of(" b ")}};
    batch_init(&batch);
    assert_true(batch_add(&batch, &lines[0]) && batch_add(&batch, &lines[1]));
    for (size_t i = 0; i < COUNT(table); i++) {
        struct http_reply reply = {.end = HTTP_COMPLETE, .status = table[i].status, .left = true};
        struct stored stored = {0};
        assert_int_equal(
            outcome_of_batch(&reply, span_of(table[i].body), &batch, true, &stored, NULL),
            table[i].expected);
        assert_int_equal(stored.first, table[i].expected ? 0 : 7);
        assert_int_equal(stored.last, table[i].expected ? 0 : 8);
    }
    /* what was not asked for is no answer */
    struct http_reply reply = {.end = HTTP_COMPLETE, .status = 200, .left = true};
    struct stored stored = {0};
    assert_int_equal(outcome_of_batch(&reply, span_of("{\"first\":7,\"last\":8,\"count\":2}"),
                                      &batch, false, &stored, NULL),
                     ERROR_BAD_DATA);
    assert_int_equal(stored.last, 0);
    batch_release(&batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_became_of_a_post),
        cmocka_unit_test(every_failure_of_libcurl),
        cmocka_unit_test(what_became_of_a_batch),
        cmocka_unit_test(what_became_of_a_get),
        cmocka_unit_test(sentences_tell_what_the_server_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
