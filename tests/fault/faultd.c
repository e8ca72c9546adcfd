/* SPDX-License-Identifier: MIT */
/*
 * faultd: a chat server that fails on demand, for the tests of chancat.
 *
 *   faultd [-p PORT] [--log FILE] [--script FILE] [--fill CHANNEL:N]... [--prefix PATH]
 *
 * Without a script it behaves as the original server does for /get, /past and /send: `null` when
 * empty, HTML and JSON escapes, trimming, folded channel names, one sequence of ids,
 * unlimited replies, no extras; it keeps everything in memory. It listens on 127.0.0.1 (port 0, the
 * default, picks one) and says `faultd: listening on URL` on stderr when ready.
 *
 *   --log FILE        one line per request, flushed before the reply:
 *                     conn=N req=N METHOD TARGET stored=0|1 id=N action=ACTION_WITH_ITS_ARGUMENTS
 *                     [auth=AUTHORIZATION]
 *   --fill CHANNEL:N  N synthetic messages, made as they are read; CHANNEL * is in every channel
 *   --prefix PATH     serve PATH/get and so on; all else is 404
 *
 * Script: rules, one a line, `#` comments.
 *
 *   METHOD PATH[?channel=NAME] NUMBERS ACTION [ARGUMENT ...]
 *
 * METHOD and PATH may be `*`. Each rule counts the requests that fit METHOD, PATH and channel;
 * NUMBERS (`N`, `N-M`, `N-` or `*`) says which of them it is for. The first rule that is for a
 * request decides.
 *
 *   normal                      no fault (to except a request from a later rule)
 *   status CODE [retry-after S] [body FILE]        nothing stored
 *   status-after CODE [retry-after S] [body FILE]  stored all the same
 *   close-before  close-after   FIN instead of a reply, before or after storing
 *   reset-before  reset-after   RST instead of a reply
 *   cut N         N bytes of the body, under the whole Content-Length, then FIN
 *   cut-all N     N bytes of head and body, then FIN
 *   cut-chunked N the same as cut, within a chunk
 *   stall-before SECS           a pause between storing and replying
 *   stall N SECS                a pause after N bytes of the body
 *   held ACTION ...             ACTION, but after the release; SECS may be `held`, too
 *   hang                        no reply, nothing stored, until the client closes
 *   html                        200 and a web page; nothing stored
 *   body FILE                   200 and FILE as it is; nothing stored
 *   status-line-only            `HTTP/1.1 200 OK`, then FIN; nothing stored
 *   drip N                      the reply in pieces of N bytes
 *   redirect CODE URL           nothing stored
 *   lie-id  wrong-echo          stored, but the reply has id 0 or another message
 *   close-kept  reset-kept      a whole reply that promises keep-alive, then FIN or RST
 *
 * To let a reused connection die under a request, use close-after or reset-after from the second
 * request on.
 *
 * Control, neither logged nor counted:
 *
 *   GET /fault/log              the log so far
 *   GET /fault/stats            connections and requests by route, as JSON
 *   POST /fault/truncate        forgets all messages; ids begin at 1 again
 *   POST /fault/release         what is held goes on, now and from now on
 *   POST /fault/put?channel=C   the body becomes the next element of C as it is, good JSON or
 *                               not; @ID@ in it becomes its id, which is the reply; C may be *
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"

#define BACKLOG 256

/* The write end of the pipe that ends every wait. Owned by main(), written by the handler. */
static volatile sig_atomic_t stop_write_fd = -1;

static void on_signal(int number)
{
    (void)number;
    int saved = errno;
    if (write(stop_write_fd, "", 1) < 0)
        errno = 0;
    errno = saved;
}

static int usage(void)
{
    fputs("usage: faultd [-p PORT] [--log FILE] [--script FILE] [--fill CHANNEL:N]... "
          "[--prefix PATH]\n",
          stderr);
    return 2;
}

static bool fill(struct store *store, const char *text)
{
    const char *colon = strrchr(text, ':');
    char *end;
    if (!colon)
        return false;
    long long count = strtoll(colon + 1, &end, 10);
    if (*end || end == colon + 1 || count < 1 || count > 1000000000)
        return false;
    store_fill(store, (struct view){text, (size_t)(colon - text)}, count);
    return true;
}

/* A listening socket on the loopback interface, or -1. */
static int listen_on(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((in_port_t)atoi(port)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
        close(fd);
        return -1;
    }
    fprintf(stderr, "faultd: listening on http://127.0.0.1:%d\n", ntohs(address.sin_port));
    return fd;
}

static void accept_until_stopped(struct faultd *d, int listener)
{
    struct pollfd fds[2] = {{.fd = listener, .events = POLLIN},
                            {.fd = d->stop_fd, .events = POLLIN}};
    for (;;) {
        int n = poll(fds, 2, -1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || fds[1].revents)
            return;
        int fd = accept(listener, NULL, NULL);
        if (fd >= 0)
            conn_start(d, fd);
    }
}

static int serve(struct faultd *d, const char *port)
{
    int ends[2];
    if (pipe(ends) < 0 || pipe(d->release_fds) < 0)
        return 1;
    d->stop_fd = ends[0];
    stop_write_fd = ends[1];
    struct sigaction stop = {.sa_handler = on_signal};
    sigemptyset(&stop.sa_mask);
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &stop, NULL);
    int listener = listen_on(port);
    if (listener < 0) {
        perror("faultd: cannot listen");
        return 1;
    }
    accept_until_stopped(d, listener);
    close(listener);
    conn_wait_all(d);
    return 0;
}

static const struct option long_options[] = {
    {"port", required_argument, NULL, 'p'},   {"log", required_argument, NULL, 'l'},
    {"script", required_argument, NULL, 's'}, {"fill", required_argument, NULL, 'f'},
    {"prefix", required_argument, NULL, 'x'}, {NULL, 0, NULL, 0}};

int main(int argc, char **argv)
{
    const char *port = "0", *script = NULL, *log = NULL;
    struct faultd d = {.store = store_new(),
                       .prefix = "",
                       .lock = PTHREAD_MUTEX_INITIALIZER,
                       .idle = PTHREAD_COND_INITIALIZER};
    int status = 0, option;
    while (!status && (option = getopt_long(argc, argv, "p:", long_options, NULL)) != -1) {
        if (option == 'p')
            port = optarg;
        else if (option == 'l')
            log = optarg;
        else if (option == 's')
            script = optarg;
        else if (option == 'x')
            d.prefix = optarg;
        else if (option != 'f' || !fill(d.store, optarg))
            status = usage();
    }
    if (!status && optind != argc)
        status = usage();
    if (!status && log && !(d.log_file = fopen(log, "a"))) {
        fprintf(stderr, "faultd: cannot write %s\n", log);
        status = 1;
    }
    if (!status && !(d.script = script_read(script)))
        status = 2;
    if (!status)
        status = serve(&d, port);
    if (d.log_file)
        fclose(d.log_file);
    bytes_release(&d.log);
    script_free(d.script);
    store_free(d.store);
    return status;
}
