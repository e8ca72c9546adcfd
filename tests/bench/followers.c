/* SPDX-License-Identifier: MIT */
/*
 * followers: many followers of one channel of one chancatd, as chancat follows: a first GET, then
 * long polls one after the other, each over a connection of its own.
 *
 *   followers PORT PID CHANNEL COUNT MESSAGES SECS
 *
 * PID is the server's. Prints
 *
 *   followers N            fewer than COUNT when the limit of open files is too low
 *   memory KIB             how much the server grew for each of them (resident memory, without the
 *                          kernel's)
 *   idle PERCENT           of one processor that the server used in SECS seconds in which nothing
 *                          happened; /proc counts it in steps of 10 ms
 *   fanout P50 P99 MOST    of each of MESSAGES messages: milliseconds from before its POST was sent
 *                          until a follower had it
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/load.h"

#define REPLY_MAX  2048
#define OPENING    128 /* connections at a time on their way into the server's queue */
#define SPARE_FDS  64
#define QUIET_MS   500 /* a server that used no CPU for so long has nothing left to do */
#define EVENTS_MAX 512

struct follower {
    int fd;
    bool waits; /* its first GET is answered */
    long last;
    size_t len;
    char data[REPLY_MAX];
};

static struct follower *followers;
static long count, opened, answered;
static const char *channel;
static int port, events;
static double *arrived; /* when each follower had the message */

static void raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        load_fail("followers: %s", strerror(errno));
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < (rlim_t)count + SPARE_FDS)
        count = (long)limit.rlim_cur - SPARE_FDS;
    if (count < 1)
        load_fail("followers: the limit of open files is too low");
}

static void ask(struct follower *f)
{
    char request[300];
    int n = snprintf(request, sizeof(request),
                     "GET /get?channel=%s&last=%ld%s HTTP/1.1\r\nHost: bench\r\n\r\n", channel,
                     f->last, f->waits ? "&limit=1000&wait=25" : "");
    f->len = 0;
    load_send(f->fd, request, (size_t)n);
}

/* A whole reply: the answer to the first GET, a message, or nothing new. */
static void take_reply(struct follower *f, double now)
{
    if (strncmp(f->data, "HTTP/1.1 200 ", 13) != 0)
        load_fail("followers: the server refuses: %.60s", f->data);
    const char *id = strstr(f->data, "\"id\":");
    if (id) {
        f->last = strtol(id + 5, NULL, 10);
        if (f->waits) {
            arrived[f - followers] = now;
            answered++;
        }
    }
    opened += !f->waits;
    f->waits = true;
    ask(f);
}

/* Handles what has come; waits for it up to `ms`. */
static void turn(int ms)
{
    static struct epoll_event got[EVENTS_MAX];
    int n = epoll_wait(events, got, EVENTS_MAX, ms);
    for (int i = 0; i < n; i++) {
        struct follower *f = got[i].data.ptr;
        ssize_t r = recv(f->fd, f->data + f->len, REPLY_MAX - 1 - f->len, MSG_DONTWAIT);
        if (r <= 0)
            load_fail("followers: the server closes: %s", r ? strerror(errno) : "the end");
        f->len += (size_t)r;
        f->data[f->len] = '\0';
        if (load_reply_len(f->data) > 0)
            take_reply(f, load_now_ms());
    }
}

static void open_all(void)
{
    double until = load_now_ms() + LOAD_WAIT_MS;
    for (long i = 0; opened < count;) {
        for (; i < count && i - opened < OPENING; i++) {
            struct follower *f = &followers[i];
            f->fd = load_connect(port, 0);
            struct epoll_event event = {.events = EPOLLIN, .data.ptr = f};
            if (epoll_ctl(events, EPOLL_CTL_ADD, f->fd, &event))
                load_fail("followers: %s", strerror(errno));
            ask(f);
        }
        turn(100);
        if (load_now_ms() > until)
            load_fail("followers: only %ld of %ld are connected", opened, count);
    }
}

/* Until the server has taken all requests and sleeps. */
static void settle(pid_t server)
{
    double until = load_now_ms() + LOAD_WAIT_MS, since = load_now_ms(), cpu = load_cpu_ms(server);
    while (load_now_ms() - since < QUIET_MS) {
        turn(50);
        double now_used = load_cpu_ms(server);
        if (now_used > cpu)
            since = load_now_ms();
        cpu = now_used;
        if (load_now_ms() > until)
            load_fail("followers: the server does not come to rest");
    }
}

static double idle_percent(pid_t server, long seconds)
{
    double cpu = load_cpu_ms(server), began = load_now_ms(), left;
    while ((left = began + (double)seconds * 1e3 - load_now_ms()) > 0)
        turn((int)left + 1);
    return (load_cpu_ms(server) - cpu) / (load_now_ms() - began) * 100;
}

static void send_to_all(int fd, long number)
{
    char reply[REPLY_MAX];
    size_t len = 0;
    double sent = load_now_ms();
    answered = 0;
    load_post(fd, channel, number);
    while (answered < count) {
        turn(100);
        if (load_now_ms() - sent > LOAD_WAIT_MS)
            load_fail("followers: only %ld of %ld had message %ld", answered, count, number);
    }
    do {
        ssize_t n = recv(fd, reply + len, sizeof(reply) - 1 - len, 0);
        if (n <= 0)
            load_fail("followers: no reply to the POST");
        len += (size_t)n;
        reply[len] = '\0';
    } while (load_reply_len(reply) == 0);
    for (long i = 0; i < count; i++)
        arrived[i] -= sent;
    load_print("fanout", arrived, (size_t)count);
}

int main(int argc, char **argv)
{
    if (argc != 7)
        load_fail("usage: followers PORT PID CHANNEL COUNT MESSAGES SECS");
    port = (int)load_number(argv[1], 1, 65535);
    pid_t server = (pid_t)load_number(argv[2], 1, 1L << 30);
    channel = argv[3];
    count = load_number(argv[4], 1, 1000000);
    raise_limit();
    followers = calloc((size_t)count, sizeof(*followers));
    arrived = calloc((size_t)count, sizeof(*arrived));
    events = epoll_create1(EPOLL_CLOEXEC);
    if (!followers || !arrived || events < 0)
        load_fail("followers: no memory");
    int poster = load_connect(port, 0);
    long before = load_resident_kib(server);
    open_all();
    settle(server);
    printf("followers %ld\n", count);
    printf("memory %.2f\n", (double)(load_resident_kib(server) - before) / (double)count);
    printf("idle %.3f\n", idle_percent(server, load_number(argv[6], 1, 20)));
    for (long i = 1; i <= load_number(argv[5], 1, 1000); i++) {
        send_to_all(poster, i);
        settle(server);
    }
    return 0;
}
