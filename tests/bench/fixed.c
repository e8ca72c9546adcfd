/* SPDX-License-Identifier: MIT */
/*
 * fixed: libmicrohttpd by itself: the same reply to every request, from one event thread with the
 * settings that chancatd gives it (start_daemon() in src/server/routes.c).
 *
 *   fixed BODY ['NAME: VALUE' ...]
 *
 * Listens on 127.0.0.1, a free port, and says `fixed: listening on URL` on stderr. It serves until
 * it is killed.
 */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/load.h"
#include "server/routes.h"

struct reply {
    char *body;
    char **headers; /* up to NULL */
};

static void add_header(struct MHD_Response *response, const char *line)
{
    char name[200];
    size_t n = strcspn(line, ":");
    if (n >= sizeof(name) || line[n] == '\0')
        load_fail("fixed: '%s' is no header", line);
    memcpy(name, line, n);
    name[n] = '\0';
    if (MHD_add_response_header(response, name, line + n + 1 + strspn(line + n + 1, " ")) !=
        MHD_YES)
        load_fail("fixed: the header '%s' cannot be sent", line);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_len, void **per_request)
{
    (void)url, (void)method, (void)version, (void)upload;
    const struct reply *reply = context;
    if (!*per_request || *upload_len) {
        *per_request = connection;
        *upload_len = 0;
        return MHD_YES;
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(reply->body), reply->body, MHD_RESPMEM_PERSISTENT);
    for (char **line = reply->headers; *line; line++)
        add_header(response, *line);
    enum MHD_Result r = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return r;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct reply reply = {.body = argv[1], .headers = argv + 2};
    unsigned flags = MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    if (argc < 2)
        load_fail("usage: fixed BODY ['NAME: VALUE' ...]");
    flags |= MHD_is_feature_supported(MHD_FEATURE_EPOLL) == MHD_YES
                 ? (unsigned)MHD_USE_EPOLL_INTERNAL_THREAD
                 : (unsigned)MHD_USE_POLL_INTERNAL_THREAD;
    struct MHD_Daemon *daemon =
        MHD_start_daemon(flags, 0, NULL, NULL, on_request, &reply, MHD_OPTION_SOCK_ADDR, &address,
                         MHD_OPTION_CONNECTION_LIMIT, 8192u, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                         (size_t)ROUTES_HEADER_BYTES, MHD_OPTION_CONNECTION_TIMEOUT,
                         (unsigned)ROUTES_REPLY_S, MHD_OPTION_END);
    const union MHD_DaemonInfo *info =
        daemon ? MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT) : NULL;
    if (!info)
        load_fail("fixed: cannot listen");
    fprintf(stderr, "fixed: listening on http://127.0.0.1:%u\n", (unsigned)info->port);
    for (;;)
        pause();
}
