/* SPDX-License-Identifier: MIT */
#include "client/channel.h"

#include <inttypes.h>
#include <string.h>

#include "client/outcome.h"
#include "common/clock.h"
#include "common/form.h"
#include "common/log.h"

#define TARGET_MAX     (4u * 1024 * 1024) /* a channel name of 1 MiB, encoded, fits */
#define ERROR_BODY_MAX 4096               /* of a reply that is no success, for its sentence */

/* One fetch in work. */
struct fetch {
    struct channel *channel;
    const struct channel_sink *sink;
    struct channel_fetched *fetched;
    bool only_cursor; /* look at ids, hand nothing over */
    bool stopped;     /* the sink had enough */
    int64_t elements;
    int64_t guessed; /* highest id that an element which is no message seems to have */
};

void channel_init(struct channel *c, struct http *http, struct span name)
{
    *c = (struct channel){.http = http, .name = name};
    scan_init(&c->scan);
    buf_init(&c->target, TARGET_MAX);
    buf_init(&c->body, CHANNEL_REPLY_MAX);
}

void channel_release(struct channel *c)
{
    scan_release(&c->scan);
    buf_release(&c->target);
    buf_release(&c->body);
}

/* FNV-1a */
static uint64_t hash(struct span s)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (unsigned char)s.data[i]) * 0x100000001b3u;
    return h ? h : 1;
}

/* Says once that an element was passed over. The cursor stays: an id in bytes that are no message
 * proves nothing, and the next good message moves it anyway. */
static void pass_over(struct fetch *f, struct span element, const struct error *why)
{
    struct channel *c = f->channel;
    int64_t id = message_guess_id(element);
    if (id > 0 && id <= c->cursor)
        return;
    if (id > f->guessed)
        f->guessed = id;
    uint64_t mark = hash(element);
    for (unsigned i = 0; i < CHANNEL_BAD_REMEMBER; i++) {
        if (c->bad[i] == mark)
            return;
    }
    c->bad[c->bad_next++ % CHANNEL_BAD_REMEMBER] = mark;
    if (id > 0)
        log_warn("message %" PRId64 " is passed over: %s", id, why->text);
    else
        log_warn("a message after %" PRId64 " is passed over: %s", c->cursor, why->text);
}

static bool on_element(void *context, struct span element)
{
    struct fetch *f = context;
    struct channel *c = f->channel;
    struct message m;
    struct error why;
    f->elements++;
    if (message_parse(&m, element, &why)) {
        pass_over(f, element, &why);
        return true;
    }
    if (m.id > c->cursor && !f->only_cursor) {
        f->stopped = !f->sink->on_message(f->sink->context, &m);
        f->fetched->handed_over += !f->stopped;
    }
    if (m.id > c->cursor && !f->stopped)
        c->cursor = m.id;
    message_release(&m);
    return !f->stopped;
}

static bool on_body(void *context, const struct http_reply *reply, struct span piece)
{
    struct fetch *f = context;
    struct channel *c = f->channel;
    if (reply->status == 200)
        return scan_feed(&c->scan, piece, on_element, f);
    if (c->body.len < ERROR_BODY_MAX && buf_add(&c->body, piece.data, piece.len))
        return false;
    return true;
}

static bool on_flush(void *context)
{
    struct fetch *f = context;
    return f->sink->on_flush(f->sink->context);
}

static bool interrupt(void *context)
{
    struct fetch *f = context;
    return f->sink->interrupt(f->sink->context);
}

static bool has_feature(const char *list, const char *name)
{
    size_t len = strlen(name);
    while (*list) {
        list += strspn(list, ", \t\r\n");
        size_t n = strcspn(list, ", \t\r\n");
        if (n == len && strncmp(list, name, n) == 0)
            return true;
        list += n;
    }
    return false;
}

/* Fetches c->target. */
static enum error_kind fetch(struct fetch *f, int64_t silence_ms, struct error *e)
{
    struct channel *c = f->channel;
    *f->fetched = (struct channel_fetched){.retry_after_ms = -1};
    scan_reset(&c->scan);
    buf_shrink(&c->body, ERROR_BODY_MAX);
    struct http_request request = {
        .target = c->target.data,
        .silence_ms = silence_ms,
        .deadline = f->sink->deadline,
        .watch_fd = f->sink->watch_fd,
        .on_body = on_body,
        .on_flush = on_flush,
        .interrupt = interrupt,
        .context = f,
    };
    struct http_reply reply;
    http_perform(c->http, &request, &reply);
    log_info("GET %s: status %ld, %" PRId64 " messages", c->target.data, reply.status, f->elements);
    f->fetched->retry_after_ms = reply.retry_after_ms;
    if (reply.status == 200) {
        c->can_wait = has_feature(reply.features, "wait");
        c->can_limit = has_feature(reply.features, "limit");
    }
    if (c->scan.state == SCAN_BROKEN)
        return error_set(e, ERROR_BAD_DATA, "the server's reply is not a JSON array of messages");
    if (f->stopped || reply.end == HTTP_INTERRUPTED || reply.end == HTTP_ABORTED)
        return error_set(e, ERROR_STOPPED, "stopped");
    enum error_kind kind = outcome_of_get(&reply, (struct span){c->body.data, c->body.len}, e);
    if (kind)
        return kind;
    if (c->scan.state != SCAN_END)
        return error_set(e, ERROR_BAD_DATA, "the server's reply ends in the middle");
    return ERROR_NONE;
}

static enum error_kind start_target(struct channel *c, const char *path, struct error *e)
{
    buf_clear(&c->target);
    if (buf_addf(&c->target, "%s?", path) || form_add_pair(&c->target, "channel", c->name))
        return error_set(e, ERROR_LOCAL, "no memory for a request");
    return ERROR_NONE;
}

enum error_kind channel_fetch_past(struct channel *c, int64_t count,
                                   const struct channel_sink *sink, struct channel_fetched *ret,
                                   struct error *e)
{
    struct fetch f = {.channel = c, .sink = sink, .fetched = ret, .only_cursor = count == 0};
    enum error_kind kind = start_target(c, "/past", e);
    if (kind)
        return kind;
    if (buf_addf(&c->target, "&count=%" PRId64, count ? count : 1))
        return error_set(e, ERROR_LOCAL, "no memory for a request");
    return fetch(&f, CHANNEL_SILENCE_MS, e);
}

enum error_kind channel_fetch(struct channel *c, int64_t wait_s, const struct channel_sink *sink,
                              struct channel_fetched *ret, struct error *e)
{
    struct fetch f = {.channel = c, .sink = sink, .fetched = ret};
    bool limit = c->can_limit;
    int64_t wait = c->can_wait ? wait_s : 0;
    enum error_kind kind = start_target(c, "/get", e);
    if (kind)
        return kind;
    if (buf_addf(&c->target, "&last=%" PRId64, c->cursor) ||
        (limit && buf_addf(&c->target, "&limit=%d", CHANNEL_PAGE)) ||
        (wait && buf_addf(&c->target, "&wait=%" PRId64, wait)))
        return error_set(e, ERROR_LOCAL, "no memory for a request");
    int64_t before = c->cursor;
    kind = fetch(&f, CHANNEL_SILENCE_MS + wait * 1000, e);
    bool full = kind == ERROR_NONE && limit && f.elements >= CHANNEL_PAGE;
    if (full && c->cursor == before && f.guessed > before)
        c->cursor = f.guessed; /* a page without one message would come for ever */
    ret->more = full && c->cursor > before;
    return kind;
}

static bool on_post_body(void *context, const struct http_reply *reply, struct span piece)
{
    (void)reply;
    struct buf *body = context;
    return buf_add(body, piece.data, piece.len) == 0;
}

enum error_kind channel_post(struct channel *c, struct span name, struct span sender,
                             struct span content, struct message *ret_stored,
                             int64_t *ret_retry_after_ms, struct error *e)
{
    struct buf form;
    buf_init(&form, 3 * (name.len + sender.len + content.len) + 64);
    *ret_retry_after_ms = -1;
    if (form_add_pair(&form, "channel", name) || form_add_pair(&form, "sender", sender) ||
        form_add_pair(&form, "content", content)) {
        buf_release(&form);
        return error_set(e, ERROR_LOCAL, "no memory for a message");
    }
    buf_shrink(&c->body, SCAN_ELEMENT_MAX / 16);
    struct http_request request = {
        .target = "/send",
        .post = true,
        .body = {form.data, form.len},
        .silence_ms = CHANNEL_SILENCE_MS,
        .deadline = CLOCK_NEVER,
        .grace_ms = CHANNEL_GRACE_MS,
        .watch_fd = -1,
        .on_body = on_post_body,
        .context = &c->body,
    };
    struct http_reply reply;
    http_perform(c->http, &request, &reply);
    log_info("POST /send: status %ld", reply.status);
    buf_release(&form);
    *ret_retry_after_ms = reply.retry_after_ms;
    return outcome_of_post(&reply, (struct span){c->body.data, c->body.len}, sender, content,
                           ret_stored, e);
}
