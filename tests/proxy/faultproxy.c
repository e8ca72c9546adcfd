/* SPDX-License-Identifier: MIT */
/*
 * faultproxy: stands between chancat and a real server and lets requests fail as networks do.
 *
 *   faultproxy --upstream 127.0.0.1:PORT [--seed N] [--mix NAME:WEIGHT,...] [--park-max SECS]
 *              [--hang SECS] [--get-faults PERCENT] [--log FILE]
 *
 * It listens on 127.0.0.1, a free port, says `faultproxy: seed N` and
 * `faultproxy: listening on URL` on stderr, and forwards each request over a new connection. Which
 * fault the Nth POST meets depends on seed and mix only; GETs are counted by themselves. SIGTERM
 * ends it at once, with whatever was under way.
 *
 *   --mix         what POSTs meet, by weight (pass:1):
 *     pass           nothing
 *     reset-before   RST; not forwarded
 *     error-before   500, 502 or 503; not forwarded
 *     forward-reset  forwarded, the server's reply awaited, then RST
 *     forward-hang   the same, then silence for --hang seconds, then FIN
 *     forward-cut    forwarded, a part of the reply, then FIN
 *     status-only    forwarded, only the reply's first line, then FIN
 *     error-after    forwarded, then 500, 502 or 503
 *     stale-fin  stale-rst    nothing; but the next request over the same connection is forwarded
 *                    and gets FIN or RST for an answer
 *     park-reset  park-close  RST or FIN at once; forwarded later
 *   --park-max    the longest a parked request waits, seconds with fractions (1)
 *   --hang        seconds of silence (2)
 *   --get-faults  percent of the GETs that meet a fault, any but parking (0)
 *   --log         one line per decision, flushed before the client sees its effect:
 *                 SECONDS conn=N post=N|get=N fault=NAME forwarded=0|1 status=N delay=SECS
 *                 line=WORD target=/PATH
 *                 SECONDS is when the request came, counted from the start; status is the server's,
 *                 0 for none; WORD begins the content. A parked request has a second line,
 *                 fault=unparked, once it was forwarded; struck-fin and struck-rst are requests on
 *                 a stale connection. The last line is `SECONDS end dropped=N`: still parked.
 *
 * GET /proxy/parked answers how many requests are parked; neither logged nor counted.
 */
#include <arpa/inet.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/relay.h"

#define BACKLOG     256
#define SECONDS_MAX 86400.0

struct listener {
    struct proxy *proxy;
    int fd;
};

static int usage(void)
{
    fputs("usage: faultproxy --upstream 127.0.0.1:PORT [--seed N] [--mix NAME:WEIGHT,...]\n"
          "       [--park-max SECS] [--hang SECS] [--get-faults PERCENT] [--log FILE]\n",
          stderr);
    return 2;
}

static bool parse_upstream(const char *text, struct sockaddr_in *ret)
{
    static const char host[] = "127.0.0.1:";
    char *end;
    if (strncmp(text, host, strlen(host)) != 0)
        return false;
    unsigned long port = strtoul(text + strlen(host), &end, 10);
    if (*end || port < 1 || port > 65535)
        return false;
    *ret = (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((in_port_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return true;
}

static bool parse_seconds(const char *text, double *ret)
{
    char *end;
    *ret = strtod(text, &end);
    return end != text && *end == '\0' && *ret >= 0 && *ret <= SECONDS_MAX;
}

static bool parse_number(const char *text, uint64_t most, uint64_t *ret)
{
    char *end;
    *ret = strtoull(text, &end, 10);
    return end != text && *end == '\0' && *ret <= most;
}

static bool take_option(struct proxy *p, int option, const char *text)
{
    uint64_t percent = 0;
    switch (option) {
    case 'u':
        return parse_upstream(text, &p->upstream);
    case 's':
        return parse_number(text, UINT64_MAX, &p->seed);
    case 'm':
        return mix_parse(&p->mix, text);
    case 'p':
        return parse_seconds(text, &p->park_max);
    case 'h':
        return parse_seconds(text, &p->hang);
    case 'g':
        if (!parse_number(text, 100, &percent))
            return false;
        p->get_faults = (unsigned)percent;
        return true;
    case 'l':
        p->log = fopen(text, "a");
        return p->log != NULL;
    default:
        return false;
    }
}

static const struct option long_options[] = {
    {"upstream", required_argument, NULL, 'u'}, {"seed", required_argument, NULL, 's'},
    {"mix", required_argument, NULL, 'm'},      {"park-max", required_argument, NULL, 'p'},
    {"hang", required_argument, NULL, 'h'},     {"get-faults", required_argument, NULL, 'g'},
    {"log", required_argument, NULL, 'l'},      {NULL, 0, NULL, 0}};

static int listen_on_free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
        perror("faultproxy: cannot listen");
        return -1;
    }
    fprintf(stderr, "faultproxy: listening on http://127.0.0.1:%d\n", ntohs(address.sin_port));
    return fd;
}

static void *accept_all(void *argument)
{
    struct listener *l = argument;
    for (;;) {
        int fd = accept(l->fd, NULL, NULL);
        if (fd >= 0)
            relay_start(l->proxy, fd);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    struct proxy p = {.mix = {.weights = {[FAULT_PASS] = 1}, .total = 1},
                      .park_max = 1,
                      .hang = 2,
                      .lock = PTHREAD_MUTEX_INITIALIZER,
                      .started = relay_now()};
    p.seed = (uint64_t)(p.started * 1e6) ^ (uint64_t)getpid();
    int option;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
        if (!take_option(&p, option, optarg))
            return usage();
    if (optind != argc || p.upstream.sin_port == 0)
        return usage();
    fprintf(stderr, "faultproxy: seed %llu\n", (unsigned long long)p.seed);

    /* The other threads inherit the mask, so that this one gets the signals. */
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    struct listener l = {.proxy = &p, .fd = listen_on_free_port()};
    pthread_t thread;
    int number;
    if (l.fd < 0 || pthread_create(&thread, NULL, accept_all, &l) != 0)
        return 1;
    sigwait(&ends, &number);
    relay_end(&p);
    _exit(0); /* other threads are still at work */
}
