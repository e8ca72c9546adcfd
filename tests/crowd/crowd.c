/* SPDX-License-Identifier: MIT */
/*
 * crowd: writers and followers of many channels through many servers of one database, and what
 * became of the messages.
 *
 *   crowd [-c CHANNELS] [-w WRITERS] [-k KEYS] [-b LINES] [-n MESSAGES] [-s SEED] [-p NAME] [-a]
 *         [-v] PORT...
 *
 * Each of WRITERS (16) sends one request after the other: a single message, or a batch of up to
 * LINES (40) for one or more of the CHANNELS (1). The first KEYS (8) writers send with
 * an idempotency key, and what was not acknowledged again and again, through the next server. The
 * others never repeat a message. A server that is gone or says 503 is nothing unusual.
 *
 * For each PORT there are two followers that want to see every message of every channel: one waits
 * for news with a long poll for each channel, one asks one channel after the other. Both ask for
 * what is behind the last id that they saw. Nobody writes before all of them have asked once.
 *
 * After MESSAGES have been acknowledged, or else at SIGTERM, the writers stop, and the followers
 * come to their end. Then it prints what ledger.h finds, as
 *
 *   acked N missed N doubled N disordered N strange N open N stored N longest MS
 *
 * stored: how many of the open ones are; longest: that a writer had to wait for an acknowledgement.
 * Channels and keys begin with NAME (c), so each run on a database needs one of its own. With -v
 * lines `so far N` say how many are acknowledged; with -a every line of a batch is for any channel.
 *
 * Status: 0 nothing is missed, doubled, disordered or strange, and something was acknowledged; else
 * 1, also when it cannot go on.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench/load.h"
#include "common/buf.h"
#include "crowd/ledger.h"
#include "crowd/talk.h"

#define PORTS_MAX   16
#define REQUEST_MAX (1u << 20)
#define EVENTS_MAX  256
#define TURN_MS     2
#define AGAIN_MS    50    /* after a request that failed */
#define POLL_MS     2     /* between two questions of one who asks channel after channel */
#define EARLY_MS    1000  /* a wait that ends sooner without news was cut short */
#define CATCH_UP_MS 30000 /* for the followers, in the end */
#define PROGRESS_MS 100
#define SPREADS     9 /* powers of 2, the last is above what a transaction locks one by one */
#define NOTHING_DUE 0.0

enum role { WRITER, WAITER, POLLER };

struct peer {
    enum role role;
    size_t number; /* of the writer or follower */
    size_t server;
    unsigned channel;
    struct talk talk;
    double due_at;   /* when it is to send; NOTHING_DUE: it waits for a reply, or has ended */
    double asked_at; /* of a writer: when it had its last acknowledgement */
    /* a writer's request: messages first ... first + count - 1 */
    struct buf request;
    size_t first, count;
    bool again, has_ended;
    bool waits; /* a follower that has asked once without waiting */
};

static int ports[PORTS_MAX];
static size_t port_count, writer_count = 16, key_count = 8, peer_count;
static long channels = 1, lines = 40, messages;
static const char *name = "c";
static bool verbose, everywhere;
static unsigned seed = 1;
static struct peer *peers;
static struct ledger ledger;
static double longest_ms;
static size_t asleep; /* who has not asked once */
static volatile sig_atomic_t stopped;

static unsigned dice(unsigned sides)
{
    return (unsigned)rand_r(&seed) % sides;
}

static bool is_over(void)
{
    return stopped || (messages > 0 && ledger.stored >= messages);
}

/* --- writers ---------------------------------------------------------------------------------- */

static void put(int bad)
{
    if (bad)
        load_fail("crowd: no memory for a request");
}

static void put_head(struct peer *p, const char *path, const char *type, size_t length)
{
    put(buf_addf(&p->request,
                 "POST /%s HTTP/1.1\r\nHost: crowd\r\nContent-Type: application/%s\r\n"
                 "Content-Length: %zu\r\nPrefer: return=minimal\r\n",
                 path, type, length));
    if (p->number < key_count)
        put(buf_addf(&p->request, "Idempotency-Key: %s-%zu-%zu\r\n", name, p->number, p->first));
    put(buf_add_str(&p->request, "\r\n"));
}

static void put_message(struct peer *p, struct buf *body, unsigned channel, bool batch)
{
    size_t number = ledger_add(&ledger, p->number, channel);
    if (p->count++ == 0)
        p->first = number;
    put(buf_addf(body,
                 batch ? "{\"channel\":\"%s%u\",\"sender\":\"w%zu\",\"content\":\"%zu\"}\n"
                       : "channel=%s%u&sender=w%zu&content=%zu",
                 name, channel, p->number, number));
}

static void make_request(struct peer *p)
{
    struct buf body;
    bool batch = dice(2);
    /* Batches go to one channel, or to up to that many of those that follow it. */
    unsigned channel = dice((unsigned)channels),
             spread = everywhere ? (unsigned)channels : 1u << dice(SPREADS);
    size_t count = batch ? 1 + dice((unsigned)lines) : 1;
    buf_init(&body, REQUEST_MAX);
    buf_clear(&p->request);
    p->count = 0;
    while (p->count < count)
        put_message(p, &body, (channel + dice(spread)) % (unsigned)channels, batch);
    put_head(p, batch ? "batch" : "send", batch ? "x-ndjson" : "x-www-form-urlencoded", body.len);
    put(buf_add(&p->request, body.data, body.len));
    buf_release(&body);
}

/* Tries it again if it may, else goes on with another message; at the next server. */
static void writer_failed(struct peer *p, bool refused)
{
    p->again = p->number < key_count;
    for (size_t i = 0; refused && !p->again && i < p->count; i++)
        ledger_refuse(&ledger, p->number, p->first + i);
    talk_close(&p->talk);
    p->server = (p->server + 1) % port_count;
    p->due_at = load_now_ms() + AGAIN_MS;
}

static void write_now(struct peer *p)
{
    if (!p->again && is_over()) {
        p->has_ended = true;
        return;
    }
    if (!p->again)
        make_request(p);
    if (!talk_send(&p->talk, ports[p->server], p->request.data, p->request.len))
        writer_failed(p, false);
}

/* {"first":ID,"last":ID,"count":N}, or the messages with their ids. */
static void take_ids(struct peer *p, const char *body)
{
    static const char first[] = "{\"first\":", id[] = "\"id\":";
    if (strncmp(body, first, sizeof(first) - 1) == 0) {
        long from = strtol(body + sizeof(first) - 1, NULL, 10);
        for (size_t i = 0; i < p->count; i++)
            ledger_acknowledge(&ledger, p->number, p->first + i, from + (long)i);
        return;
    }
    for (size_t i = 0; i < p->count; i++) {
        body = strstr(body, id);
        if (!body)
            load_fail("crowd: a reply without the ids of all messages");
        body += sizeof(id) - 1;
        ledger_acknowledge(&ledger, p->number, p->first + i, strtol(body, NULL, 10));
    }
}

static void take_answer(struct peer *p)
{
    int status = talk_status(&p->talk);
    const char *body = talk_body(&p->talk);
    double now = load_now_ms();
    if (status == 503 || status == 429 || status == 409) {
        writer_failed(p, strstr(body, "Nothing was stored") || status == 429);
        return;
    }
    if (status != 200)
        load_fail("crowd: a server refuses a message with %d: %.100s", status, body);
    take_ids(p, body);
    if (now - p->asked_at > longest_ms)
        longest_ms = now - p->asked_at;
    p->asked_at = now;
    p->again = false;
    write_now(p);
}

/* --- followers -------------------------------------------------------------------------------- */

static void follower_failed(struct peer *p)
{
    talk_close(&p->talk);
    p->due_at = load_now_ms() + AGAIN_MS;
}

static void follow_now(struct peer *p)
{
    char request[300];
    int n = snprintf(request, sizeof(request),
                     "GET /get?channel=%s%u&last=%lld%s HTTP/1.1\r\nHost: crowd\r\n\r\n", name,
                     p->channel, (long long)ledger_last(&ledger, p->number, p->channel),
                     p->role == WAITER && p->waits ? "&limit=1000&wait=25" : "");
    p->asked_at = load_now_ms();
    if (!talk_send(&p->talk, ports[p->server], request, (size_t)n))
        follower_failed(p);
}

/* One of `{"id":N,"channel":"...","sender":"wN","content":"N",...`; returns what is behind it. */
static const char *take_message(struct peer *p, const char *text)
{
    static const char sender[] = "\"sender\":\"w", content[] = "\"content\":\"";
    char *end;
    long id = strtol(text, &end, 10);
    const char *at = strstr(end, sender);
    if (!at)
        load_fail("crowd: this is no message: %.100s", text);
    size_t writer = strtoul(at + sizeof(sender) - 1, &end, 10);
    at = strstr(end, content);
    if (!at)
        load_fail("crowd: this is no message: %.100s", text);
    size_t number = strtoul(at + sizeof(content) - 1, &end, 10);
    ledger_see(&ledger, p->number, p->channel, id, writer, number);
    return end;
}

static void take_news(struct peer *p)
{
    static const char id[] = "{\"id\":";
    int status = talk_status(&p->talk);
    const char *at = talk_body(&p->talk);
    bool none = true;
    if (status == 503 || status == 429) {
        follower_failed(p);
        return;
    }
    if (status != 200)
        load_fail("crowd: a server answers a follower with %d: %.100s", status, at);
    while ((at = strstr(at, id))) {
        at = take_message(p, at + sizeof(id) - 1);
        none = false;
    }
    asleep -= !p->waits;
    if (p->role == POLLER) {
        p->channel = (p->channel + 1) % (unsigned)channels;
        p->due_at = load_now_ms() + POLL_MS;
    } else if (none && p->waits && load_now_ms() - p->asked_at < EARLY_MS) {
        p->due_at = load_now_ms() + AGAIN_MS;
    } else {
        p->waits = true;
        follow_now(p);
    }
    p->waits = true;
}

/* --- all of them ------------------------------------------------------------------------------ */

static struct peer *add_peer(enum role role, size_t number, size_t server, int epoll)
{
    struct peer *p = &peers[peer_count++];
    *p = (struct peer){.role = role, .number = number, .server = server};
    p->due_at = p->asked_at = load_now_ms();
    asleep += role != WRITER;
    talk_init(&p->talk, epoll, p);
    buf_init(&p->request, REQUEST_MAX);
    return p;
}

static void add_peers(int epoll)
{
    struct rlimit limit;
    size_t most = writer_count + port_count * ((size_t)channels + 1);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    peers = calloc(most, sizeof(*peers));
    if (!peers)
        load_fail("crowd: no memory");
    for (size_t i = 0; i < port_count; i++) {
        for (unsigned c = 0; c < (unsigned)channels; c++)
            add_peer(WAITER, i, i, epoll)->channel = c;
        add_peer(POLLER, port_count + i, i, epoll);
    }
    for (size_t i = 0; i < writer_count; i++)
        add_peer(WRITER, i, i % port_count, epoll);
}

static void act(struct peer *p)
{
    if (p->role == WRITER && asleep > 0) {
        p->asked_at = load_now_ms();
        return;
    }
    p->due_at = NOTHING_DUE;
    if (p->role == WRITER)
        write_now(p);
    else
        follow_now(p);
}

static void handle(struct peer *p)
{
    enum talk_state state = talk_receive(&p->talk);
    if (state == TALK_PART)
        return;
    if (state == TALK_LOST && p->due_at != NOTHING_DUE)
        return; /* it was not in use */
    if (state == TALK_LOST && p->role == WRITER && !p->has_ended)
        writer_failed(p, false);
    else if (state == TALK_LOST && p->role != WRITER)
        follower_failed(p);
    else if (state == TALK_REPLY && p->role == WRITER)
        take_answer(p);
    else if (state == TALK_REPLY)
        take_news(p);
}

/* Returns how many writers have not ended. */
static size_t turn(int epoll)
{
    struct epoll_event got[EVENTS_MAX];
    double now = load_now_ms();
    size_t busy = 0;
    for (size_t i = 0; i < peer_count; i++) {
        if (peers[i].due_at != NOTHING_DUE && peers[i].due_at <= now)
            act(&peers[i]);
        busy += peers[i].role == WRITER && !peers[i].has_ended;
    }
    int n = epoll_wait(epoll, got, EVENTS_MAX, TURN_MS);
    for (int i = 0; i < n; i++)
        handle(got[i].data.ptr);
    return busy;
}

static void run(int epoll)
{
    double told_at = 0, until = 0;
    while (until == 0 || (load_now_ms() < until && !ledger_is_caught_up(&ledger))) {
        if (turn(epoll) == 0 && until == 0)
            until = load_now_ms() + CATCH_UP_MS;
        if (verbose && load_now_ms() - told_at > PROGRESS_MS) {
            printf("so far %ld\n", ledger.stored);
            fflush(stdout);
            told_at = load_now_ms();
        }
    }
}

static int judge(void)
{
    struct verdict v = ledger_judge(&ledger);
    printf("acked %ld missed %ld doubled %ld disordered %ld strange %ld open %ld stored %ld"
           " longest %.0f\n",
           v.acked, v.missed, v.doubled, v.disordered, v.strange, v.open, v.open_seen, longest_ms);
    return v.acked > 0 && v.missed + v.doubled + v.disordered + v.strange == 0 ? 0 : 1;
}

static void stop(int signal_number)
{
    (void)signal_number;
    stopped = 1;
}

static void read_options(int argc, char **argv)
{
    int option;
    while ((option = getopt(argc, argv, "c:w:k:b:n:s:p:av")) != -1) {
        switch (option) {
        case 'c':
            channels = load_number(optarg, 1, 10000);
            break;
        case 'w':
            writer_count = (size_t)load_number(optarg, 1, 1000);
            break;
        case 'k':
            key_count = (size_t)load_number(optarg, 0, 1000);
            break;
        case 'b':
            lines = load_number(optarg, 1, 1000);
            break;
        case 'n':
            messages = load_number(optarg, 1, 1000000000);
            break;
        case 's':
            seed = (unsigned)load_number(optarg, 0, 1000000000);
            break;
        case 'p':
            name = optarg;
            break;
        case 'a':
            everywhere = true;
            break;
        case 'v':
            verbose = true;
            break;
        default:
            load_fail("usage: crowd [-c CHANNELS] [-w WRITERS] [-k KEYS] [-b LINES]"
                      " [-n MESSAGES] [-s SEED] [-p NAME] [-a] [-v] PORT...");
        }
    }
    for (; optind < argc && port_count < PORTS_MAX; optind++)
        ports[port_count++] = (int)load_number(argv[optind], 1, 65535);
    if (port_count == 0)
        load_fail("crowd: no port is given");
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = stop};
    read_options(argc, argv);
    sigaction(SIGTERM, &action, NULL);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        load_fail("crowd: %s", strerror(errno));
    ledger_init(&ledger, writer_count, 2 * port_count, (size_t)channels);
    add_peers(epoll);
    run(epoll);
    return judge();
}
