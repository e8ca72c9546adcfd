/* SPDX-License-Identifier: MIT */
/*
 * deliver: brings one message to its end: stored once, or told why not.
 *
 * A POST ends in one of four ways (outcome.h). Stored and refused are ends. What is certainly
 * unsent is sent again after a pause (backoff.h). What is *unknown* (the reply was cut,
 * the server answers 500, ...) may be stored, now or a little later, and is never simply sent
 * again:
 *
 *   - A server that announces `keys` gets the same POST with the same Idempotency-Key, and stores
 * it once. Before each such repeat it is asked whether it still announces them. A key whose first
 *     try is older than KEY_DAYS is not trusted (the server forgets it after 7 days).
 *   - Any other server is looked at (settle.h) until --settle has passed since the try ended. A
 *     message above the watermark that is ours settles it: stored. Only when a complete look at
 *     the end of that time shows none, it counts as unsent and is sent again.
 *
 * The watermark is the newest id of the channel at the moment before the first try of this message,
 * and stays over all its tries. It comes from a reply that is at most DELIVER_FRESH_MS old:
 * of our own POST before (ids are one sequence for all channels), or of a probe of this channel. An
 * older one would let a message of the past be taken for this one. Since it moves past each
 * message that was stored or found, one is never claimed by two lines of a run: 100 equal lines
 * become 100 messages. With keys no watermark is asked for.
 *
 * A server that answers 200 with another message than ours may have changed the text; when a look
 * does not find ours, it stays unknown and is not sent again.
 *
 * A batch is one message here. Only its key can settle it; where that is not possible, it is left
 * to the caller to deliver its lines one by one.
 *
 * What remains: without keys, a try that is stored later than --settle makes a second message, and
 * another person's message of the same sender and text in that time is taken for ours.
 *
 * Belongs to one thread. Waits end with a stop signal.
 */
#ifndef CHANCAT_DELIVER_H
#define CHANCAT_DELIVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "client/backoff.h"
#include "client/channel.h"
#include "client/parcel.h"
#include "common/error.h"
#include "common/message.h"

#define DELIVER_FRESH_MS 1000

struct deliver {
    struct channel channel;
    struct backoff backoff;
    int64_t settle_ms, patience_ms;
    int64_t newest;       /* id of the last reply; -1: none is known */
    int64_t newest_at_ms; /* when that reply came */
    uint64_t newest_of;   /* hash of the channel it speaks of; 0: of all */
    bool asked;           /* what the server can is known */
    bool full;            /* the messages of a batch are wanted back, not only their ids */
    /* clock_now_ms() at which the patience ends whatever --retry-for says; another thread may set
     * it. NULL: never. */
    const _Atomic int64_t *give_up_at;
    /* Called before the first byte of each try leaves, with attempts, first_s, keyed and
     * watermark up to date: what must be remembered of it. An error stops the try. May be NULL. */
    enum error_kind (*before_try)(void *context, const struct parcel *p, struct error *e);
    void *context;
};

/* `http` is not owned. patience_ms: of --retry-for, INT64_MAX is for ever. */
void deliver_init(struct deliver *d, struct http *http, int64_t settle_ms, int64_t patience_ms);
void deliver_release(struct deliver *d);

/* Others may have sent since: the newest id must be asked for again. */
void deliver_forget(struct deliver *d);

/*
 * Sends `p` until its end is known:
 *
 *   ERROR_NONE         stored once: *ret_stored, whose JSON stays until the next call; of a
 *                      batch it may be a summary, unless d->full
 *   ERROR_REFUSED      not stored, for good
 *   ERROR_UNREACHABLE  not stored, as far as can be seen; the patience is over
 *   ERROR_STOPPED      the same; a signal came
 *   ERROR_UNKNOWN      perhaps stored; the patience is over, a signal came, or it cannot be told
 *   ERROR_LOCAL        before_try or memory; with p->attempts > 0 it is perhaps stored
 */
enum error_kind deliver(struct deliver *d, struct parcel *p, struct stored *ret_stored,
                        struct error *e);

#endif
