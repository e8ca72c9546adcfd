/* SPDX-License-Identifier: MIT */
/*
 * delay: a long line to a server nearby.
 *
 *   delay PORT MS
 *
 * Listens on 127.0.0.1, a free port, says `delay: listening on URL` on stderr, and passes bytes on
 * to and from 127.0.0.1:PORT, each MS milliseconds (and up to one more) after it came. Nothing
 * waits for anything else: any number of bytes can be under way, as on a real link of great
 * bandwidth. The first bytes of a connection arrive a round trip later, for the handshake that
 * loopback does at once.
 *
 * Limits: 256 connections; WINDOW bytes under way in each direction of each of them, and then the
 * sender has to wait. It serves until it is killed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/load.h"

#define LINKS_MAX 256
#define PIECE     65536
#define WINDOW    ((size_t)8 << 20)

struct piece {
    struct piece *next;
    double due;
    size_t len, sent; /* len 0: the end */
    char data[];
};

/* One direction. */
struct way {
    int from, to;
    struct piece *first, **last;
    size_t held;
    bool read_all, sent_all;
};

struct link {
    struct way ways[2];
    double began;
};

static double delay_ms;
static struct link *links[LINKS_MAX];
static size_t count;

static void append(struct way *w, double began, const char *data, size_t len)
{
    struct piece *p = malloc(sizeof(*p) + len);
    if (!p)
        load_fail("delay: no memory");
    double now = load_now_ms(), ready = began + 2 * delay_ms;
    *p = (struct piece){.due = (now > ready ? now : ready) + delay_ms, .len = len};
    if (len > 0)
        memcpy(p->data, data, len);
    *w->last = p;
    w->last = &p->next;
    w->held += len;
}

static void take(struct way *w, double began)
{
    static char data[PIECE];
    ssize_t n = recv(w->from, data, sizeof(data), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    w->read_all = n <= 0;
    append(w, began, data, n > 0 ? (size_t)n : 0);
}

static void drop_first(struct way *w)
{
    struct piece *p = w->first;
    w->first = p->next;
    if (!w->first)
        w->last = &w->first;
    w->held -= p->len;
    free(p);
}

/* Sends what is due. */
static void give(struct way *w, double now)
{
    while (w->first && w->first->due <= now) {
        struct piece *p = w->first;
        ssize_t n = p->len == 0 ? 0
                                : send(w->to, p->data + p->sent, p->len - p->sent,
                                       MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n > 0)
            p->sent += (size_t)n;
        if (p->len == 0 || n < 0) {
            shutdown(w->to, SHUT_WR);
            w->sent_all = true;
        }
        if (n < 0 || p->sent == p->len)
            drop_first(w);
    }
}

static void prepare(struct way *w, int from, int to)
{
    int on = 1;
    setsockopt(to, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    w->from = from;
    w->to = to;
    w->last = &w->first;
}

static void add_link(int listener, int port)
{
    int client = accept(listener, NULL, NULL);
    if (client < 0)
        return;
    struct link *l = count < LINKS_MAX ? calloc(1, sizeof(*l)) : NULL;
    if (!l)
        load_fail("delay: too many connections");
    int server = load_connect(port, 0);
    prepare(&l->ways[0], client, server);
    prepare(&l->ways[1], server, client);
    l->began = load_now_ms();
    links[count++] = l;
}

static void remove_link(size_t i)
{
    struct link *l = links[i];
    for (int k = 0; k < 2; k++) {
        while (l->ways[k].first)
            drop_first(&l->ways[k]);
        close(l->ways[k].from);
    }
    free(l);
    links[i] = links[--count];
}

/* Watches both ends of the links. When the next piece is due that is not due already; 0: none. */
static double watch(struct pollfd *fds, double now)
{
    double next = 0;
    for (size_t i = 0; i < count; i++) {
        for (int k = 0; k < 2; k++) {
            struct way *w = &links[i]->ways[k];
            bool due = w->first && w->first->due <= now; /* and could not be sent */
            fds[2 * i + (size_t)k] = (struct pollfd){.fd = w->from};
            if (!w->read_all && w->held < WINDOW)
                fds[2 * i + (size_t)k].events = POLLIN;
            if (w->first && !due && (next == 0 || w->first->due < next))
                next = w->first->due;
        }
        for (int k = 0; k < 2; k++) {
            struct way *w = &links[i]->ways[k];
            if (w->first && w->first->due <= now)
                fds[2 * i + (size_t)(1 - k)].events |= POLLOUT;
        }
        for (int k = 0; k < 2; k++)
            if (fds[2 * i + (size_t)k].events == 0)
                fds[2 * i + (size_t)k].fd = -1; /* or its end would be told again and again */
    }
    return next;
}

static void serve(int listener, int port)
{
    static struct pollfd fds[2 * LINKS_MAX + 1];
    for (;;) {
        double now = load_now_ms(), next = watch(fds, now);
        int left = next > 0 ? (int)(next - now) + 1 : -1;
        size_t watched = count;
        fds[2 * count] = (struct pollfd){.fd = listener, .events = POLLIN};
        int n = poll(fds, 2 * count + 1, left);
        if (n < 0 && errno != EINTR)
            load_fail("delay: %s", strerror(errno));
        now = load_now_ms();
        for (size_t i = watched; n >= 0 && i-- > 0;) {
            struct link *l = links[i];
            for (int k = 0; k < 2; k++) {
                if (fds[2 * i + (size_t)k].revents & ~POLLOUT && !l->ways[k].read_all)
                    take(&l->ways[k], l->began);
                give(&l->ways[k], now);
            }
            if (l->ways[0].sent_all && l->ways[1].sent_all)
                remove_link(i);
        }
        if (n > 0 && fds[2 * watched].revents)
            add_link(listener, port);
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    if (argc != 3)
        load_fail("usage: delay PORT MS");
    int port = (int)load_number(argv[1], 1, 65535), fd = socket(AF_INET, SOCK_STREAM, 0);
    delay_ms = (double)load_number(argv[2], 0, 60000);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) || listen(fd, LINKS_MAX) ||
        getsockname(fd, (struct sockaddr *)&address, &len))
        load_fail("delay: cannot listen: %s", strerror(errno));
    fprintf(stderr, "delay: listening on http://127.0.0.1:%d\n", ntohs(address.sin_port));
    serve(fd, port);
}
