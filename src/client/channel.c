/* SPDX-License-Identifier: MIT */
#include "client/channel.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/form.h"
#include "common/hash.h"
#include "common/log.h"

#define TARGET_MAX     (4u * 1024 * 1024) /* a channel name of 1 MiB, encoded, fits */
#define ERROR_BODY_MAX 4096               /* of a reply that is no success, for its sentence */

/* One fetch in work. */
struct fetch {
    struct channel *channel;
    const struct channel_sink *sink;
    struct channel_fetched *fetched;
    bool only_cursor;       /* look at ids, hand nothing over */
    bool stopped;           /* the sink had enough */
    bool checks;            /* the newest message we know must come first */
    bool checked;           /* this fetch asked for it */
    bool needs_old;         /* it did not, so it is good only over the connection there was */
    bool reset;             /* it did not come */
    enum error_kind failed; /* ERROR_LOCAL: no memory for a message, as `why` says */
    struct error why;
    bool again; /* the reply came over a new connection: a check must come first */
    int64_t elements;
    int64_t last_id;        /* of Chancat-Last-Id */
    int64_t guessed;        /* highest id that an element which is no message seems to have */
    struct message message; /* the element in work */
};

void channel_init(struct channel *c, struct http *http, struct span name)
{
    *c = (struct channel){.http = http, .name = name};
    scan_init(&c->scan);
    buf_init(&c->newest, SCAN_ELEMENT_MAX);
    buf_init(&c->target, TARGET_MAX);
    buf_init(&c->body, CHANNEL_REPLY_MAX);
}

void channel_release(struct channel *c)
{
    buf_release(&c->newest);
    scan_release(&c->scan);
    buf_release(&c->target);
    buf_release(&c->body);
}

void channel_expect(struct channel *c, struct message_mark mark)
{
    c->known = mark;
    c->cursor = mark.id;
    c->check_due = true;
}

/* Takes the fingerprint of what was remembered last. It is wanted much less often than a message
 * comes. Without memory for it, only the id is known. */
static void take_fingerprint(struct channel *c)
{
    struct message m = {0};
    if (c->newest.len == 0)
        return;
    if (message_parse(&m, (struct span){c->newest.data, c->newest.len}, NULL, NULL) == ERROR_NONE)
        c->known = message_mark_of(&m);
    message_release(&m);
    buf_shrink(&c->newest, CHANNEL_CHECK_MAX);
}

struct message_mark channel_mark(struct channel *c)
{
    take_fingerprint(c);
    return c->known.id ? c->known : (struct message_mark){.id = c->cursor};
}

void channel_restart(struct channel *c)
{
    buf_clear(&c->newest);
    c->known = (struct message_mark){0};
    c->known_len = 0;
    c->cursor = 0;
    c->check_due = false;
}

/* Is there a message that the server must, or may, still have? */
static bool can_check(const struct channel *c)
{
    return c->watches && c->known.id;
}

/* It must. */
static bool must_have(struct channel *c)
{
    take_fingerprint(c);
    return c->known.fingerprint != 0;
}

static void remember(struct channel *c, const struct message *m)
{
    if (!c->watches)
        return;
    buf_clear(&c->newest);
    c->known = (struct message_mark){.id = m->id};
    c->known_len = m->json.len;
    if (buf_add(&c->newest, m->json.data, m->json.len))
        c->known = message_mark_of(m); /* no memory to put it off */
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
    if (id > 0 && id <= c->bad_id)
        return;
    if (id > 0)
        c->bad_id = id;
    uint64_t mark = hash_add(HASH_START, element) | 1;
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

/* In a check: is this the message that must come first? False: it is not there any more. */
static bool check(struct fetch *f, const struct message *m)
{
    struct channel *c = f->channel;
    if (m->id < c->known.id) /* from a server that looks at `last` loosely */
        return true;
    struct message_mark known = channel_mark(c), now = message_mark_of(m);
    f->checks = false; /* done */
    if (must_have(c))
        f->reset = now.id != known.id || now.fingerprint != known.fingerprint;
    else if (now.id == known.id)
        remember(c, m);
    return !f->reset;
}

/* A message. False: stop. */
static bool take(struct fetch *f, const struct message *m)
{
    struct channel *c = f->channel;
    if (f->checks && !check(f, m))
        return false;
    if (m->id <= c->cursor)
        return true;
    if (!f->only_cursor) {
        f->stopped = !f->sink->on_message(f->sink->context, m);
        f->fetched->handed_over += !f->stopped;
    }
    if (!f->stopped) {
        c->cursor = m->id;
        remember(c, m);
    }
    return !f->stopped;
}

static bool on_element(void *context, struct span element, const struct flat *flat)
{
    struct fetch *f = context;
    f->elements++;
    f->failed = message_parse(&f->message, element, flat, &f->why);
    if (!f->failed)
        return take(f, &f->message);
    if (f->channel->scan.no_memory)
        f->failed = error_set(&f->why, ERROR_LOCAL, "no memory for a message");
    if (f->failed != ERROR_BAD_DATA)
        return false;
    f->failed = ERROR_NONE;
    pass_over(f, element, &f->why);
    return true;
}

static bool on_body(void *context, const struct http_reply *reply, struct span piece)
{
    struct fetch *f = context;
    struct channel *c = f->channel;
    if (reply->status == 200 && reply->reconnected && f->needs_old) {
        f->again = true;
        return false;
    }
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

static int64_t wake_at(void *context)
{
    struct fetch *f = context;
    return f->sink->wake_at(f->sink->context);
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

/* Of a whole reply only: one that lost its header says nothing about what the server can. */
static void note_features(struct channel *c, const struct http_reply *reply)
{
    c->can_wait = has_feature(reply->features, "wait");
    c->can_limit = has_feature(reply->features, "limit");
    c->can_keys = has_feature(reply->features, "keys");
    c->can_batch = c->can_keys && has_feature(reply->features, "batch");
    c->can_minimal = has_feature(reply->features, "minimal");
}

static enum error_kind tell_reset(const struct channel *c, struct error *e)
{
    return error_set(e, ERROR_RESET,
                     "the server's history was reset: it does not have message %" PRId64
                     " as we know it any more",
                     c->known.id);
}

/* One line about a request that has ended; `messages` < 0: they are not counted. */
static void tell_request(const char *method, const char *target, const struct http_reply *reply,
                         int64_t messages, int64_t began_ms)
{
    char answer[64], count[32] = "";
    snprintf(answer, sizeof(answer), "%s",
             reply->end == HTTP_INTERRUPTED ? "interrupted" : "no answer");
    if (reply->status)
        snprintf(answer, sizeof(answer), "status %ld", reply->status);
    if (reply->status && messages >= 0)
        snprintf(count, sizeof(count), ", %" PRId64 " messages", messages);
    log_info("%s %s: %s%s, %.3f s", method, target, answer, count,
             (double)(clock_now_ms() - began_ms) / 1000);
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
        .grace_ms = f->sink->grace_ms,
        .watch_fd = f->sink->watch_fd,
        .on_body = on_body,
        .on_flush = on_flush,
        .interrupt = interrupt,
        .wake_at = f->sink->wake_at ? wake_at : NULL,
        .context = f,
    };
    struct http_reply reply;
    int64_t began_ms = clock_now_ms();
    http_perform(c->http, &request, &reply);
    message_release(&f->message);
    tell_request("GET", c->target.data, &reply, f->elements, began_ms);
    f->fetched->retry_after_ms = reply.retry_after_ms;
    f->last_id = reply.last_id;
    if (f->again)
        return ERROR_NONE;
    if (f->failed)
        return error_set(e, f->failed, "%s", f->why.text);
    if (f->reset)
        return tell_reset(c, e);
    if (c->scan.state == SCAN_BROKEN)
        return error_set(e, ERROR_BAD_DATA, "the server's reply is not a JSON array of messages");
    if (f->stopped || reply.end == HTTP_INTERRUPTED || reply.end == HTTP_ABORTED)
        return error_set(e, ERROR_STOPPED, "stopped");
    enum error_kind kind = outcome_of_get(&reply, (struct span){c->body.data, c->body.len}, e);
    if (kind)
        return kind;
    if (c->scan.state != SCAN_END)
        return error_set(e, ERROR_BAD_DATA, "the server's reply ends in the middle");
    note_features(c, &reply);
    return f->checks && must_have(c) ? tell_reset(c, e) : ERROR_NONE;
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
    kind = fetch(&f, CHANNEL_SILENCE_MS, e);
    if (!kind && c->cursor == 0)
        c->cursor = f.guessed; /* all are bad: what comes after them is what is wanted */
    return kind;
}

/* Makes the target of a fetch; a check asks for the newest message we know once more. */
static enum error_kind fetch_after(struct fetch *f, int64_t wait_s, struct error *e)
{
    struct channel *c = f->channel;
    bool limit = c->can_limit;
    int64_t wait = c->can_wait && !f->checks ? wait_s : 0;
    int64_t after = f->checks ? c->known.id - 1 : c->cursor, before = c->cursor;
    f->checked = f->checks;
    f->needs_old = !f->checked && can_check(c) && must_have(c);
    enum error_kind kind = start_target(c, "/get", e);
    if (kind)
        return kind;
    if (buf_addf(&c->target, "&last=%" PRId64, after) ||
        (limit && buf_addf(&c->target, "&limit=%d", CHANNEL_PAGE)) ||
        (wait && buf_addf(&c->target, "&wait=%" PRId64, wait)))
        return error_set(e, ERROR_LOCAL, "no memory for a request");
    kind = fetch(f, CHANNEL_SILENCE_MS + wait * 1000, e);
    bool full = kind == ERROR_NONE && limit && f->elements >= CHANNEL_PAGE;
    if (full && c->cursor == before && f->guessed > before)
        c->cursor = f->guessed; /* a page without one message would come for ever */
    f->fetched->more = full && c->cursor > before;
    f->fetched->checked = f->checked;
    return kind;
}

/* Must the next fetch check, even if it would be held? */
static bool check_is_due(const struct fetch *f, enum error_kind kind, bool early)
{
    const struct channel *c = f->channel;
    if (kind == ERROR_STOPPED)
        return c->check_due;
    if (kind)
        return true; /* who knows what answers next time */
    if (f->checked)
        return false;
    return early || f->last_id < c->known.id; /* -1: the server does not say */
}

/* Is this fetch a check? */
static bool checks_now(const struct channel *c, int64_t wait_s)
{
    if (!can_check(c))
        return false;
    bool held = wait_s > 0 && c->can_wait;
    return c->check_due || (!held && c->known_len <= CHANNEL_CHECK_MAX);
}

enum error_kind channel_fetch(struct channel *c, int64_t wait_s, const struct channel_sink *sink,
                              struct channel_fetched *ret, struct error *e)
{
    struct fetch f = {.channel = c, .sink = sink, .fetched = ret, .checks = checks_now(c, wait_s)};
    int64_t began_ms = clock_now_ms();
    enum error_kind kind = fetch_after(&f, wait_s, e);
    bool early = f.elements == 0 && clock_now_ms() - began_ms < wait_s * 1000 - CHANNEL_EARLY_MS;
    if (f.again) {
        f = (struct fetch){.channel = c, .sink = sink, .fetched = ret, .checks = true};
        kind = fetch_after(&f, wait_s, e);
    }
    c->check_due = check_is_due(&f, kind, early);
    return kind;
}

/* What a look for one message, or for none, needs of a sink. */
struct look {
    struct span sender, content;
    struct buf *copy; /* of its JSON */
    int64_t found;    /* its id, 0: none */
    bool no_memory;   /* for the copy */
};

static bool look_at(void *context, const struct message *m)
{
    struct look *look = context;
    if (!message_is_ours(m, look->sender, look->content))
        return true;
    look->found = m->id;
    look->no_memory = buf_add(look->copy, m->json.data, m->json.len);
    return false;
}

static bool look_on(void *context)
{
    (void)context;
    return true;
}

static bool look_undisturbed(void *context)
{
    (void)context;
    return false;
}

static struct channel_sink sink_of(struct look *look, int64_t grace_ms)
{
    return (struct channel_sink){
        .on_message = look_at,
        .on_flush = look_on,
        .interrupt = look_undisturbed,
        .grace_ms = grace_ms,
        .watch_fd = -1,
        .context = look,
    };
}

enum error_kind channel_probe(struct channel *c, struct span name, int64_t *ret_newest,
                              int64_t *ret_retry_after_ms, struct error *e)
{
    struct look none = {0};
    struct channel_sink sink = sink_of(&none, 0);
    struct channel_fetched fetched = {.retry_after_ms = -1};
    struct fetch f = {.channel = c, .sink = &sink, .fetched = &fetched, .only_cursor = true};
    c->name = name;
    c->cursor = 0;
    *ret_newest = *ret_retry_after_ms = -1;
    enum error_kind kind = start_target(c, "/past", e);
    if (!kind && buf_addf(&c->target, "&count=1"))
        kind = error_set(e, ERROR_LOCAL, "no memory for a request");
    if (!kind)
        kind = fetch(&f, CHANNEL_SILENCE_MS, e);
    *ret_retry_after_ms = fetched.retry_after_ms;
    if (kind)
        return kind;
    *ret_newest = c->cursor > f.guessed ? c->cursor : f.guessed;
    if (f.elements && *ret_newest == 0)
        *ret_newest = -1; /* there is one, but no message and without an id */
    return ERROR_NONE;
}

enum error_kind channel_look(struct channel *c, struct span name, int64_t after, struct span sender,
                             struct span content, int64_t grace_ms, struct stored *ret_found,
                             struct error *e)
{
    struct look look = {.sender = sender, .content = content, .copy = &c->body};
    struct channel_sink sink = sink_of(&look, grace_ms);
    struct channel_fetched fetched;
    enum error_kind kind;
    c->name = name;
    c->cursor = after;
    do
        kind = channel_fetch(c, 0, &sink, &fetched, e);
    while (!kind && fetched.more);
    *ret_found = (struct stored){0};
    if (look.no_memory)
        return error_set(e, ERROR_LOCAL, "no memory for a message");
    if (!look.found)
        return kind;
    *ret_found = (struct stored){look.found, look.found, {c->body.data, c->body.len}};
    return ERROR_NONE;
}

static bool on_post_body(void *context, const struct http_reply *reply, struct span piece)
{
    (void)reply;
    struct channel *c = context;
    return buf_add(&c->body, piece.data, piece.len) == 0;
}

static void on_sent(void *context)
{
    struct channel *c = context;
    c->on_sent(c->sent_context);
}

/* One POST; the reply's body is in c->body afterwards. */
static void post(struct channel *c, struct http_request *request, struct channel_posted *ret,
                 struct http_reply *reply)
{
    buf_shrink(&c->body, SCAN_ELEMENT_MAX / 16);
    request->post = true;
    request->silence_ms = CHANNEL_SILENCE_MS;
    request->limit_ms = CHANNEL_POST_MAX_MS;
    request->grace_ms = CHANNEL_GRACE_MS;
    request->watch_fd = -1;
    request->on_body = on_post_body;
    request->on_sent = c->on_sent ? on_sent : NULL;
    request->context = c;
    int64_t began_ms = clock_now_ms();
    http_perform(c->http, request, reply);
    tell_request("POST", request->target, reply, -1, began_ms);
    *ret =
        (struct channel_posted){.retry_after_ms = reply->retry_after_ms, .status = reply->status};
}

enum error_kind channel_post(struct channel *c, struct span name, struct span sender,
                             struct span content, const char *key, struct channel_posted *ret,
                             struct error *e)
{
    struct buf form;
    struct http_reply reply;
    *ret = (struct channel_posted){.retry_after_ms = -1};
    buf_init(&form, 3 * (name.len + sender.len + content.len) + 64);
    if (form_add_pair(&form, "channel", name) || form_add_pair(&form, "sender", sender) ||
        form_add_pair(&form, "content", content)) {
        buf_release(&form);
        return error_set(e, ERROR_LOCAL, "no memory for a message");
    }
    struct http_request request = {
        .target = "/send", .body = {form.data, form.len}, .idempotency_key = key};
    post(c, &request, ret, &reply);
    buf_release(&form);
    return outcome_of_post(&reply, (struct span){c->body.data, c->body.len}, sender, content,
                           &ret->stored, e);
}

enum error_kind channel_post_batch(struct channel *c, const struct batch *batch, const char *key,
                                   bool full, struct channel_posted *ret, struct error *e)
{
    struct http_reply reply;
    struct http_request request = {
        .target = "/batch",
        .body = {batch->body.data, batch->body.len},
        .content_type = "application/x-ndjson",
        .idempotency_key = key,
        .prefer = !full && c->can_minimal ? "return=minimal" : NULL,
    };
    post(c, &request, ret, &reply);
    return outcome_of_batch(&reply, (struct span){c->body.data, c->body.len}, batch,
                            request.prefer != NULL, &ret->stored, e);
}
