/* SPDX-License-Identifier: MIT */
#include "api.h"

#include <string.h>

#include "gotext.h"

#define JSON "application/json; charset=utf-8"

static bool is(struct view v, const char *text)
{
    return view_equal(v, view_of(text));
}

/* Appends the field, trimmed; the body wins over the query. */
static void field(const struct request *q, const char *name, struct bytes *value)
{
    struct bytes raw = {0};
    if (!gotext_form_value(q->form, name, &raw))
        gotext_form_value(q->query, name, &raw);
    bytes_add_view(value, gotext_trim(view_bytes(&raw)));
    bytes_release(&raw);
}

static bool number_field(const struct request *q, const char *name, int64_t absent,
                         int64_t *ret_value)
{
    struct bytes raw = {0};
    gotext_form_value(q->query, name, &raw);
    bool good = gotext_int64(view_bytes(&raw), absent, ret_value);
    bytes_release(&raw);
    return good;
}

void api_channel(const struct request *request, struct bytes *channel)
{
    field(request, "channel", channel);
}

static void refuse(struct reply *r, const char *sentence)
{
    r->status = 400;
    bytes_addf(&r->body, "{\"error\":\"%s\"}", sentence);
}

static void not_found(struct reply *r)
{
    r->status = 404;
    r->type = "text/plain; charset=utf-8";
    bytes_add_str(&r->body, "404 page not found\n");
}

static void look_for(struct store *store, const struct request *q, struct reply *r)
{
    struct bytes channel = {0};
    int64_t after = 0, count = 100, before = INT64_MAX;
    api_channel(q, &channel);
    if (channel.len == 0) {
        refuse(r, "Channel empty");
    } else if (is(q->path, "/get") && !number_field(q, "last", 0, &after)) {
        refuse(r, "Last must be of type int64");
    } else if (is(q->path, "/past") && !number_field(q, "count", 100, &count)) {
        refuse(r, "Count must be of type int");
    } else if (is(q->path, "/past") && !number_field(q, "before", INT64_MAX, &before)) {
        refuse(r, "Before must be of type int64");
    } else {
        gotext_add_folded(&r->channel, view_bytes(&channel));
        r->look.channel = view_bytes(&r->channel);
        if (is(q->path, "/past"))
            after = store_past(store, r->look.channel, count, before);
        int64_t last = store_last_id(store);
        r->look.after = after > 0 ? after : 0;
        r->look.upto = before <= last ? before - 1 : last;
        r->streams = true;
    }
    bytes_release(&channel);
}

static void send_message(struct store *store, const struct request *q, bool dry, struct reply *r)
{
    struct bytes channel = {0}, sender = {0}, content = {0};
    field(q, "channel", &channel);
    field(q, "sender", &sender);
    field(q, "content", &content);
    if (!channel.len || !sender.len || !content.len)
        refuse(r, "Channel, sender or content empty");
    else if (!dry)
        r->stored_id = store_add(store, view_bytes(&channel), view_bytes(&sender),
                                 view_bytes(&content), &r->body);
    bytes_release(&channel);
    bytes_release(&sender);
    bytes_release(&content);
}

void api_answer(struct store *store, const struct request *request, bool dry,
                struct reply *ret_reply)
{
    *ret_reply = (struct reply){.status = 200, .type = JSON};
    bool get = strcmp(request->method, "GET") == 0;
    if (get && (is(request->path, "/get") || is(request->path, "/past")))
        look_for(store, request, ret_reply);
    else if (strcmp(request->method, "POST") == 0 && is(request->path, "/send"))
        send_message(store, request, dry, ret_reply);
    else
        not_found(ret_reply);
}

void api_release(struct reply *reply)
{
    bytes_release(&reply->body);
    bytes_release(&reply->channel);
}

bool api_body(struct store *store, struct reply *reply, struct bytes *chunk, size_t enough)
{
    if (!reply->streams) {
        bytes_add_view(chunk, view_bytes(&reply->body));
        return false;
    }
    if (store_next(store, &reply->look, chunk, enough))
        return true;
    bytes_add_str(chunk, reply->look.begun ? "]" : "null");
    return false;
}
