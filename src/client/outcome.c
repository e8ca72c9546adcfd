/* SPDX-License-Identifier: MIT */
#include "client/outcome.h"

#include <stdio.h>
#include <string.h>

#include "common/json_text.h"

/* The sentence for a status: the server's own {"error":...} if it sent one. */
static void describe_status(const struct http_reply *reply, struct span body, char ret[384])
{
    if (reply->location[0]) {
        snprintf(ret, 384, "the server answers %ld and points to %s", reply->status,
                 reply->location);
        return;
    }
    json_t *json = body.len ? json_loadb(body.data, body.len, JSON_ALLOW_NUL, NULL) : NULL;
    const char *text = json_string_value(json_object_get(json, "error"));
    if (text)
        snprintf(ret, 384, "the server answers %ld: %.300s", reply->status, text);
    else
        snprintf(ret, 384, "the server answers %ld", reply->status);
    json_decref(json);
}

static enum error_kind no_reply(const struct http_reply *reply, enum error_kind kind,
                                struct error *e)
{
    if (reply->end == HTTP_INTERRUPTED)
        return error_set(e, kind, "stopped by a signal");
    if (reply->end == HTTP_ABORTED)
        return error_set(e, kind, "the reply is too long");
    return error_set(e, kind, "%s", reply->error);
}

/* Everything but what a whole 200 holds. ERROR_NONE: it is one. */
static enum error_kind outcome_of_status(const struct http_reply *reply, struct span body,
                                         struct error *e)
{
    char text[384];
    describe_status(reply, body, text);
    if (reply->status == 425 || reply->status == 429)
        return error_set(e, ERROR_UNREACHABLE, "%s", text);
    if (reply->status >= 300 && reply->status < 500 && reply->status != 408 && reply->status != 409)
        return error_set(e, ERROR_REFUSED, "%s", text);
    if (reply->end != HTTP_COMPLETE)
        return no_reply(reply, reply->left ? ERROR_UNKNOWN : ERROR_UNREACHABLE, e);
    if (reply->status != 200)
        return error_set(e, ERROR_UNKNOWN, "%s", text);
    return ERROR_NONE;
}

enum error_kind outcome_of_post(const struct http_reply *reply, struct span body,
                                struct span sender, struct span content, struct message *ret_stored,
                                struct error *e)
{
    struct message stored;
    enum error_kind kind = outcome_of_status(reply, body, e);
    if (kind)
        return kind;
    if (message_parse(&stored, body, NULL))
        return error_set(e, ERROR_UNKNOWN, "the server answers 200, but not with a message");
    if (!message_is_ours(&stored, sender, content)) {
        message_release(&stored);
        return error_set(e, ERROR_BAD_DATA, "the server answers with another message than ours");
    }
    *ret_stored = stored;
    return ERROR_NONE;
}

static bool is_ours(const json_t *array, const struct batch *batch)
{
    int64_t last = 0;
    if (!json_is_array(array) || json_array_size(array) != batch_count(batch))
        return false;
    for (size_t i = 0; i < json_array_size(array); i++) {
        struct message m;
        struct batch_line line = batch_at(batch, i);
        if (message_take(&m, json_array_get(array, i), NULL))
            return false;
        bool good = m.id > last && message_is_ours(&m, line.sender, line.content);
        last = m.id;
        message_release(&m);
        if (!good)
            return false;
    }
    return true;
}

enum error_kind outcome_of_batch(const struct http_reply *reply, struct span body,
                                 const struct batch *batch, json_t **ret_stored, struct error *e)
{
    json_t *array;
    enum error_kind kind = outcome_of_status(reply, body, e);
    if (kind)
        return kind;
    if (json_text_parse(body, JSON_ALLOW_NUL, &array, NULL, NULL))
        return error_set(e, ERROR_UNKNOWN, "the server answers 200, but not with messages");
    if (!is_ours(array, batch)) {
        json_decref(array);
        return error_set(e, ERROR_BAD_DATA, "the server answers with other messages than ours");
    }
    *ret_stored = array;
    return ERROR_NONE;
}

bool outcome_refuses_line(long status)
{
    return status == 400 || status == 413 || status == 415 || status == 422;
}

enum error_kind outcome_of_get(const struct http_reply *reply, struct span body, struct error *e)
{
    char text[384];
    describe_status(reply, body, text);
    if (reply->status == 408 || reply->status == 425 || reply->status == 429 ||
        reply->status >= 500)
        return error_set(e, ERROR_UNREACHABLE, "%s", text);
    if (reply->status != 0 && reply->status != 200)
        return error_set(e, ERROR_REFUSED, "%s", text);
    if (reply->end != HTTP_COMPLETE)
        return no_reply(reply, ERROR_UNREACHABLE, e);
    return ERROR_NONE;
}
