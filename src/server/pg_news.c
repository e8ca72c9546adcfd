/* SPDX-License-Identifier: MIT */
#include "server/pg_news.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/number.h"

#define PAYLOAD_MAX  7900u /* PostgreSQL takes less than 8,000 bytes */
#define PAYLOADS_MAX (256u << 10)
#define EVERYTHING   "*"
#define ANSWER_MS    5000
#define PRUNE_MS     60000
#define PRUNE_MAX    1000

/* Whether word survives a crash is nothing to wait for a disk for. */
static const char notify_sql[] = "SELECT pg_catalog.set_config('synchronous_commit', 'off', true),"
                                 " pg_catalog.pg_notify('chancat', $1)";
static const char prune_sql[] =
    "WITH gone AS (DELETE FROM chancat.append_key WHERE name IN (SELECT name FROM"
    " chancat.append_key WHERE time <= " PG_NOW
    " - $1 ORDER BY time LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING 1)"
    " SELECT pg_catalog.count(*) FROM gone";

/* --- what is to be told ----------------------------------------------------------------------- */

/* Under the lock. */
static void tell_everything(struct pg_news *n)
{
    n->everything = true;
    n->count = 0;
    memset(n->slots, 0, sizeof(n->slots));
}

static void remember(struct pg_news *n, struct span channel, int64_t id)
{
    if (channel.len > PG_NEWS_NAME_MAX || n->count >= PG_NEWS_SLOTS / 2) {
        tell_everything(n);
        return;
    }
    size_t at = hash_add(HASH_START, channel) % PG_NEWS_SLOTS;
    struct pg_news_slot *slot = &n->slots[at];
    while (slot->len > 0 && !span_equal((struct span){slot->name, slot->len}, channel))
        slot = &n->slots[at = (at + 1) % PG_NEWS_SLOTS];
    n->count += slot->len == 0;
    slot->len = (unsigned char)channel.len;
    memcpy(slot->name, channel.data, channel.len);
    if (slot->id < id)
        slot->id = id;
}

void pg_news_tell(void *news, struct span channel, int64_t id)
{
    struct pg_news *n = news;
    pthread_mutex_lock(&n->lock);
    bool first = n->count == 0 && !n->everything;
    if (!n->everything)
        remember(n, channel, id);
    pthread_mutex_unlock(&n->lock);
    if (first)
        wake_up(&n->wake);
}

static int add_slot(struct buf *b, const struct pg_news_slot *slot)
{
    int bad = buf_addf(b, "%" PRId64 " ", slot->id);
    for (size_t i = 0; !bad && i < slot->len; i++)
        bad = buf_addf(b, "%02x", (unsigned char)slot->name[i]);
    return bad;
}

/* Into n->payloads. False: there is nothing. */
static bool make_payloads(struct pg_news *n)
{
    struct buf *b = &n->payloads;
    size_t begin = 0;
    int bad = 0;
    buf_clear(b);
    pthread_mutex_lock(&n->lock);
    for (size_t i = 0; !bad && i < PG_NEWS_SLOTS && n->count > 0; i++) {
        if (n->slots[i].len == 0)
            continue;
        bool next = b->len - begin > PAYLOAD_MAX - 2 * PG_NEWS_NAME_MAX - 32;
        bad = b->len > 0 ? buf_add_char(b, next ? '\0' : ' ') : 0;
        begin = next ? b->len : begin;
        bad = bad || add_slot(b, &n->slots[i]);
    }
    bool everything = n->everything || bad;
    tell_everything(n); /* to have the table empty */
    n->everything = false;
    pthread_mutex_unlock(&n->lock);
    if (everything) {
        buf_clear(b);
        bad = buf_add_str(b, EVERYTHING);
    }
    return b->len > 0 && !bad && !buf_add_char(b, '\0');
}

static bool has_word(struct pg_news *n)
{
    pthread_mutex_lock(&n->lock);
    bool has = n->count > 0 || n->everything;
    pthread_mutex_unlock(&n->lock);
    return has;
}

static bool ends(struct pg_news *n)
{
    pthread_mutex_lock(&n->lock);
    bool e = n->ends;
    pthread_mutex_unlock(&n->lock);
    return e;
}

/* --- what is heard ---------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* False: it is no "ID HEX". */
static bool hear_one(struct pg_news *n, struct span id, struct span hex)
{
    char name[PG_NEWS_NAME_MAX];
    int64_t number;
    if (hex.len == 0 || hex.len % 2 || hex.len > 2 * sizeof(name) ||
        number_parse(id.data, id.len, &number))
        return false;
    for (size_t i = 0; i < hex.len; i += 2) {
        int high = hex_digit(hex.data[i]), low = hex_digit(hex.data[i + 1]);
        if (high < 0 || low < 0)
            return false;
        name[i / 2] = (char)(high << 4 | low);
    }
    n->listener(n->context, (struct span){name, hex.len / 2}, number);
    return true;
}

static struct span next_word(const char **at)
{
    struct span word = {*at, strcspn(*at, " ")};
    *at += word.len;
    *at += strspn(*at, " ");
    return word;
}

/* Whoever may connect may notify: what is no word of ours says that something may be new. */
static void hear(struct pg_news *n, const char *payload)
{
    const char *at = payload;
    bool good = *at != '\0';
    while (good && *at) {
        struct span id = next_word(&at);
        good = hear_one(n, id, next_word(&at));
    }
    if (!good)
        n->listener(n->context, (struct span){NULL, 0}, 0);
}

static void take_notifications(struct pg_news *n)
{
    PGnotify *notify;
    while (n->link.conn && (notify = PQnotifies(n->link.conn))) {
        if (notify->be_pid != PQbackendPID(n->link.conn))
            hear(n, notify->extra);
        PQfreemem(notify);
    }
}

/* --- the thread ------------------------------------------------------------------------------- */

static void is_lost(struct pg_news *n, const struct error *why)
{
    pg_close(&n->link);
    pg_state_is_down(n->state, why);
    n->connect_at = clock_deadline(pg_state_pause(&n->pause_ms));
}

/* One statement; false: the connection was lost. What is refused may work next time. */
static bool run(struct pg_news *n, struct pg_step *step)
{
    struct error e;
    enum pg_end end = pg_run(&n->link, step, 1, clock_deadline(ANSWER_MS), &e);
    pg_clear(step, 1);
    if (end == PG_LOST)
        is_lost(n, &e);
    return end != PG_LOST;
}

static void connect_now(struct pg_news *n)
{
    struct error e;
    struct pg_step listen = {.sql = "LISTEN chancat"};
    if (pg_open(&n->link, n->uri, clock_deadline(PG_CONNECT_MS), &e)) {
        is_lost(n, &e);
        return;
    }
    if (!run(n, &listen))
        return;
    n->pause_ms = 0;
    pg_state_is_up(n->state);
    n->listener(n->context, (struct span){NULL, 0}, 0); /* it was deaf until now */
}

static void tell_now(struct pg_news *n)
{
    if (!make_payloads(n))
        return;
    const char *at = n->payloads.data, *end = at + n->payloads.len;
    for (bool good = true; good && at < end; at += strlen(at) + 1) {
        struct pg_step step = {.sql = notify_sql};
        pg_add_text(&step, at);
        good = run(n, &step);
    }
    n->tell_at = clock_deadline(PG_NEWS_PAUSE_MS);
}

static void prune_now(struct pg_news *n)
{
    struct error e;
    struct pg_step step = {.sql = prune_sql};
    pg_add_int8(&step, STORE_KEY_KEPT_S);
    pg_add_int8(&step, PRUNE_MAX);
    enum pg_end end = pg_run(&n->link, &step, 1, clock_deadline(ANSWER_MS), &e);
    /* As many as there may be: it goes on at once, so it keeps pace with any sender. */
    bool more = end == PG_DONE && pg_int8(step.result, 0, 0) == PRUNE_MAX;
    pg_clear(&step, 1);
    n->prune_at = more ? 0 : clock_deadline(PRUNE_MS);
    if (end == PG_FAILED)
        log_warn("keys that are too old cannot be removed: %s", e.text);
    if (end == PG_LOST)
        is_lost(n, &e);
}

/* Until there is word from here or there, or something is due. */
static void wait_for_work(struct pg_news *n)
{
    struct error e;
    int64_t until = n->link.conn ? n->prune_at : n->connect_at;
    if (n->link.conn && has_word(n))
        until = clock_sooner(until, n->tell_at);
    struct pollfd p[] = {
        {.fd = wake_fd(&n->wake), .events = POLLIN},
        {.fd = n->link.conn ? PQsocket(n->link.conn) : -1, .events = POLLIN},
    };
    int r = poll(p, 2, clock_left_ms(until));
    if (r < 0 && errno != EINTR)
        return;
    wake_clear(&n->wake);
    if (n->link.conn && p[1].revents && !PQconsumeInput(n->link.conn)) {
        error_set(&e, ERROR_LOCAL, "the connection to PostgreSQL was lost");
        is_lost(n, &e);
    }
}

static bool is_due(int64_t at)
{
    return clock_left_ms(at) == 0;
}

static void *news_main(void *context)
{
    struct pg_news *n = context;
    while (!ends(n)) {
        if (!n->link.conn && is_due(n->connect_at))
            connect_now(n);
        take_notifications(n);
        if (n->link.conn && is_due(n->tell_at))
            tell_now(n);
        if (n->link.conn && is_due(n->prune_at))
            prune_now(n);
        take_notifications(n); /* those that came with the answers */
        if (!ends(n))
            wait_for_work(n);
    }
    if (n->link.conn)
        tell_now(n);
    pg_close(&n->link);
    return NULL;
}

enum error_kind pg_news_start(struct pg_news *n, const char *uri, struct pg_state *state,
                              store_listener_fn *listener, void *context, struct error *e)
{
    *n = (struct pg_news){.uri = uri, .state = state, .listener = listener, .context = context};
    n->link.listens = true;
    buf_init(&n->payloads, PAYLOADS_MAX);
    pthread_mutex_init(&n->lock, NULL);
    enum error_kind kind = wake_open(&n->wake, e);
    int r = kind ? 0 : pthread_create(&n->thread, NULL, news_main, n);
    n->runs = !kind && r == 0;
    return r ? error_set(e, ERROR_LOCAL, "cannot start a thread: %s", strerror(r)) : kind;
}

void pg_news_stop(struct pg_news *n)
{
    if (n->runs) {
        pthread_mutex_lock(&n->lock);
        n->ends = true;
        pthread_mutex_unlock(&n->lock);
        wake_up(&n->wake);
        pthread_join(n->thread, NULL);
    }
    wake_close(&n->wake);
    buf_release(&n->payloads);
    pthread_mutex_destroy(&n->lock);
}
