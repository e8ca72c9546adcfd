/* SPDX-License-Identifier: MIT */
/*
 * settle: finds out, by looking, whether a message of unknown outcome was stored.
 *
 * Looks come 0, 0.5, 1, 2, 4 ... s after the try ended, and one when `settle_ms` have passed. (One
 * look and then a second POST is not enough: servers store late.) A look that fails is made up
 * for: the last word is only said by a whole look that began after the window.
 */
#ifndef CHANCAT_SETTLE_H
#define CHANCAT_SETTLE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "client/backoff.h"
#include "client/channel.h"

#define SETTLE_FIRST_MS 500
#define SETTLE_GRACE_MS 1000 /* of the one look that a stop signal still allows */

struct settle {
    const char *label; /* for diagnostics */
    bool quiet;        /* do not warn that the message is looked for */
    struct span name, sender, content;
    int64_t watermark;   /* only ids above it count; >= 0 */
    int64_t window_ms;   /* from now */
    int64_t patience_ms; /* how long failing looks are repeated after the window */
    const _Atomic int64_t
        *give_up_at; /* clock_now_ms(), may be set by another thread; NULL: never */
};

enum settle_result {
    SETTLE_STORED,  /* *ret_found is the message, as channel_look() found it */
    SETTLE_MISSED,  /* a whole look after the window found none */
    SETTLE_UNKNOWN, /* a signal came, or the server could not be looked at; *e says why */
};

/* May nothing be waited for any more? A stop signal came, or the moment (NULL: never) has passed.
 */
bool settle_must_end(const _Atomic int64_t *give_up_at);

/* Waits until `moment`. False: settle_must_end(). */
bool settle_wait(struct http *h, int64_t moment, const _Atomic int64_t *give_up_at);

/* On entry *e says what happened to the try. A first look that finds nothing is warned about. */
enum settle_result settle(struct channel *c, const struct settle *s, struct stored *ret_found,
                          struct error *e);

#endif
