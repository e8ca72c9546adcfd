/* SPDX-License-Identifier: MIT */
#include "wire.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE     65536
#define DRIP_PAUSE_MS 1

/* Reads more into w->in. False: end of the connection, or of the program. */
static bool fill(struct wire *w)
{
    char piece[READ_SIZE];
    struct pollfd fds[2] = {{.fd = w->fd, .events = POLLIN}, {.fd = w->stop_fd, .events = POLLIN}};
    int n;
    do {
        n = poll(fds, 2, -1);
    } while (n < 0 && errno == EINTR);
    if (n < 0 || fds[1].revents)
        return false;
    ssize_t got = recv(w->fd, piece, sizeof(piece), 0);
    if (got <= 0)
        return false;
    bytes_add(&w->in, piece, (size_t)got);
    return true;
}

/* Drops what earlier requests have used. */
static void drop_used(struct wire *w)
{
    if (w->used)
        memmove(w->in.data, w->in.data + w->used, w->in.len - w->used);
    w->in.len -= w->used;
    w->used = 0;
}

/* Bytes up to the empty line, or 0 when it is not there yet. */
static size_t head_length(const struct bytes *in)
{
    for (size_t i = 3; i < in->len; i++)
        if (memcmp(in->data + i - 3, "\r\n\r\n", 4) == 0)
            return i + 1;
    return 0;
}

struct body_plan {
    size_t length;
    bool chunked;
    bool expects; /* 100-continue */
};

static void read_header(char *line, struct wire_request *r, struct body_plan *plan)
{
    char *colon = strchr(line, ':');
    if (!colon)
        return;
    *colon = '\0';
    char *value = colon + 1 + strspn(colon + 1, " \t");
    if (strcasecmp(line, "content-length") == 0)
        plan->length = (size_t)strtoull(value, NULL, 10);
    else if (strcasecmp(line, "transfer-encoding") == 0)
        plan->chunked = strcasecmp(value, "chunked") == 0;
    else if (strcasecmp(line, "expect") == 0)
        plan->expects = true;
    else if (strcasecmp(line, "connection") == 0)
        r->close = strcasecmp(value, "close") == 0;
    else if (strcasecmp(line, "content-type") == 0)
        r->form = strncasecmp(value, "application/x-www-form-urlencoded", 33) == 0;
    else if (strcasecmp(line, "authorization") == 0)
        r->authorization = value;
}

/* Takes the head apart in place. */
static bool parse_head(char *head, struct wire_request *r, struct body_plan *plan)
{
    char *rest = NULL;
    char *line = strtok_r(head, "\r\n", &rest);
    if (!line)
        return false;
    char *words = NULL;
    r->method = strtok_r(line, " ", &words);
    r->target = strtok_r(NULL, " ", &words);
    if (!r->method || !r->target)
        return false;
    while ((line = strtok_r(NULL, "\r\n", &rest)))
        read_header(line, r, plan);
    return plan->length <= WIRE_BODY_MAX;
}

/* Moves `length` bytes into the body. */
static bool take_body(struct wire *w, struct bytes *body, size_t length)
{
    if (body->len + length > WIRE_BODY_MAX)
        return false;
    while (w->in.len - w->used < length)
        if (!fill(w))
            return false;
    bytes_add(body, w->in.data + w->used, length);
    w->used += length;
    return true;
}

static bool take_chunks(struct wire *w, struct bytes *body)
{
    for (;;) {
        struct bytes line = {0};
        bool good = true;
        while (good && (line.len < 2 || memcmp(line.data + line.len - 2, "\r\n", 2) != 0))
            good = line.len < 64 && take_body(w, &line, 1);
        bytes_add(&line, "", 1);
        size_t size = good ? (size_t)strtoull(line.data, NULL, 16) : 0;
        bytes_release(&line);
        struct bytes end = {0};
        good = good && size <= WIRE_BODY_MAX && take_body(w, body, size) && take_body(w, &end, 2);
        bytes_release(&end);
        if (!good || size == 0)
            return good;
    }
}

bool wire_read(struct wire *w, struct wire_request *ret_request)
{
    *ret_request = (struct wire_request){.method = NULL};
    drop_used(w);
    size_t head;
    while ((head = head_length(&w->in)) == 0)
        if (w->in.len > WIRE_HEAD_MAX || !fill(w))
            return false;
    struct body_plan plan = {0};
    char *text = bytes_copy((struct view){w->in.data, head});
    w->used = head;
    bool good = parse_head(text, ret_request, &plan);
    if (good && plan.expects && (plan.chunked || plan.length > w->in.len - head))
        good = wire_send(w, view_of("HTTP/1.1 100 Continue\r\n\r\n"));
    if (good && plan.chunked)
        good = take_chunks(w, &ret_request->body);
    else if (good)
        good = take_body(w, &ret_request->body, plan.length);
    if (good) {
        /* The strings live as long as the request: behind the body's own bytes. */
        ptrdiff_t method = ret_request->method - text, target = ret_request->target - text;
        ptrdiff_t authorization =
            ret_request->authorization ? ret_request->authorization - text : -1;
        size_t body_len = ret_request->body.len;
        bytes_add(&ret_request->body, text, head + 1);
        char *base = ret_request->body.data + body_len;
        ret_request->body.len = body_len;
        ret_request->method = base + method;
        ret_request->target = base + target;
        ret_request->authorization = authorization < 0 ? NULL : base + authorization;
    }
    free(text);
    return good;
}

void wire_reset(struct wire *w)
{
    w->chunked = false;
    w->sent = 0;
    w->cut_at = w->stall_at = -1;
    w->stall_ms = w->drip = 0;
}

/* A client that does not read must not keep the program from ending: no blocking send. */
static bool send_raw(struct wire *w, const char *data, size_t len)
{
    while (len > 0) {
        struct pollfd fds[2] = {{.fd = w->fd, .events = POLLOUT},
                                {.fd = w->stop_fd, .events = POLLIN}};
        int ready = poll(fds, 2, -1);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready < 0 || fds[1].revents)
            return false;
        ssize_t n = send(w->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n <= 0)
            return false;
        data += n;
        len -= (size_t)n;
        w->sent += n;
    }
    return true;
}

/* How many of `len` bytes may go now, before a cut, a stall or the end of a drip. */
static size_t allowed(const struct wire *w, size_t len)
{
    if (w->cut_at >= 0 && (int64_t)len > w->cut_at - w->sent)
        len = (size_t)(w->cut_at - w->sent);
    if (w->stall_at > w->sent && (int64_t)len > w->stall_at - w->sent)
        len = (size_t)(w->stall_at - w->sent);
    if (w->drip > 0 && (int64_t)len > w->drip)
        len = (size_t)w->drip;
    return len;
}

bool wire_send(struct wire *w, struct view data)
{
    while (data.len > 0) {
        if (w->stall_at >= 0 && w->sent >= w->stall_at) {
            w->stall_at = -1;
            if (!wire_pause(w, w->stall_ms))
                return false;
        }
        if (w->cut_at >= 0 && w->sent >= w->cut_at)
            return false;
        size_t n = allowed(w, data.len);
        if (!send_raw(w, data.data, n))
            return false;
        data.data += n;
        data.len -= n;
        if (w->drip > 0 && !wire_pause(w, DRIP_PAUSE_MS))
            return false;
    }
    return true;
}

bool wire_send_body(struct wire *w, struct view data)
{
    if (!w->chunked)
        return wire_send(w, data);
    struct bytes framed = {0};
    bytes_addf(&framed, "%zx\r\n", data.len);
    /* What frames the body does not count for a cut or a stall of the body. */
    if (w->cut_at >= 0)
        w->cut_at += (int64_t)framed.len;
    if (w->stall_at >= 0)
        w->stall_at += (int64_t)framed.len;
    bytes_add_view(&framed, data);
    bool good = wire_send(w, view_bytes(&framed));
    bytes_release(&framed);
    if (good && w->cut_at >= 0)
        w->cut_at += 2;
    if (good && w->stall_at >= 0)
        w->stall_at += 2;
    return good && (w->cut_at < 0 || w->cut_at > w->sent + 2) && wire_send(w, view_of("\r\n"));
}

bool wire_send_body_end(struct wire *w)
{
    if (w->cut_at >= 0)
        return false;
    return !w->chunked || wire_send(w, view_of("0\r\n\r\n"));
}

bool wire_pause(const struct wire *w, int64_t ms)
{
    struct pollfd fds[2] = {{.fd = w->stop_fd, .events = POLLIN},
                            {.fd = w->release_fd, .events = POLLIN}};
    int n;
    do {
        n = poll(fds, ms == WIRE_HELD ? 2 : 1, (int)ms);
    } while (n < 0 && errno == EINTR);
    return n == 0 || (n > 0 && !fds[0].revents);
}

void wire_hang(const struct wire *w)
{
    char piece[READ_SIZE];
    struct pollfd fds[2] = {{.fd = w->fd, .events = POLLIN}, {.fd = w->stop_fd, .events = POLLIN}};
    for (;;) {
        int n = poll(fds, 2, -1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || fds[1].revents || recv(w->fd, piece, sizeof(piece), 0) <= 0)
            return;
    }
}

void wire_arm_reset(const struct wire *w)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}
