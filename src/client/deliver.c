/* SPDX-License-Identifier: MIT */
#include "client/deliver.h"

#include <time.h>

#include "client/settle.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/stop.h"

#define DAY_S 86400

void deliver_init(struct deliver *d, struct http *http, int64_t settle_ms, int64_t patience_ms)
{
    *d = (struct deliver){.settle_ms = settle_ms, .patience_ms = patience_ms, .newest = -1};
    channel_init(&d->channel, http, (struct span){"", 0});
    backoff_init(&d->backoff, patience_ms);
}

void deliver_release(struct deliver *d)
{
    channel_release(&d->channel);
}

/* One delivery in work. */
struct progress {
    struct deliver *d;
    struct parcel *p;
    bool maybe;             /* it is perhaps stored */
    bool keyless;           /* keys do not settle this one */
    bool final;             /* the last step's kind is the end */
    int64_t retry_after_ms; /* of the last reply */
    struct message *stored; /* the caller's */
    struct error *e;
};

/* Asks the server for the newest id and what it can. One that lets nobody read is written to
 * without all that. */
static enum error_kind probe(struct progress *g, int64_t *ret_newest)
{
    struct deliver *d = g->d;
    enum error_kind kind =
        channel_probe(&d->channel, g->p->channel, ret_newest, &g->retry_after_ms, g->e);
    d->asked |= kind == ERROR_NONE || kind == ERROR_REFUSED;
    if (kind != ERROR_REFUSED)
        return kind;
    log_info("%s: %s; sending without a look", g->p->label, g->e->text);
    d->channel.can_keys = false;
    d->blind = true;
    return ERROR_NONE;
}

/* One POST. It counts as a try unless it is certain that nothing of it left. */
static enum error_kind try_once(struct progress *g)
{
    struct deliver *d = g->d;
    struct parcel *p = g->p;
    if (p->attempts++ == 0) {
        p->first_s = (int64_t)time(NULL);
        p->keyed = true;
    }
    p->keyed &= d->channel.can_keys;
    if (d->before_try && d->before_try(d->context, p, g->e)) {
        p->attempts--;
        return error_rekind(g->e, ERROR_LOCAL);
    }
    enum error_kind kind =
        channel_post(&d->channel, p->channel, p->sender, p->content,
                     d->channel.can_keys ? p->key : NULL, g->stored, &g->retry_after_ms, g->e);
    p->attempts -= kind == ERROR_UNREACHABLE;
    return kind;
}

/* It is not stored: a try. The watermark is taken before the first one and then kept. */
static enum error_kind attempt(struct progress *g)
{
    struct deliver *d = g->d;
    if (g->p->attempts == 0) {
        enum error_kind kind = d->newest < 0 && !d->blind ? probe(g, &d->newest) : ERROR_NONE;
        if (kind)
            return kind;
        g->p->watermark = d->newest;
    }
    return try_once(g);
}

/* Clocks may be set back and forward, hence the margin on both sides. */
static bool key_is_fresh(const struct parcel *p)
{
    int64_t age_s = (int64_t)time(NULL) - p->first_s;
    return age_s > -DAY_S && age_s < DELIVER_KEY_DAYS * DAY_S;
}

/* The same POST with the same key. ERROR_REFUSED: that does not settle it. */
static enum error_kind repeat(struct progress *g)
{
    int64_t newest;
    enum error_kind kind = probe(g, &newest);
    if (!kind && !g->d->channel.can_keys)
        return error_set(g->e, ERROR_REFUSED, "the server does not keep keys any more");
    if (!kind)
        kind = try_once(g);
    return kind == ERROR_UNREACHABLE ? error_rekind(g->e, ERROR_UNKNOWN) : kind;
}

/* Looks whether an earlier try was stored. ERROR_UNREACHABLE: it was not. */
static enum error_kind look(struct progress *g)
{
    const struct parcel *p = g->p;
    struct settle s = {.label = p->label,
                       .name = p->channel,
                       .sender = p->sender,
                       .content = p->content,
                       .watermark = p->watermark,
                       .window_ms = g->d->settle_ms,
                       .patience_ms = g->d->patience_ms};
    if (g->d->blind || p->watermark < 0)
        return error_rekind(g->e, ERROR_UNKNOWN); /* the try's own sentence stays */
    switch (settle(&g->d->channel, &s, g->stored, g->e)) {
    case SETTLE_STORED:
        log_info("%s: stored after all, as a look shows", p->label);
        return ERROR_NONE;
    case SETTLE_MISSED:
        return error_set(g->e, ERROR_UNREACHABLE, "the server did not store it");
    case SETTLE_UNKNOWN:
        break;
    }
    return error_rekind(g->e, ERROR_UNKNOWN);
}

static bool can_repeat(const struct progress *g)
{
    return !g->keyless && g->p->keyed && g->d->channel.can_keys && key_is_fresh(g->p);
}

/* It is perhaps stored: finds out, or leaves it so. */
static enum error_kind resolve(struct progress *g)
{
    enum error_kind kind;
    int64_t newest;
    if (!g->d->asked && (kind = probe(g, &newest))) /* from an earlier run: what can it do? */
        return kind == ERROR_LOCAL ? kind : error_rekind(g->e, ERROR_UNKNOWN);
    if (can_repeat(g)) {
        kind = repeat(g);
        if (kind != ERROR_REFUSED)
            return kind;
        g->keyless = true;
    }
    kind = look(g);
    g->final = kind == ERROR_UNKNOWN;
    return kind;
}

/* Waits before the next step. False: there is none, a signal came or the patience is over. */
static bool pause_before_next(struct progress *g)
{
    struct backoff *b = &g->d->backoff;
    int64_t pause_ms;
    if (stop_signal() || !backoff_next(b, g->retry_after_ms, &pause_ms))
        return false;
    if (b->failures == 1)
        log_warn("%s: %s; %s", g->p->label, g->e->text,
                 g->maybe ? "finding out whether it was stored" : "trying again");
    else
        log_info("%s: %s; next step in %.1f s", g->p->label, g->e->text, (double)pause_ms / 1000);
    int64_t deadline = clock_deadline(pause_ms);
    while (!stop_signal() && clock_left_ms(deadline) != 0)
        http_wait(g->d->channel.http, deadline, -1);
    return !stop_signal();
}

static enum error_kind finish(struct progress *g)
{
    if (g->stored->id > g->d->newest)
        g->d->newest = g->stored->id;
    backoff_reset(&g->d->backoff);
    return ERROR_NONE;
}

/* Between two steps. A signal still allows one look. */
static enum error_kind give_up(struct progress *g)
{
    if (!g->maybe)
        return error_rekind(g->e, stop_signal() ? ERROR_STOPPED : ERROR_UNREACHABLE);
    if (stop_signal() && look(g) == ERROR_NONE)
        return finish(g);
    return error_rekind(g->e, ERROR_UNKNOWN);
}

enum error_kind deliver(struct deliver *d, struct parcel *p, struct message *ret_stored,
                        struct error *e)
{
    struct progress g = {.d = d, .p = p, .maybe = p->attempts > 0, .stored = ret_stored, .e = e};
    error_set(e, ERROR_UNKNOWN, "an earlier run did not learn whether it was stored");
    for (;;) {
        g.retry_after_ms = -1;
        enum error_kind kind = g.maybe ? resolve(&g) : attempt(&g);
        if (kind == ERROR_NONE)
            return finish(&g);
        if (kind == ERROR_REFUSED)
            backoff_reset(&d->backoff);
        if (g.final || kind == ERROR_REFUSED || kind == ERROR_LOCAL)
            return kind;
        g.maybe = kind == ERROR_UNKNOWN;
        bool looks_next = g.maybe && d->asked && !can_repeat(&g); /* that has its own schedule */
        if (!looks_next && !pause_before_next(&g))
            return give_up(&g);
    }
}
