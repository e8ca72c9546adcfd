/* SPDX-License-Identifier: MIT */
#include "crowd/talk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/load.h"

#define ROOM_MIN 16384u

void talk_init(struct talk *t, int epoll, void *owner)
{
    *t = (struct talk){.epoll = epoll, .fd = -1, .owner = owner};
}

void talk_close(struct talk *t)
{
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
}

static bool connect_to(struct talk *t, int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((in_port_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = t->owner};
    int on = 1;
    t->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (t->fd < 0)
        load_fail("crowd: no socket: %s", strerror(errno));
    setsockopt(t->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(t->fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
        epoll_ctl(t->epoll, EPOLL_CTL_ADD, t->fd, &event) == 0)
        return true;
    talk_close(t);
    return false;
}

bool talk_send(struct talk *t, int port, const char *request, size_t len)
{
    t->len = 0;
    if (t->fd < 0 && !connect_to(t, port))
        return false;
    while (len > 0) {
        ssize_t n = send(t->fd, request, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            talk_close(t);
            return false;
        }
        request += n;
        len -= (size_t)n;
    }
    return true;
}

static void make_room(struct talk *t)
{
    if (t->size - t->len > ROOM_MIN)
        return;
    t->size = t->size ? 2 * t->size : 2 * ROOM_MIN;
    t->in = realloc(t->in, t->size);
    if (!t->in)
        load_fail("crowd: no memory");
}

/* A long reply comes in chunks, each behind its length in hexadecimal; JSON has no line ends, so
 * this is the last one. */
static bool is_last_chunk(const struct talk *t)
{
    static const char last[] = "\r\n0\r\n\r\n";
    size_t len = sizeof(last) - 1;
    return t->len >= len && memcmp(t->in + t->len - len, last, len) == 0;
}

static void join_chunks(struct talk *t, char *body)
{
    char *to = body, *at = body, *text;
    size_t n;
    while ((n = strtoul(at, &text, 16)) > 0) {
        text += 2;
        if (n > (size_t)(t->in + t->len - text))
            load_fail("crowd: a reply with a wrong chunk");
        memmove(to, text, n);
        to += n;
        at = text + n + 2;
    }
    *to = '\0';
    t->len = (size_t)(to - t->in);
}

static bool is_complete(struct talk *t)
{
    char *end = strstr(t->in, "\r\n\r\n");
    const char *chunked = end ? strstr(t->in, "\r\nTransfer-Encoding: chunked") : NULL;
    if (!chunked || chunked > end)
        return load_reply_len(t->in) > 0;
    if (!is_last_chunk(t))
        return false;
    join_chunks(t, end + 4);
    return true;
}

enum talk_state talk_receive(struct talk *t)
{
    make_room(t);
    ssize_t n = recv(t->fd, t->in + t->len, t->size - t->len - 1, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return TALK_PART;
    if (n <= 0) {
        talk_close(t);
        return TALK_LOST;
    }
    t->len += (size_t)n;
    t->in[t->len] = '\0';
    return is_complete(t) ? TALK_REPLY : TALK_PART;
}

int talk_status(const struct talk *t)
{
    static const char version[] = "HTTP/1.1 ";
    return strncmp(t->in, version, sizeof(version) - 1) == 0 ? atoi(t->in + sizeof(version) - 1)
                                                             : 0;
}

const char *talk_body(const struct talk *t)
{
    return strstr(t->in, "\r\n\r\n") + 4;
}
