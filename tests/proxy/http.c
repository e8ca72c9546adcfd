/* SPDX-License-Identifier: MIT */
#include "proxy/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define READ_SIZE 65536

/* ---- bytes ---------------------------------------------------------------------------------- */

/* Reads more. False: the end of the connection. */
static bool fill(struct http_peer *peer)
{
    char piece[READ_SIZE];
    ssize_t n;
    do {
        n = recv(peer->fd, piece, sizeof(piece), 0);
    } while (n < 0 && errno == EINTR);
    if (n <= 0)
        return false;
    bytes_add(&peer->in, piece, (size_t)n);
    return true;
}

/* Moves n bytes that were read to the message. */
static void take(struct http_peer *peer, struct bytes *to, size_t n)
{
    if (n == 0)
        return;
    bytes_add(to, peer->in.data, n);
    peer->in.len -= n;
    memmove(peer->in.data, peer->in.data + n, peer->in.len);
}

static bool move_bytes(struct http_peer *peer, struct bytes *to, size_t n)
{
    while (n > 0) {
        if (peer->in.len == 0 && !fill(peer))
            return false;
        size_t part = n < peer->in.len ? n : peer->in.len;
        take(peer, to, part);
        n -= part;
    }
    return true;
}

/* Moves a line with its LF; *ret_start is where it begins in `to`. */
static bool move_line(struct http_peer *peer, struct bytes *to, size_t *ret_start)
{
    const char *end;
    *ret_start = to->len;
    while (peer->in.len == 0 || !(end = memchr(peer->in.data, '\n', peer->in.len)))
        if (peer->in.len > HTTP_HEAD_MAX || !fill(peer))
            return false;
    take(peer, to, (size_t)(end - peer->in.data) + 1);
    return true;
}

static bool is_empty_line(const struct bytes *b, size_t start)
{
    return b->len - start == 2 && b->data[start] == '\r';
}

/* Moves lines up to and with the empty one. */
static bool move_lines(struct http_peer *peer, struct bytes *to)
{
    size_t begin = to->len, start;
    do {
        if (to->len - begin > HTTP_HEAD_MAX || !move_line(peer, to, &start))
            return false;
    } while (!is_empty_line(to, start));
    return true;
}

static bool move_chunks(struct http_peer *peer, struct bytes *to)
{
    for (;;) {
        size_t start;
        if (!move_line(peer, to, &start))
            return false;
        size_t size = (size_t)strtoull(to->data + start, NULL, 16);
        if (size == 0)
            return move_lines(peer, to);
        if (size > BYTES_MAX || !move_bytes(peer, to, size + 2))
            return false;
    }
}

/* ---- heads ---------------------------------------------------------------------------------- */

static void terminate(struct bytes *b)
{
    bytes_add(b, "", 1);
    b->len--;
}

/* The value of a header line, up to the end of the line; NULL when there is none. */
static const char *header(const struct http_message *m, const char *name)
{
    size_t n = strlen(name);
    for (const char *line = m->raw.data; (line = strchr(line, '\n')) && line[1] != '\r';) {
        line++;
        if (strncasecmp(line, name, n) == 0 && line[n] == ':')
            return line + n + 1 + strspn(line + n + 1, " \t");
    }
    return NULL;
}

static bool header_is(const struct http_message *m, const char *name, const char *value)
{
    const char *found = header(m, name);
    return found && strncasecmp(found, value, strlen(value)) == 0;
}

static bool read_head(struct http_peer *peer, struct http_message *ret)
{
    *ret = (struct http_message){.head_len = 0};
    bool good = move_lines(peer, &ret->raw);
    ret->head_len = ret->raw.len;
    terminate(&ret->raw);
    ret->last = header_is(ret, "connection", "close");
    return good;
}

bool http_read_request(struct http_peer *peer, struct http_message *ret)
{
    if (!read_head(peer, ret))
        return false;
    const char *length = header(ret, "content-length");
    bool chunked = header_is(ret, "transfer-encoding", "chunked");
    bool good = chunked ? move_chunks(peer, &ret->raw)
                        : move_bytes(peer, &ret->raw, length ? (size_t)atoll(length) : 0);
    terminate(&ret->raw);
    return good;
}

bool http_read_reply(struct http_peer *peer, bool no_body, struct http_message *ret)
{
    int status;
    *ret = (struct http_message){.head_len = 0};
    do {
        bytes_release(&ret->raw);
        if (!read_head(peer, ret))
            return false;
        status = http_status(ret);
    } while (status >= 100 && status < 200);
    const char *length = header(ret, "content-length");
    bool good = true;
    if (no_body || status == 204 || status == 304) {
        good = true;
    } else if (header_is(ret, "transfer-encoding", "chunked")) {
        good = move_chunks(peer, &ret->raw);
    } else if (length) {
        good = move_bytes(peer, &ret->raw, (size_t)atoll(length));
    } else {
        ret->last = true;
        do {
            take(peer, &ret->raw, peer->in.len);
        } while (fill(peer));
    }
    terminate(&ret->raw);
    return good;
}

int http_status(const struct http_message *reply)
{
    return reply->raw.len > 9 && memcmp(reply->raw.data, "HTTP/1.", 7) == 0
               ? atoi(reply->raw.data + 9)
               : 0;
}

bool http_has_method(const struct http_message *request, const char *method)
{
    size_t n = strlen(method);
    return strncmp(request->raw.data, method, n) == 0 && request->raw.data[n] == ' ';
}

bool http_has_target(const struct http_message *request, const char *target)
{
    const char *space = strchr(request->raw.data, ' ');
    size_t n = strlen(target);
    return space && strncmp(space + 1, target, n) == 0 && space[1 + n] == ' ';
}

bool http_send(int fd, struct view data)
{
    while (data.len > 0) {
        ssize_t n = send(fd, data.data, data.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data.data += n;
        data.len -= (size_t)n;
    }
    return true;
}
