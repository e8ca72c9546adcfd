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

#define LIMIT_MS    300
#define PATIENCE_MS 30000 /* only what is broken takes so long */

struct fixture {
    struct routes *routes;
    struct api api;
    struct listener listener;
    int port;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct routes_config config = {
        .max_connections = 50, .header_ms = LIMIT_MS, .body_ms = LIMIT_MS};
    if (!f || routes_new(&config, &f->routes, NULL) ||
        listen_open(&f->listener, "127.0.0.1:0", NULL) ||
        store_open(":memory:", routes_on_message, f->routes, &f->api.store, NULL) ||
        routes_start(f->routes, &f->api, &f->listener, NULL))
        return -1;
    f->port = atoi(strrchr(f->listener.url, ':') + 1);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    routes_stop(f->routes);
    store_close(f->api.store);
    routes_free(f->routes);
    listen_close(&f->listener);
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

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
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
    int idle = dial(*state), waiting = dial(*state);
    say(waiting, "GET /get?channel=t&wait=1 HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_false(hear(idle, "never"));
    assert_true(hear(waiting, "[]")); /* after a second, three times the limit */
    close(idle);
    close(waiting);
}

static void a_message_wakes_a_waiting_request(void **state)
{
    int waiting = dial(*state), posting = dial(*state);
    say(waiting, "GET /get?channel=t&wait=25 HTTP/1.1\r\nHost: x\r\n\r\n");
    say(posting, "POST /send HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\n"
                 "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
                 "channel=t&sender=me&content=ha");
    assert_true(hear(posting, "\"content\":\"ha\""));
    assert_true(hear(waiting, "\"content\":\"ha\""));
    close(waiting);
    close(posting);
}

static void too_large_is_told(void **state)
{
    static char long_line[ROUTES_HEADER_BYTES * 2];
    int fd = dial(*state);
    say(fd, "POST /send HTTP/1.1\r\nHost: x\r\nContent-Length: 10000001\r\n\r\n");
    assert_true(hear(fd, "HTTP/1.1 413 "));
    close(fd);
    memset(long_line, 'x', sizeof(long_line) - 1);
    fd = dial(*state);
    say(fd, "GET /get?channel=");
    send(fd, long_line, sizeof(long_line) - 1, MSG_NOSIGNAL);
    hear(fd, "HTTP/1.1 414 "); /* that, or cut while it sends on: no promise */
    close(fd);
    fd = dial(*state);
    say(fd, "GET /get?channel=t HTTP/1.1\r\nHost: x\r\n\r\n"); /* and the server lives */
    assert_true(hear(fd, "HTTP/1.1 200 "));
    close(fd);
}

static void a_stop_answers_those_who_wait(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    say(fd, "GET /get?channel=t&wait=25 HTTP/1.1\r\nHost: x\r\n\r\n"
            "GET /get?channel=t HTTP/1.1\r\nHost: x\r\n\r\n");
    struct pollfd p = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, LIMIT_MS), 0); /* it waits */
    routes_stop(f->routes);
    assert_true(hear(fd, "[]"));
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_slow_header_is_cut_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_slow_body_is_cut_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_idle_connection_is_closed_and_a_waiting_one_is_not,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_message_wakes_a_waiting_request, set_up, tear_down),
        cmocka_unit_test_setup_teardown(too_large_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stop_answers_those_who_wait, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
