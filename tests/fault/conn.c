/* SPDX-License-Identifier: MIT */
#include "conn.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api.h"
#include "wire.h"

#define CHUNK_BYTES  65536
#define LENGTH_UP_TO 2048 /* longer replies are chunked, as the original does */
#define CONNECTIONS  1024
#define LOG_MAX      ((size_t)64 << 20)
#define HTML_PAGE    "<!DOCTYPE html>\n<html><body><h1>It works!</h1></body></html>\n"

struct conn {
    struct faultd *d;
    struct wire wire;
    int64_t number;
};

/* One exchange on it. */
struct exchange {
    struct conn *c;
    struct wire_request *in;
    struct request request;
    struct reply reply;
    const struct action *action;
};

/* ---- replies -------------------------------------------------------------------------------- */

static const char *reason(int64_t status)
{
    return status == 200 ? "OK" : status == 400 ? "Bad Request" : status == 404 ? "Not Found" : "";
}

/* The length of the whole body; what is counted is also there when it is sent. */
static int64_t body_length(struct store *store, const struct reply *reply)
{
    if (!reply->streams)
        return (int64_t)reply->body.len;
    struct reply copy = *reply;
    struct bytes chunk = {0};
    int64_t length = 0;
    bool more = true;
    while (more) {
        more = api_body(store, &copy, &chunk, CHUNK_BYTES);
        length += (int64_t)chunk.len;
        chunk.len = 0;
    }
    bytes_release(&chunk);
    return length;
}

/* Sends head and body with whatever the wire is set to do to them; `extra` are header lines.
 * Byte counts of the action are of the body. False: the connection is to be closed. */
static bool send_reply(struct exchange *x, const char *extra)
{
    struct wire *w = &x->c->wire;
    const struct action *a = x->action;
    struct store *store = x->c->d->store;
    struct bytes head = {0}, chunk = {0};
    bool more = api_body(store, &x->reply, &chunk, CHUNK_BYTES);
    bool whole = a->kind == ACTION_CUT || a->kind == ACTION_CUT_ALL;
    w->chunked = a->kind == ACTION_CUT_CHUNKED || (!whole && (more || chunk.len > LENGTH_UP_TO));
    bytes_addf(&head, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n%s", x->reply.status,
               reason(x->reply.status), x->reply.type, extra);
    if (w->chunked)
        bytes_add_str(&head, "Transfer-Encoding: chunked\r\n\r\n");
    else
        bytes_addf(&head, "Content-Length: %lld\r\n\r\n",
                   (long long)((int64_t)chunk.len + (more ? body_length(store, &x->reply) : 0)));
    int64_t head_len = (int64_t)head.len;
    if (a->kind == ACTION_CUT || a->kind == ACTION_CUT_CHUNKED)
        w->cut_at = head_len + a->number;
    else if (a->kind == ACTION_CUT_ALL)
        w->cut_at = a->number;
    else if (a->kind == ACTION_STALL)
        w->stall_at = head_len + a->number;
    /* Small replies leave in one piece, as a server with a buffer would send them. */
    if (!w->chunked) {
        bytes_add_view(&head, view_bytes(&chunk));
        chunk.len = 0;
    }
    bool good = wire_send(w, view_bytes(&head));
    while (good && (chunk.len > 0 || more)) {
        if (chunk.len > 0)
            good = wire_send_body(w, view_bytes(&chunk));
        chunk.len = 0;
        if (good && more)
            more = api_body(store, &x->reply, &chunk, CHUNK_BYTES);
    }
    good = good && wire_send_body_end(w);
    bytes_release(&head);
    bytes_release(&chunk);
    return good;
}

static void replace_reply(struct exchange *x, int64_t status, const char *type, struct view body)
{
    api_release(&x->reply);
    x->reply = (struct reply){.status = (int)status, .type = type, .stored_id = x->reply.stored_id};
    bytes_add_view(&x->reply.body, body);
}

static bool send_status(struct exchange *x)
{
    const struct action *a = x->action;
    char extra[64] = "";
    if (a->retry_after >= 0)
        snprintf(extra, sizeof(extra), "Retry-After: %lld\r\n", (long long)a->retry_after);
    struct view body = a->file ? a->content : view_of("{\"error\":\"scripted\"}");
    replace_reply(x, a->number, "application/json; charset=utf-8", body);
    return send_reply(x, extra);
}

static bool send_redirect(struct exchange *x)
{
    struct bytes extra = {0};
    bytes_addf(&extra, "Location: %s\r\n", x->action->file);
    bytes_add(&extra, "", 1);
    replace_reply(x, x->action->number, "text/html", view_of("moved\n"));
    bool kept = send_reply(x, extra.data);
    bytes_release(&extra);
    return kept;
}

/* 200 and a message, but not the one that was sent. */
static bool send_lie(struct exchange *x)
{
    static const char lie[] = "{\"id\":%s,\"channel\":\"c\",\"sender\":\"s\",\"content\":\"%s\","
                              "\"time\":\"2024-01-02T03:04:05Z\"}";
    struct bytes body = {0};
    if (x->action->kind == ACTION_WRONG_ECHO) {
        bytes_addf(&body, lie, "7", "something else");
    } else {
        /* The true reply with id 0. */
        struct view whole = view_bytes(&x->reply.body);
        const char *comma = memchr(whole.data, ',', whole.len);
        bytes_add_str(&body, "{\"id\":0");
        if (comma)
            bytes_add(&body, comma, whole.len - (size_t)(comma - whole.data));
    }
    replace_reply(x, 200, "application/json; charset=utf-8", view_bytes(&body));
    bytes_release(&body);
    return send_reply(x, "");
}

/* ---- actions -------------------------------------------------------------------------------- */

static bool stores_nothing(enum action_kind kind)
{
    return kind == ACTION_STATUS || kind == ACTION_CLOSE_BEFORE || kind == ACTION_RESET_BEFORE ||
           kind == ACTION_HANG || kind == ACTION_HTML || kind == ACTION_BODY ||
           kind == ACTION_STATUS_LINE_ONLY || kind == ACTION_REDIRECT;
}

/* False: the connection is to be closed. */
static bool act(struct exchange *x)
{
    struct wire *w = &x->c->wire;
    switch (x->action->kind) {
    case ACTION_STATUS:
    case ACTION_STATUS_AFTER:
        return send_status(x);
    case ACTION_CLOSE_BEFORE:
    case ACTION_CLOSE_AFTER:
        return false;
    case ACTION_RESET_BEFORE:
    case ACTION_RESET_AFTER:
        wire_arm_reset(w);
        return false;
    case ACTION_STALL_BEFORE:
        return wire_pause(w, x->action->pause_ms) && send_reply(x, "");
    case ACTION_STALL:
        w->stall_ms = x->action->pause_ms;
        return send_reply(x, "");
    case ACTION_HANG:
        wire_hang(w);
        return false;
    case ACTION_HTML:
        replace_reply(x, 200, "text/html", view_of(HTML_PAGE));
        return send_reply(x, "");
    case ACTION_BODY:
        replace_reply(x, 200, "application/json; charset=utf-8", x->action->content);
        return send_reply(x, "");
    case ACTION_STATUS_LINE_ONLY:
        wire_send(w, view_of("HTTP/1.1 200 OK\r\n"));
        return false;
    case ACTION_DRIP:
        w->drip = x->action->number;
        return send_reply(x, "");
    case ACTION_REDIRECT:
        return send_redirect(x);
    case ACTION_LIE_ID:
    case ACTION_WRONG_ECHO:
        return send_lie(x);
    case ACTION_CLOSE_KEPT:
        send_reply(x, "");
        return false;
    case ACTION_RESET_KEPT:
        send_reply(x, "");
        wire_arm_reset(w);
        return false;
    case ACTION_NORMAL:
    case ACTION_CUT:
    case ACTION_CUT_ALL:
    case ACTION_CUT_CHUNKED:
        break;
    }
    return send_reply(x, "");
}

static void note(struct exchange *x)
{
    struct faultd *d = x->c->d;
    struct view path = x->request.path;
    pthread_mutex_lock(&d->lock);
    size_t start = d->log.len;
    bool get = strcmp(x->in->method, "GET") == 0;
    if (get && view_equal(path, view_of("/get")))
        d->gets++;
    else if (get && view_equal(path, view_of("/past")))
        d->pasts++;
    else if (!get && view_equal(path, view_of("/send")))
        d->sends++;
    else
        d->others++;
    d->requests++;
    if (d->log.len < LOG_MAX)
        bytes_addf(&d->log, "conn=%lld req=%lld %s %s stored=%d id=%lld action=%s%s%s\n",
                   (long long)x->c->number, (long long)d->requests, x->in->method, x->in->target,
                   x->reply.stored_id > 0, (long long)x->reply.stored_id, x->action->text,
                   x->in->authorization ? " auth=" : "",
                   x->in->authorization ? x->in->authorization : "");
    if (d->log_file && d->log.len > start) {
        fwrite(d->log.data + start, 1, d->log.len - start, d->log_file);
        fflush(d->log_file);
    }
    pthread_mutex_unlock(&d->lock);
}

/* ---- the control paths ---------------------------------------------------------------------- */

static void add_stats(struct faultd *d, struct bytes *b)
{
    pthread_mutex_lock(&d->lock);
    bytes_addf(b,
               "{\"connections\":%lld,\"open\":%lld,\"most_open\":%lld,\"requests\":{\"all\":%lld,"
               "\"/get\":%lld,\"/past\":%lld,\"/send\":%lld,\"other\":%lld}}\n",
               (long long)d->connections, (long long)d->open, (long long)d->most_open,
               (long long)d->requests, (long long)d->gets, (long long)d->pasts, (long long)d->sends,
               (long long)d->others);
    pthread_mutex_unlock(&d->lock);
}

static bool control(struct exchange *x)
{
    static const struct action plain = {.retry_after = -1, .text = ""};
    struct faultd *d = x->c->d;
    struct view path = x->request.path;
    bool post = strcmp(x->in->method, "POST") == 0;
    struct bytes channel = {0}, *out = &x->reply.body;
    x->action = &plain;
    x->reply = (struct reply){.status = 200, .type = "text/plain"};
    if (!post && view_equal(path, view_of("/fault/log"))) {
        pthread_mutex_lock(&d->lock);
        bytes_add_view(out, view_bytes(&d->log));
        pthread_mutex_unlock(&d->lock);
    } else if (!post && view_equal(path, view_of("/fault/stats"))) {
        add_stats(d, out);
    } else if (post && view_equal(path, view_of("/fault/truncate"))) {
        store_truncate(d->store);
    } else if (post && view_equal(path, view_of("/fault/release"))) {
        x->reply.status = write(d->release_fds[1], "", 1) == 1 ? 200 : 500;
    } else if (post && view_equal(path, view_of("/fault/put"))) {
        x->request.form = view_of("");
        api_channel(&x->request, &channel);
        bytes_addf(out, "{\"id\":%lld}\n",
                   (long long)store_put(d->store, view_bytes(&channel), x->request.body));
    } else {
        x->reply.status = 404;
    }
    bool kept = send_reply(x, "");
    bytes_release(&channel);
    api_release(&x->reply);
    return kept;
}

/* ---- the connection ------------------------------------------------------------------------- */

static struct view without_prefix(struct view path, const char *prefix)
{
    size_t n = strlen(prefix);
    if (path.len < n || memcmp(path.data, prefix, n) != 0)
        return view_of("/outside");
    return (struct view){path.data + n, path.len - n};
}

static bool starts_with(struct view v, const char *text)
{
    return v.len >= strlen(text) && memcmp(v.data, text, strlen(text)) == 0;
}

/* Answers one request. False: the connection is over. */
static bool serve(struct conn *c, struct wire_request *in)
{
    struct exchange x = {.c = c, .in = in};
    const char *question = strchr(in->target, '?');
    struct view path = view_of(in->target);
    if (question)
        path.len = (size_t)(question - in->target);
    x.request = (struct request){.method = in->method,
                                 .path = path,
                                 .query = view_of(question ? question + 1 : ""),
                                 .form = in->form ? view_bytes(&in->body) : view_of(""),
                                 .body = view_bytes(&in->body)};
    wire_reset(&c->wire);
    if (starts_with(path, "/fault/"))
        return control(&x);
    x.request.path = without_prefix(path, c->d->prefix);
    struct bytes channel = {0};
    api_channel(&x.request, &channel);
    x.action = script_next(c->d->script, in->method, x.request.path, view_bytes(&channel));
    bytes_release(&channel);
    api_answer(c->d->store, &x.request, stores_nothing(x.action->kind), &x.reply);
    note(&x);
    bool kept = (!x.action->held || wire_pause(&c->wire, WIRE_HELD)) && act(&x);
    api_release(&x.reply);
    return kept && !in->close;
}

static void *run(void *argument)
{
    struct conn *c = argument;
    struct faultd *d = c->d;
    bool going = true;
    while (going) {
        struct wire_request in;
        wire_reset(&c->wire);
        going = wire_read(&c->wire, &in) && serve(c, &in);
        bytes_release(&in.body);
    }
    bytes_release(&c->wire.in);
    close(c->wire.fd);
    free(c);
    pthread_mutex_lock(&d->lock);
    if (--d->open == 0)
        pthread_cond_signal(&d->idle);
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

void conn_start(struct faultd *d, int fd)
{
    struct conn *c = bytes_alloc(NULL, sizeof(*c));
    *c = (struct conn){.d = d,
                       .wire = {.fd = fd, .stop_fd = d->stop_fd, .release_fd = d->release_fds[0]}};
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    pthread_mutex_lock(&d->lock);
    bool room = d->open < CONNECTIONS;
    if (room) {
        c->number = ++d->connections;
        if (++d->open > d->most_open)
            d->most_open = d->open;
    }
    pthread_mutex_unlock(&d->lock);
    pthread_t thread;
    if (room && pthread_create(&thread, NULL, run, c) == 0) {
        pthread_detach(thread);
        return;
    }
    close(fd);
    free(c);
    pthread_mutex_lock(&d->lock);
    d->open -= room;
    pthread_mutex_unlock(&d->lock);
}

void conn_wait_all(struct faultd *d)
{
    pthread_mutex_lock(&d->lock);
    while (d->open > 0)
        pthread_cond_wait(&d->idle, &d->lock);
    pthread_mutex_unlock(&d->lock);
}
