/* SPDX-License-Identifier: MIT */
/*
 * fake_http: an http.h that gives the reply it was told to, cut into pieces, for the tests of
 * channel.h; and a sink that gathers what is handed over. Defined here, so that only a test which
 * includes this gets it; it includes the fake clock, too.
 */
#ifndef CHANCAT_FAKE_HTTP_H
#define CHANCAT_FAKE_HTTP_H

#include "unit/unit.h"

#include <stdbool.h>
#include <stdio.h>
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
    char prefer[64];
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
    snprintf(fake.prefer, sizeof(fake.prefer), "%s", request->prefer ? request->prefer : "");
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

#endif
