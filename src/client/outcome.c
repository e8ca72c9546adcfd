/* SPDX-License-Identifier: MIT */
#include "client/outcome.h"

#include <stdio.h>
#include <string.h>

#include "client/scan.h"
#include "common/json_text.h"

/* The sentence for a status: the server's own {"error":...} if it sent one. */
static void describe_status(const struct http_reply *reply, struct span body, char ret[384])
{
    if (reply->location[0]) {
        snprintf(ret, 384, "the server answers %ld and points to %s", reply->status,
                 reply->location);
        return;
    }
    bool reads = reply->status != 200 && body.len > 0; /* there is no sentence in a success */
    json_t *json = reads ? json_loadb(body.data, body.len, JSON_ALLOW_NUL, NULL) : NULL;
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
                                struct span sender, struct span content, struct stored *ret,
                                struct error *e)
{
    struct message stored = {0};
    enum error_kind kind = outcome_of_status(reply, body, e);
    if (kind)
        return kind;
    body = text_without_json_space(body); /* some servers end it with a newline */
    if (message_parse(&stored, body, NULL, NULL))
        kind = error_set(e, ERROR_UNKNOWN, "the server answers 200, but not with a message");
    else if (!message_is_ours(&stored, sender, content))
        kind = error_set(e, ERROR_BAD_DATA, "the server answers with another message than ours");
    else
        *ret = (struct stored){stored.id, stored.id, body};
    message_release(&stored);
    return kind;
}

/* The reply to a batch, as far as it was compared. */
struct comparison {
    const struct batch *batch;
    size_t count;           /* messages that are ours */
    int64_t first, last;    /* their ids */
    struct message message; /* the one in work */
};

static bool compare(void *context, struct span element, const struct flat *flat)
{
    struct comparison *c = context;
    const struct message *m = &c->message;
    if (c->count == batch_count(c->batch) || message_parse(&c->message, element, flat, NULL))
        return false;
    struct batch_line line = batch_at(c->batch, c->count);
    if (m->id <= c->last || !message_is_ours(m, line.sender, line.content))
        return false;
    if (c->count++ == 0)
        c->first = m->id;
    c->last = m->id;
    return true;
}

static bool are_ours(struct span body, const struct batch *batch, struct stored *ret)
{
    struct scan scan;
    struct comparison c = {.batch = batch};
    scan_init(&scan);
    bool ours = scan_feed(&scan, body, compare, &c) && scan.state == SCAN_END &&
                c.count == batch_count(batch);
    scan_release(&scan);
    message_release(&c.message);
    if (ours)
        *ret = (struct stored){c.first, c.last, body};
    return ours;
}

static int64_t integer_in(const struct flat *f, const char *name)
{
    const struct flat_field *field = flat_find(f, name);
    return field && field->type == FLAT_INTEGER ? field->integer : 0;
}

static bool is_summary(struct span body, const struct batch *batch, struct stored *ret)
{
    struct flat f;
    if (body.len == 0 || flat_read(&f, body) != body.len)
        return false;
    int64_t first = integer_in(&f, "first"), last = integer_in(&f, "last");
    int64_t count = (int64_t)batch_count(batch);
    if (first <= 0 || last != first + count - 1 || integer_in(&f, "count") != count)
        return false;
    *ret = (struct stored){first, last, body};
    return true;
}

enum error_kind outcome_of_batch(const struct http_reply *reply, struct span body,
                                 const struct batch *batch, bool summary, struct stored *ret,
                                 struct error *e)
{
    json_t *other;
    enum error_kind kind = outcome_of_status(reply, body, e);
    if (kind)
        return kind;
    body = text_without_json_space(body);
    if ((summary && is_summary(body, batch, ret)) || are_ours(body, batch, ret))
        return ERROR_NONE;
    if (json_text_parse(body, JSON_ALLOW_NUL, &other, NULL, NULL))
        return error_set(e, ERROR_UNKNOWN, "the server answers 200, but not with messages");
    json_decref(other);
    return error_set(e, ERROR_BAD_DATA, "the server answers with other messages than ours");
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
