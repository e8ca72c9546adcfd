/* SPDX-License-Identifier: MIT */
/*
 * The server on a real socket, with short limits: what a stranger may not do.
 */
#include "unit.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "server/routes.h"

#define LIMIT_MS    700
#define PATIENCE_MS 30000 /* only what is broken takes so long */
#define FORM_HEADER "Content-Type: application/x-www-form-urlencoded\r\n"

struct fixture {
    struct routes *routes;
    struct api api;
    struct keys keys;
    struct latest latest;
    struct health health;
    struct metrics metrics;
    struct listener listener;
    int manager; /* its descriptor of the socket; -1: none */
    int port;
};

static int start(void **state, int64_t limit_ms, bool inherited)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct routes_config config = {
        .max_connections = 50, .header_ms = limit_ms, .body_ms = limit_ms, .hurry_fd = -1};
    if (!f)
        return -1;
    keys_init(&f->keys);
    f->api.keys = &f->keys;
    latest_init(&f->latest);
    f->api.latest = &f->latest;
    metrics_init(&f->metrics, "1", "3");
    f->api.metrics = &f->metrics;
    f->api.health = &f->health;
    if (routes_new(&config, &f->routes, NULL))
        return -1;
    health_init(&f->health, routes_on_message, f->routes);
    if (listen_open(&f->listener, "127.0.0.1:0", NULL))
        return -1;
    f->listener.inherited = inherited;
    f->manager = inherited ? dup(f->listener.fd) : -1;
    if (store_open(":memory:", routes_on_message, f->routes, &f->api.store, NULL) ||
        routes_start(f->routes, &f->api, &f->listener, NULL))
        return -1;
    f->port = atoi(strrchr(f->listener.url, ':') + 1);
    *state = f;
    return 0;
}

static int set_up(void **state)
{
    return start(state, LIMIT_MS, false);
}

/* For what is not about time limits. */
static int set_up_patient(void **state)
{
    return start(state, PATIENCE_MS * 2, false);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    routes_stop(f->routes);
    store_close(f->api.store);
    routes_free(f->routes);
    listen_close(&f->listener);
    if (f->manager >= 0)
        close(f->manager);
    keys_destroy(&f->keys);
    latest_destroy(&f->latest);
    health_destroy(&f->health);
    free(f);
    return 0;
}

static int dial(const struct fixture *f)
{
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons((uint16_t)f->port)};
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&where, sizeof(where)), 0);
    return fd;
}

static void send_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        assert_true(n > 0);
        bytes += n;
        len -= (size_t)n;
    }
}

static void say(int fd, const char *text)
{
    send_all(fd, text, strlen(text));
}

/* Reads until the reply holds `part` or the connection ends. True: it came. */
static bool hear(int fd, const char *part)
{
    char got[8192] = "";
    size_t len = 0;
    int64_t deadline = clock_deadline(PATIENCE_MS);
    while (!strstr(got, part)) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        assert_true(poll(&p, 1, clock_left_ms(deadline)) > 0);
        ssize_t n = recv(fd, got + len, sizeof(got) - 1 - len, 0);
        if (n <= 0)
            return false;
        len += (size_t)n;
        got[len] = '\0';
    }
    return true;
}

/* Sends a byte now and then, so that the connection is never idle. True: it was closed. */
static bool drip_until_closed(int fd)
{
    int64_t deadline = clock_deadline(PATIENCE_MS);
    while (clock_left_ms(deadline) > 0) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, LIMIT_MS / 10) > 0)
            return true;
        if (send(fd, "x", 1, MSG_NOSIGNAL) != 1)
            return true;
    }
    return false;
}

static void a_slow_header_is_cut_off(void **state)
{
    int fd = dial(*state);
    say(fd, "GET /get?channel=t HTTP/1.1\r\nHost: x\r\nX-Slow: ");
    assert_true(drip_until_closed(fd));
    close(fd);
}

static void a_slow_body_is_cut_off(void **state)
{
    int fd = dial(*state);
    say(fd, "POST /send HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n\r\nchannel=t&content=");
    assert_true(drip_until_closed(fd));
    close(fd);
}

static void an_idle_connection_is_closed_and_a_waiting_one_is_not(void **state)
{
    int idle = dial(*state);
    bool heard = false;
    assert_false(hear(idle, "never"));
    close(idle);
    for (int i = 0; i < 3 && !heard; i++) { /* we may be too slow to ask in time, once */
        int waiting = dial(*state);
        say(waiting, "GET /get?channel=t&wait=2 HTTP/1.1\r\nHost: x\r\n\r\n");
        heard = hear(waiting, "[]"); /* after more than twice the limit */
        close(waiting);
    }
    assert_true(heard);
}

static void post(const struct fixture *f)
{
    int fd = dial(f);
    say(fd, "POST /send HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\n" FORM_HEADER
            "\r\nchannel=t&sender=me&content=ha");
    assert_true(hear(fd, "\"content\":\"ha\""));
    close(fd);
}

/* Sends a keyed POST and waits for `part` of the reply. */
static void post_keyed(const struct fixture *f, const char *form, const char *part)
{
    char request[512];
    int fd = dial(f);
    snprintf(request, sizeof(request),
             "POST /send HTTP/1.1\r\nHost: x\r\nIdempotency-Key:  k1 \r\nContent-Length: "
             "%zu\r\n" FORM_HEADER "\r\n%s",
             strlen(form), form);
    say(fd, request);
    assert_true(hear(fd, part));
    close(fd);
}

static void the_headers_of_the_extras_are_sent(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {
        "\r\nChancat-Features: wait, limit, keys, batch, minimal\r\n",
        "\r\nChancat-Last-Id: 0\r\n",
    };
    for (size_t i = 0; i < COUNT(replies); i++) {
        int fd = dial(f);
        say(fd, "GET /get?channel=none HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_true(hear(fd, replies[i]));
        close(fd);
    }
    post_keyed(f, "channel=t&sender=me&content=ha", "\"id\":1,");
    post_keyed(f, "channel=t&sender=me&content=ha", "\r\nIdempotency-Replayed: true\r\n");
    post_keyed(f, "channel=t&sender=me&content=ha", "\"id\":1,");
    post_keyed(f, "channel=t&sender=me&content=ho", "HTTP/1.1 422 ");
    int batch = dial(f);
    say(batch, "POST /batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
               "prefer: return=minimal\r\nContent-Length: 42\r\n\r\n"
               "{\"channel\":\"b\",\"sender\":\"s\",\"content\":\"x\"}");
    assert_true(hear(batch, "\r\nPreference-Applied: return=minimal\r\n"));
    close(batch);
    int held = dial(f);
    say(held, "GET /get?channel=t&last=1&wait=1 HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(hear(held, "\r\nChancat-Last-Id: 1\r\n"));
    close(held);
}

static void a_plain_server_sends_none_of_them(void **state)
{
    struct fixture *f = *state;
    f->api.plain = true; /* no request is in work */
    int fd = dial(f);
    say(fd, "GET /get?channel=none&wait=20 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_false(hear(fd, "Chancat-"));
    close(fd);
}

static void a_message_wakes_a_waiting_request(void **state)
{
    int waiting = dial(*state);
    say(waiting, "GET /get?channel=t&wait=25 HTTP/1.1\r\nHost: x\r\n\r\n");
    post(*state);
    assert_true(hear(waiting, "\"content\":\"ha\""));
    close(waiting);
}

static void a_message_that_is_known_does_not(void **state)
{
    int waiting = dial(*state);
    int64_t before = clock_now_ms();
    say(waiting, "GET /get?channel=t&last=1000&wait=2 HTTP/1.1\r\nHost: x\r\n\r\n");
    post(*state);
    assert_true(hear(waiting, "[]"));
    assert_true(clock_now_ms() - before >= 1900);
    close(waiting);
}

/* Whoever sends all of a body that is too large sees the answer, whoever asks first at once. */
static void a_body_that_is_too_large_is_told(void **state)
{
    static const char *const framings[] = {
        "Content-Length: 10000001\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n989681\r\n", /* the same number */
    };
    size_t len = API_BODY_MAX + 1;
    char *body = malloc(len);
    assert_non_null(body);
    memset(body, 'x', len);
    for (size_t i = 0; i < COUNT(framings); i++) {
        int fd = dial(*state);
        say(fd, "POST /send HTTP/1.1\r\nHost: x\r\n" FORM_HEADER);
        say(fd, framings[i]);
        send_all(fd, body, len);
        if (i == 1)
            say(fd, "\r\n0\r\n\r\n");
        assert_true(hear(fd, "HTTP/1.1 413 "));
        assert_false(hear(fd, "never")); /* and that was the end */
        close(fd);
    }
    free(body);
    static const char *const asking[] = {
        "POST /send HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: "
        "10000001\r\n\r\n",
        "POST /send HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n\r\n",
        "POST /batch?x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: "
        "1048577\r\n\r\n",
    };
    for (size_t i = 0; i < COUNT(asking); i++) {
        int fd = dial(*state);
        say(fd, asking[i]);
        assert_true(hear(fd, "HTTP/1.1 413 "));
        close(fd);
    }
    post(*state); /* and the server lives */
}

/* Who is told that the server is sick takes it away; one that is only busy must stay. */
static void health_is_told_when_there_is_no_room_for_others(void **state)
{
    enum { READERS = 6 };
    int fds[READERS], fd = dial(*state);
    size_t len = API_BODY_MAX - 100;
    char *text = malloc(len);
    assert_non_null(text);
    memset(text, '\001', len); /* six bytes each in a reply, which nobody reads */
    say(fd, "POST /send HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" FORM_HEADER
            "\r\n1b\r\nchannel=t&sender=s&content=\r\n98961c\r\n");
    send_all(fd, text, len);
    free(text);
    say(fd, "\r\n0\r\n\r\n");
    assert_true(hear(fd, "HTTP/1.1 200 "));
    close(fd);
    for (size_t i = 0; i < READERS; i++) {
        fds[i] = dial(*state);
        say(fds[i], "GET /get?channel=t HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_true(hear(fds[i], "HTTP/1.1 "));
    }
    fd = dial(*state);
    say(fd, "GET /get?channel=u HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(hear(fd, "HTTP/1.1 429 "));
    say(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nxx");
    assert_true(hear(fd, "{\"status\":\"ok\"}"));
    close(fd);
    for (size_t i = 0; i < READERS; i++)
        close(fds[i]);
}

static void a_header_that_is_too_large_is_refused(void **state)
{
    static char long_line[ROUTES_HEADER_BYTES * 2];
    memset(long_line, 'x', sizeof(long_line) - 1);
    int fd = dial(*state);
    say(fd, "GET /get?channel=");
    send(fd, long_line, sizeof(long_line) - 1, MSG_NOSIGNAL);
    assert_false(hear(fd, "HTTP/1.1 200 ")); /* 414, or cut while it sends on */
    close(fd);
    post(*state);
}

/* The body of somebody without the token is not kept, and not asked for. */
static void a_stranger_is_refused_before_the_body(void **state)
{
    struct fixture *f = *state;
    f->api.token = span_of("sesame"); /* no request is in work */
    int fd = dial(f);
    say(fd, "POST /send HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
            "Expect: 100-continue\r\n" FORM_HEADER "\r\n");
    assert_true(hear(fd, "HTTP/1.1 401 "));
    close(fd);
    fd = dial(f);
    say(fd, "POST /send HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\n" FORM_HEADER
            "\r\nchannel=t&sender=me&content=ha");
    assert_true(hear(fd, "HTTP/1.1 401 "));
    close(fd);
    f->api.token = span_of("");
    fd = dial(f);
    say(fd, "GET /get?channel=t HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(hear(fd, "[]")); /* nothing was stored */
    close(fd);
}

/* What is counted while requests go on and after they have ended. */
static void requests_and_connections_are_counted(void **state)
{
    struct fixture *f = *state;
    int waiting = dial(f);
    say(waiting, "GET /get?channel=t&wait=25 HTTP/1.1\r\nHost: x\r\n\r\n");
    int fd = dial(f);
    say(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(hear(fd, "{\"status\":\"ok\"}"));
    say(fd, "POST /batch HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: "
            "9999999\r\n\r\n");
    assert_true(hear(fd, "HTTP/1.1 413 "));
    assert_false(hear(fd, "never"));
    close(fd);
    fd = dial(f);
    say(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(hear(fd, "\nchancatd_waiters 1\n"));
    post(f);
    assert_true(hear(waiting, "\"content\":\"ha\""));
    close(waiting);
    say(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(hear(fd, "\nchancatd_waiters 0\n"));
    close(fd);
    assert_int_equal(f->metrics.requests[METRICS_BATCH][5], 1); /* 413 */
    assert_int_equal(f->metrics.requests[METRICS_HEALTH][0], 1);
    assert_int_equal(f->metrics.accepted, 4);
}

static void a_stop_answers_those_who_wait(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    say(fd, "GET /get?channel=t&wait=25 HTTP/1.1\r\nHost: x\r\n\r\n"
            "GET /get?channel=t HTTP/1.1\r\nHost: x\r\n\r\n");
    struct pollfd p = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 300), 0); /* it waits */
    routes_stop(f->routes);
    assert_true(hear(fd, "[]"));
    close(fd);
}

/* Clients that are gone without a word, or as good as gone, in the middle of a body or of a reply.
 */
static void a_stop_does_not_wait_for_those_who_stand_still(void **state)
{
    struct fixture *f = *state;
    int fds[3];
    size_t len = API_BODY_MAX / 2;
    char *text = malloc(len);
    assert_non_null(text);
    memset(text, '\001', len);
    fds[0] = dial(f);
    say(fds[0], "POST /send HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" FORM_HEADER
                "\r\n1b\r\nchannel=t&sender=s&content=\r\n4c4b40\r\n");
    send_all(fds[0], text, len);
    free(text);
    say(fds[0], "\r\n0\r\n\r\n"); /* the reply is not read */
    fds[1] = dial(f);
    say(fds[1],
        "POST /send HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n" FORM_HEADER "\r\nchannel=t");
    fds[2] = dial(f);
    say(fds[2], "POST /send HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" FORM_HEADER
                "\r\n5\r\nchan");
    struct pollfd p = {.fd = fds[0], .events = POLLIN};
    assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
    int64_t from = clock_now_ms();
    routes_stop(f->routes);
    assert_in_range(clock_now_ms() - from, ROUTES_STILL_MS, ROUTES_STOP_MS - 1000);
    for (size_t i = 0; i < COUNT(fds); i++)
        close(fds[i]);
}

/* One who is slow is waited for. */
static void *send_slowly(void *context)
{
    const int *fd = context;
    for (const char *c = "=aaa"; *c; c++) {
        poll(NULL, 0, ROUTES_STILL_MS * 2 / 3);
        send_all(*fd, c, 1);
    }
    return NULL;
}

static void a_stop_waits_for_a_body_that_comes(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;
    int fd = dial(f);
    say(fd, "POST /send HTTP/1.1\r\nHost: x\r\nContent-Length: 31\r\nExpect: "
            "100-continue\r\n" FORM_HEADER "\r\n");
    assert_true(hear(fd, "HTTP/1.1 100 ")); /* the request has begun */
    say(fd, "channel=t&sender=me&content");
    assert_int_equal(pthread_create(&thread, NULL, send_slowly, &fd), 0);
    routes_stop(f->routes);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(hear(fd, "\"content\":\"aaa\""));
    close(fd);
}

static void a_body_with_two_ends_is_refused(void **state)
{
    static const char *const framings[] = {
        "Content-Length: 30\r\nContent-Length: 31\r\n",
        "Content-Length: 30\r\nTransfer-Encoding: chunked\r\n",
        "content-length: 30\r\nContent-Length: 30\r\nCONTENT-LENGTH: 3\r\n",
    };
    for (size_t i = 0; i < COUNT(framings); i++) {
        int fd = dial(*state);
        say(fd, "POST /send HTTP/1.1\r\nHost: x\r\n" FORM_HEADER);
        say(fd, framings[i]);
        say(fd, "\r\n");
        assert_true(hear(fd, "HTTP/1.1 400 "));
        assert_false(hear(fd, "never")); /* what follows could be anything */
        close(fd);
    }
    int fd = dial(*state);
    say(fd,
        "POST /send HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\nContent-Length: 30\r\n" FORM_HEADER
        "\r\nchannel=t&sender=me&content=ha");
    assert_true(hear(fd, "HTTP/1.1 200 "));
    close(fd);
}

/* The socket that a service manager passed listens on: who comes meanwhile waits for the next
 * server. */
static void a_stop_leaves_an_inherited_socket_listening(void **state)
{
    struct fixture *f = *state;
    int manager = f->manager;
    routes_stop(f->routes);
    int fd = dial(f);
    struct pollfd p = {.fd = manager, .events = POLLIN};
    assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
    close(fd);
}

static int set_up_inherited(void **state)
{
    return start(state, PATIENCE_MS * 2, true);
}

#define PATIENT(test) cmocka_unit_test_setup_teardown(test, set_up_patient, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_slow_header_is_cut_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_slow_body_is_cut_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_idle_connection_is_closed_and_a_waiting_one_is_not,
                                        set_up, tear_down),
        PATIENT(the_headers_of_the_extras_are_sent),
        PATIENT(a_plain_server_sends_none_of_them),
        PATIENT(a_message_wakes_a_waiting_request),
        PATIENT(a_message_that_is_known_does_not),
        PATIENT(a_body_that_is_too_large_is_told),
        PATIENT(health_is_told_when_there_is_no_room_for_others),
        PATIENT(a_header_that_is_too_large_is_refused),
        PATIENT(a_stranger_is_refused_before_the_body),
        PATIENT(requests_and_connections_are_counted),
        PATIENT(a_stop_answers_those_who_wait),
        PATIENT(a_stop_does_not_wait_for_those_who_stand_still),
        PATIENT(a_stop_waits_for_a_body_that_comes),
        PATIENT(a_body_with_two_ends_is_refused),
        cmocka_unit_test_setup_teardown(a_stop_leaves_an_inherited_socket_listening,
                                        set_up_inherited, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
