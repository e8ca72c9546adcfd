/* SPDX-License-Identifier: MIT */
#include "proxy/relay.h"

#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "proxy/http.h"

#define LINE_NAME_MAX 40

struct client {
    struct proxy *proxy;
    struct http_peer peer; /* fd is -1 once it is closed */
    uint64_t number;
    enum fault stale; /* what the next request will meet; FAULT_PASS: nothing yet */
};

/* One request and what became of it. */
struct exchange {
    struct proxy *p;
    struct client *client;
    struct http_message request, reply;
    bool post;
    uint64_t number; /* among the POSTs, or among the others */
    enum fault fault;
    double came; /* relay_now() */
    bool forwarded;
    int status; /* of the server's whole reply; 0: none */
};

double relay_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void wait_seconds(double seconds)
{
    struct timespec left = {.tv_sec = (time_t)seconds};
    left.tv_nsec = (long)((seconds - (double)left.tv_sec) * 1e9);
    while (nanosleep(&left, &left) < 0)
        continue;
}

/* ---- the log -------------------------------------------------------------------------------- */

/* The first word of the first content, as it was sent: how a test finds its line in the log. */
static void name_line(const struct http_message *request, char ret[LINE_NAME_MAX])
{
    static const char word[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    const char *body = request->raw.data + request->head_len;
    const char *form = strstr(body, "content="), *json = strstr(body, "\"content\":\"");
    const char *start = json ? json + 11 : form ? form + 8 : "";
    size_t len = strspn(start, word);
    snprintf(ret, LINE_NAME_MAX, "%.*s", (int)(len < LINE_NAME_MAX ? len : LINE_NAME_MAX), start);
}

static void note(const struct exchange *x, const char *what, double delay)
{
    struct proxy *p = x->p;
    const char *target = strchr(x->request.raw.data, ' ');
    char name[LINE_NAME_MAX];
    name_line(&x->request, name);
    target = target ? target + 1 : "";
    pthread_mutex_lock(&p->lock);
    if (p->log) {
        fprintf(p->log, "%.3f conn=%llu %s=%llu fault=%s forwarded=%d status=%d delay=%.3f ",
                x->came - p->started, (unsigned long long)x->client->number,
                x->post ? "post" : "get", (unsigned long long)x->number, what, x->forwarded,
                x->status, delay);
        fprintf(p->log, "line=%s target=%.*s\n", name, (int)strcspn(target, " \r\n"), target);
        fflush(p->log);
    }
    pthread_mutex_unlock(&p->lock);
}

/* ---- the server ----------------------------------------------------------------------------- */

/* Sends the request to the server and waits for the reply. */
static void forward(struct exchange *x)
{
    struct http_peer server = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
    struct timeval silence = {.tv_sec = RELAY_SILENCE_S};
    const struct sockaddr_in *to = &x->p->upstream;
    if (server.fd < 0)
        return;
    setsockopt(server.fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence));
    if (connect(server.fd, (const struct sockaddr *)to, sizeof(*to)) == 0) {
        x->forwarded = http_send(server.fd, view_bytes(&x->request.raw));
        if (x->forwarded &&
            http_read_reply(&server, http_has_method(&x->request, "HEAD"), &x->reply))
            x->status = http_status(&x->reply);
    }
    close(server.fd);
    bytes_release(&server.in);
}

/* ---- the client ----------------------------------------------------------------------------- */

static void close_client(struct client *c, bool reset)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (reset)
        setsockopt(c->peer.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(c->peer.fd);
    c->peer.fd = -1;
}

/* A reply of our own. False: the connection is over. */
static bool answer(struct exchange *x, int status, const char *reason, const char *body)
{
    struct bytes b = {0};
    bytes_addf(&b,
               "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
               status, reason, strlen(body), body);
    bool good = http_send(x->client->peer.fd, view_bytes(&b));
    bytes_release(&b);
    return good && !x->request.last;
}

static bool answer_error(struct exchange *x)
{
    static const int statuses[] = {500, 502, 503};
    static const char *const reasons[] = {"Internal Server Error", "Bad Gateway",
                                          "Service Unavailable"};
    uint64_t i = mix_draw(x->p->seed, DRAW_STATUS, x->number, 3);
    return answer(x, statuses[i], reasons[i], "{\"error\":\"the fault proxy says so\"}\n");
}

/* The server's reply, or the first `len` bytes of it. False: the connection is over. */
static bool pass_reply(struct exchange *x, size_t len)
{
    if (!x->status)
        return false;
    struct view part = {x->reply.raw.data, len < x->reply.raw.len ? len : x->reply.raw.len};
    return http_send(x->client->peer.fd, part) && part.len == x->reply.raw.len &&
           !x->request.last && !x->reply.last;
}

/* The client sees the connection end now; the server sees the request later. */
static void park(struct exchange *x)
{
    struct proxy *p = x->p;
    double most = p->park_max * 1000;
    double delay = (double)mix_draw(p->seed, DRAW_PARK, x->number, (uint64_t)most + 1) / 1000;
    pthread_mutex_lock(&p->lock);
    p->parked++;
    pthread_mutex_unlock(&p->lock);
    note(x, fault_name(x->fault), delay);
    close_client(x->client, x->fault == FAULT_PARK_RESET);
    wait_seconds(delay);
    forward(x);
    note(x, "unparked", relay_now() - x->came);
    pthread_mutex_lock(&p->lock);
    p->parked--;
    pthread_mutex_unlock(&p->lock);
}

/* How many bytes of the reply are sent before it is cut: at least one, never all. */
static size_t cut_length(const struct exchange *x)
{
    size_t len = x->reply.raw.len;
    return len < 2 ? 0 : 1 + (size_t)mix_draw(x->p->seed, DRAW_CUT, x->number, len - 1);
}

static size_t status_line_length(const struct exchange *x)
{
    const char *end = x->status ? strchr(x->reply.raw.data, '\n') : NULL;
    return end ? (size_t)(end - x->reply.raw.data) + 1 : 0;
}

/* ---- faults --------------------------------------------------------------------------------- */

/* False: the connection is over. */
static bool suffer(struct exchange *x)
{
    struct client *c = x->client;
    bool before = x->fault == FAULT_RESET_BEFORE || x->fault == FAULT_ERROR_BEFORE;
    if (x->fault == FAULT_PARK_RESET || x->fault == FAULT_PARK_CLOSE) {
        park(x);
        return false;
    }
    if (!before)
        forward(x);
    note(x, fault_name(x->fault), relay_now() - x->came);
    switch (x->fault) {
    case FAULT_RESET_BEFORE:
    case FAULT_FORWARD_RESET:
        close_client(c, true);
        return false;
    case FAULT_ERROR_BEFORE:
    case FAULT_ERROR_AFTER:
        return answer_error(x);
    case FAULT_FORWARD_HANG:
        wait_seconds(x->p->hang);
        return false;
    case FAULT_FORWARD_CUT:
        return pass_reply(x, cut_length(x));
    case FAULT_STATUS_ONLY:
        pass_reply(x, status_line_length(x));
        return false;
    case FAULT_STALE_FIN:
    case FAULT_STALE_RST:
        c->stale = x->fault;
        break;
    default:
        break;
    }
    return pass_reply(x, SIZE_MAX);
}

/* The connection was doomed by the request before. */
static bool strike(struct exchange *x)
{
    bool reset = x->client->stale == FAULT_STALE_RST;
    forward(x);
    note(x, reset ? "struck-rst" : "struck-fin", relay_now() - x->came);
    close_client(x->client, reset);
    return false;
}

static bool tell_parked(struct exchange *x)
{
    char text[32];
    pthread_mutex_lock(&x->p->lock);
    snprintf(text, sizeof(text), "%u\n", x->p->parked);
    pthread_mutex_unlock(&x->p->lock);
    return answer(x, 200, "OK", text);
}

/* Handles one request. False: the connection is over. */
static bool handle(struct exchange *x)
{
    struct proxy *p = x->p;
    if (http_has_target(&x->request, "/proxy/parked"))
        return tell_parked(x);
    x->post = http_has_method(&x->request, "POST");
    pthread_mutex_lock(&p->lock);
    x->number = x->post ? ++p->posts : ++p->gets;
    pthread_mutex_unlock(&p->lock);
    if (x->client->stale != FAULT_PASS)
        return strike(x);
    x->fault = x->post ? mix_post(&p->mix, p->seed, x->number)
                       : mix_get(p->get_faults, p->seed, x->number);
    return suffer(x);
}

/* ---- the thread ----------------------------------------------------------------------------- */

static void *serve(void *argument)
{
    struct client *c = argument;
    struct proxy *p = c->proxy;
    bool going = true;
    while (going) {
        struct exchange x = {.p = p, .client = c};
        going = http_read_request(&c->peer, &x.request);
        x.came = relay_now();
        going = going && handle(&x);
        bytes_release(&x.request.raw);
        bytes_release(&x.reply.raw);
    }
    if (c->peer.fd >= 0)
        close_client(c, false);
    bytes_release(&c->peer.in);
    free(c);
    pthread_mutex_lock(&p->lock);
    p->threads--;
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

void relay_start(struct proxy *p, int fd)
{
    int on = 1;
    struct client *c = bytes_alloc(NULL, sizeof(*c));
    *c = (struct client){.proxy = p, .peer.fd = fd};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    pthread_mutex_lock(&p->lock);
    bool room = p->threads < RELAY_THREADS;
    p->threads += room;
    c->number = ++p->connections;
    pthread_mutex_unlock(&p->lock);
    pthread_t thread;
    if (room && pthread_create(&thread, NULL, serve, c) == 0) {
        pthread_detach(thread);
        return;
    }
    close(fd);
    free(c);
    pthread_mutex_lock(&p->lock);
    p->threads -= room;
    pthread_mutex_unlock(&p->lock);
}

void relay_end(struct proxy *p)
{
    pthread_mutex_lock(&p->lock);
    if (p->log) {
        fprintf(p->log, "%.3f end dropped=%u\n", relay_now() - p->started, p->parked);
        fclose(p->log);
    }
}
