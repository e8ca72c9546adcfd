/* SPDX-License-Identifier: MIT */
/*
 * What a request does on its way, seen from the other side: the server answers when http.h says
 * that the request was sent, and nowhere else, all in one thread.
 */
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/http.h"
#include "common/log.h"
#include "common/stop.h"
#include "unit/scratch.h"

#define SILENCE_MS 20000 /* only what is broken takes so long */

struct server {
    int listener;
    char url[64];
    char request[4096]; /* the last one */
    unsigned sent;      /* how often on_sent was called */
    size_t replied;     /* bytes of bodies that came before or after */
};

static void *set_up_server(void)
{
    static struct server server;
    struct sockaddr_in where = {.sin_family = AF_INET};
    socklen_t len = sizeof(where);
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server = (struct server){.listener = socket(AF_INET, SOCK_STREAM, 0)};
    assert_true(server.listener >= 0);
    assert_int_equal(bind(server.listener, (struct sockaddr *)&where, len), 0);
    assert_int_equal(listen(server.listener, 8), 0);
    assert_int_equal(getsockname(server.listener, (struct sockaddr *)&where, &len), 0);
    snprintf(server.url, sizeof(server.url), "http://127.0.0.1:%d", ntohs(where.sin_port));
    return &server;
}

static int set_up(void **state)
{
    scratch_make(state);
    *state = set_up_server();
    assert_int_equal(setenv("HOME", scratch_path("."), 1), 0);
    assert_int_equal(unsetenv("NETRC"), 0);
    return 0;
}

static int tear_down(void **state)
{
    struct server *s = *state;
    close(s->listener);
    return scratch_remove(state);
}

static bool on_body(void *context, const struct http_reply *reply, struct span piece)
{
    struct server *s = context;
    assert_int_equal(reply->status, 200);
    s->replied += piece.len;
    return true;
}

/* The whole request is there, and until now nobody has answered it. */
static void answer(void *context)
{
    static const char reply[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    struct server *s = context;
    int fd = accept(s->listener, NULL, NULL);
    size_t len = 0;
    assert_true(fd >= 0);
    s->sent++;
    assert_int_equal(s->replied, 0);
    do {
        ssize_t n = recv(fd, s->request + len, sizeof(s->request) - 1 - len, 0);
        assert_true(n > 0);
        len += (size_t)n;
        s->request[len] = '\0';
    } while (!strstr(s->request, "\r\n\r\n") ||
             (strncmp(s->request, "POST", 4) == 0 && !strstr(s->request, "the end")));
    assert_int_equal(send(fd, reply, strlen(reply), MSG_NOSIGNAL), (ssize_t)strlen(reply));
    close(fd);
}

static void ask(struct http *http, struct server *s, struct span body)
{
    struct http_reply reply;
    struct http_request request = {.target = "/x",
                                   .post = body.len > 0,
                                   .body = body,
                                   .silence_ms = SILENCE_MS,
                                   .watch_fd = -1,
                                   .on_body = on_body,
                                   .on_sent = answer,
                                   .context = s};
    s->sent = 0;
    s->replied = 0;
    http_perform(http, &request, &reply);
    assert_int_equal(reply.end, HTTP_COMPLETE);
    assert_int_equal(reply.status, 200);
    assert_int_equal(s->sent, 1);
    assert_int_equal(s->replied, 2);
}

static struct http *open_http(const struct server *s)
{
    struct http_config config = {.url = s->url};
    struct http *http = NULL;
    assert_int_equal(http_open(&config, &http, NULL), ERROR_NONE);
    return http;
}

static void that_a_post_was_sent_is_told_before_its_reply(void **state)
{
    struct http *http = open_http(*state);
    ask(http, *state, span_of("some text and the end"));
    ask(http, *state, span_of("another one and the end"));
    http_close(http);
}

static void a_file_netrc_is_looked_for_where_one_may_be(void **state)
{
    static const char *const entry = "machine 127.0.0.1 login otto password secret\n";
    static const char *const header = "\r\nAuthorization: Basic b3R0bzpzZWNyZXQ=\r\n";
    struct server *s = *state;
    for (int i = 0; i < 2; i++) { /* not there when the run began: then NETRC may still name one */
        if (i == 1)
            assert_int_equal(setenv("NETRC", scratch_path(".netrc"), 1), 0);
        struct http *http = open_http(s);
        scratch_write(".netrc", span_of(entry));
        ask(http, s, span_of("the end"));
        assert_int_equal(strstr(s->request, header) != NULL, i == 1);
        http_close(http);
        scratch_delete(".netrc");
    }
    assert_int_equal(unsetenv("NETRC"), 0);
    scratch_write(".netrc", span_of(entry));
    struct http *http = open_http(s);
    ask(http, s, span_of("the end"));
    assert_non_null(strstr(s->request, header));
    http_close(http);
}

static int set_up_all(void **state)
{
    (void)state;
    log_init("chancat", LOG_QUIET);
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    return stop_init(NULL) || http_global_init(NULL) ? -1 : 0;
}

static int tear_down_all(void **state)
{
    (void)state;
    http_global_release();
    return 0;
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(that_a_post_was_sent_is_told_before_its_reply),
        CASE(a_file_netrc_is_looked_for_where_one_may_be),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
