/* SPDX-License-Identifier: MIT */
#include "client/deliver.h"

#include <time.h>

#include "client/key.h"
#include "client/outcome.h"
#include "client/settle.h"
#include "common/clock.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/stop.h"

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

void deliver_forget(struct deliver *d)
{
    d->newest = -1;
}

/* One delivery in work. */
struct progress {
    struct deliver *d;
    struct parcel *p;
    bool maybe;             /* it is perhaps stored */
    bool keyless;           /* keys do not settle this one */
    bool final;             /* the last step's kind is the end */
    bool looked;            /* the last step was a look */
    bool told;              /* that it may or may not be stored */
    int64_t retry_after_ms; /* of the last reply */
    int64_t began_ms;       /* when the last POST began */
    struct stored *stored;  /* the caller's */
    struct error *e;
};

static uint64_t hash_of(struct span channel)
{
    return hash_add(HASH_START, channel) | 1;
}

/* Asks the server for the channel's newest id and what it can. */
static enum error_kind probe(struct progress *g)
{
    struct deliver *d = g->d;
    int64_t newest, began_ms = clock_now_ms();
    enum error_kind kind =
        channel_probe(&d->channel, g->p->channel, &newest, &g->retry_after_ms, g->e);
    g->p->unreadable = kind == ERROR_REFUSED;
    if (kind)
        return kind;
    d->asked = true;
    d->newest = newest;
    d->newest_at_ms = began_ms;
    d->newest_of = hash_of(g->p->channel);
    return ERROR_NONE;
}

/* One POST. It counts as a try unless it is certain that it was not stored. */
static enum error_kind try_once(struct progress *g)
{
    struct deliver *d = g->d;
    struct parcel *p = g->p;
    struct channel_posted posted;
    if (p->attempts++ == 0) {
        p->first_s = (int64_t)time(NULL);
        p->keyed = true;
    }
    p->keyed &= d->channel.can_keys;
    if (d->before_try && d->before_try(d->context, p, g->e)) {
        p->attempts--;
        return error_rekind(g->e, ERROR_LOCAL);
    }
    const char *key = d->channel.can_keys ? p->key : NULL;
    g->began_ms = clock_now_ms();
    enum error_kind kind =
        p->batch ? channel_post_batch(&d->channel, p->batch, key, d->full, &posted, g->e)
                 : channel_post(&d->channel, p->channel, p->sender, p->content, key, &posted, g->e);
    *g->stored = posted.stored;
    p->ended_ms = clock_now_ms();
    g->retry_after_ms = posted.retry_after_ms;
    p->attempts -= kind == ERROR_UNREACHABLE || kind == ERROR_REFUSED;
    p->line_refused = kind == ERROR_REFUSED && outcome_refuses_line(posted.status);
    if (kind != ERROR_BAD_DATA)
        return kind;
    p->answered = g->keyless = true; /* the key would bring the same answer again */
    return error_rekind(g->e, ERROR_UNKNOWN);
}

static bool newest_is_fresh(const struct progress *g)
{
    const struct deliver *d = g->d;
    return d->newest >= 0 && clock_now_ms() - d->newest_at_ms <= DELIVER_FRESH_MS &&
           (d->newest_of == 0 || (!g->p->batch && d->newest_of == hash_of(g->p->channel)));
}

/* It is not stored: a try. The watermark is taken before the first one and then kept. A server that
 * lets nobody read is written to without one. */
static enum error_kind attempt(struct progress *g)
{
    struct deliver *d = g->d;
    if (g->p->attempts == 0) {
        bool needed = !newest_is_fresh(g) && !(d->asked && d->channel.can_keys);
        enum error_kind kind = needed ? probe(g) : ERROR_NONE;
        if (kind == ERROR_REFUSED)
            log_info("%s: %s; sending without a look", g->p->label, g->e->text);
        else if (kind)
            return kind;
        g->p->watermark = newest_is_fresh(g) ? d->newest : -1;
    }
    return try_once(g);
}

/* Clocks may be set back and forward, hence the margin on both sides. */
static bool can_repeat(const struct progress *g)
{
    return !g->keyless && g->p->keyed && g->d->channel.can_keys && key_is_fresh(g->p->first_s);
}

/* The same POST with the same key. ERROR_REFUSED: that does not settle it. */
static enum error_kind repeat(struct progress *g)
{
    enum error_kind kind = probe(g);
    if (!kind && !g->d->channel.can_keys)
        return error_set(g->e, ERROR_REFUSED, "the server does not keep keys any more");
    if (!kind)
        return try_once(g);
    /* Whatever refuses to be read may stand in front of the server only for a while. */
    return kind == ERROR_LOCAL ? kind : error_rekind(g->e, ERROR_UNKNOWN);
}

/* What is left of --settle since the try ended. */
static int64_t window_left(const struct progress *g)
{
    int64_t passed = g->p->ended_ms ? clock_now_ms() - g->p->ended_ms : 0;
    return passed < g->d->settle_ms ? g->d->settle_ms - passed : 0;
}

/* Looks whether an earlier try was stored. ERROR_UNREACHABLE: it was not. */
static enum error_kind look(struct progress *g)
{
    struct parcel *p = g->p;
    struct settle s = {.label = p->label,
                       .quiet = g->told,
                       .name = p->channel,
                       .sender = p->sender,
                       .content = p->content,
                       .watermark = p->watermark,
                       .window_ms = window_left(g),
                       .patience_ms = g->d->patience_ms,
                       .give_up_at = g->d->give_up_at};
    struct error why = *g->e;
    if (p->batch) {
        p->apart = true;
        return error_rekind(g->e, ERROR_UNKNOWN);
    }
    g->looked = true;
    p->hopeless = p->watermark < 0 && !p->keyed;
    if (p->watermark < 0)
        return error_rekind(g->e, ERROR_UNKNOWN); /* the try's own sentence stays */
    g->told = true;
    switch (settle(&g->d->channel, &s, g->stored, g->e)) {
    case SETTLE_STORED:
        log_info("%s: stored after all, as a look shows", p->label);
        return ERROR_NONE;
    case SETTLE_MISSED:
        p->hopeless = p->answered;
        if (p->answered)
            return error_set(g->e, ERROR_UNKNOWN, "%s", why.text);
        return error_set(g->e, ERROR_UNREACHABLE, "the server did not store it");
    case SETTLE_UNKNOWN:
        p->unreadable = g->e->kind == ERROR_REFUSED;
        p->hopeless |= p->answered;
        break;
    }
    return error_rekind(g->e, ERROR_UNKNOWN);
}

/* It is perhaps stored: finds out, or leaves it so. */
static enum error_kind resolve(struct progress *g)
{
    enum error_kind kind = g->d->asked ? ERROR_NONE : probe(g); /* from an earlier run */
    if (kind)
        return kind == ERROR_LOCAL ? kind : error_rekind(g->e, ERROR_UNKNOWN);
    if (can_repeat(g)) {
        kind = repeat(g);
        if (kind == ERROR_UNREACHABLE)
            return error_rekind(g->e, ERROR_UNKNOWN);
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
    struct deliver *d = g->d;
    int64_t pause_ms;
    if (settle_must_end(d->give_up_at) || !backoff_next(&d->backoff, g->retry_after_ms, &pause_ms))
        return false;
    if (d->backoff.failures == 1)
        log_warn("%s: %s; %s", g->p->label, g->e->text,
                 g->maybe ? "finding out whether it was stored" : "trying again");
    else
        log_info("%s: %s", g->p->label, g->e->text);
    log_info("%s: next step in %.1f s", g->p->label, (double)pause_ms / 1000);
    return settle_wait(d->channel.http, clock_deadline(pause_ms), d->give_up_at);
}

/* Stored. Its id is the newest one only when the first POST has told it: a look, or a repeat that
 * the server knew already, may speak of a message of long ago. */
static enum error_kind finish(struct progress *g, bool by_post)
{
    struct deliver *d = g->d;
    g->p->id = g->stored->last;
    d->newest = by_post && g->p->attempts == 1 ? g->stored->last : -1;
    d->newest_at_ms = g->began_ms;
    d->newest_of = 0;
    backoff_reset(&d->backoff);
    return ERROR_NONE;
}

/* Between two steps. A signal still allows one look, for keyed ones, too: it is the quicker way. */
static enum error_kind give_up(struct progress *g)
{
    if (!g->maybe)
        return error_rekind(g->e, stop_signal() ? ERROR_STOPPED : ERROR_UNREACHABLE);
    if (stop_signal() && !g->p->batch && look(g) == ERROR_NONE)
        return finish(g, false);
    g->p->hopeless = g->p->answered || (g->p->watermark < 0 && !g->p->keyed);
    return error_rekind(g->e, ERROR_UNKNOWN);
}

enum error_kind deliver(struct deliver *d, struct parcel *p, struct stored *ret_stored,
                        struct error *e)
{
    struct progress g = {.d = d, .p = p, .maybe = p->attempts > 0, .stored = ret_stored, .e = e};
    p->hopeless = p->unreadable = p->line_refused = p->apart = false;
    error_set(e, ERROR_UNKNOWN, "an earlier try did not tell whether it was stored");
    for (;;) {
        g.retry_after_ms = -1;
        g.looked = false;
        enum error_kind kind = g.maybe ? resolve(&g) : attempt(&g);
        if (kind == ERROR_NONE)
            return finish(&g, !g.looked);
        if (kind == ERROR_REFUSED) {
            backoff_reset(&d->backoff);
            p->apart = p->batch != NULL;
        }
        if (g.final || kind == ERROR_REFUSED || kind == ERROR_LOCAL)
            return kind;
        g.maybe = kind == ERROR_UNKNOWN;
        bool looks_next = g.maybe && d->asked && !can_repeat(&g); /* that has its own schedule */
        if (!looks_next && !pause_before_next(&g))
            return give_up(&g);
    }
}
