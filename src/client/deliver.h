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
 *     try is older than DELIVER_KEY_DAYS is not trusted (the server forgets it after 7 days).
 *   - Any other server is looked at (settle.h) until --settle has passed since the try ended. A
 *     message above the watermark that is ours settles it: stored. Only when a complete look at
 *     the end of that time shows none, it counts as unsent and is sent again.
 *
 * The watermark is the newest id that was known before the first try of this message, and stays
 * over all its tries. Since it moves past each message that was stored or found, a message
 * is never claimed by two lines: 100 equal lines become 100 messages. ids are one sequence for all
 * channels, so one number serves them all.
 *
 * What remains: without keys, a try that is stored later than --settle makes a second message, and
 * another person's message of the same sender and text in that time is taken for ours.
 *
 * Belongs to one thread. Waits end with a stop signal.
 */
#ifndef CHANCAT_DELIVER_H
#define CHANCAT_DELIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "client/backoff.h"
#include "client/channel.h"
#include "common/error.h"
#include "common/message.h"

#define DELIVER_KEY_DAYS 6 /* a day less than the server keeps them: clocks may be wrong */

/* A message on its way. A fresh one has watermark -1 and no attempts. */
struct parcel {
    const char *label; /* what diagnostics call it: `line 5` */
    struct span channel, sender, content;
    const char *key;   /* its idempotency key */
    int64_t watermark; /* -1: none is known */
    int64_t attempts;  /* tries of which something may have left; 0: it is certainly not stored */
    int64_t first_s;   /* wall clock of the first, seconds since 1970 */
    bool keyed;        /* all of them had the key */
};

struct deliver {
    struct channel channel;
    struct backoff backoff;
    int64_t settle_ms, patience_ms;
    int64_t newest; /* id known, -1: none yet */
    bool asked;     /* what the server can is known */
    bool blind;     /* the server does not let us read: no watermark, no look, no keys */
    /* Called before the first byte of each try leaves, with attempts, first_s and watermark
     * up to date: what must be remembered of it. An error stops the try. May be NULL. */
    enum error_kind (*before_try)(void *context, const struct parcel *p, struct error *e);
    void *context;
};

/* `http` is not owned. patience_ms: of --retry-for, INT64_MAX is for ever. */
void deliver_init(struct deliver *d, struct http *http, int64_t settle_ms, int64_t patience_ms);
void deliver_release(struct deliver *d);

/*
 * Sends `p` until its end is known:
 *
 *   ERROR_NONE         stored once: *ret_stored, which the caller releases
 *   ERROR_REFUSED      not stored, for good
 *   ERROR_UNREACHABLE  not stored, as far as can be seen; the patience is over
 *   ERROR_STOPPED      the same; a signal came
 *   ERROR_UNKNOWN      perhaps stored; the patience is over, a signal came, or it cannot be told
 *   ERROR_LOCAL        before_try or memory; with p->attempts > 0 it is perhaps stored
 */
enum error_kind deliver(struct deliver *d, struct parcel *p, struct message *ret_stored,
                        struct error *e);

#endif
