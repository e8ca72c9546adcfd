/* SPDX-License-Identifier: MIT */
/*
 * visits: the channels that a conversation has shown, and where each was left, so that one that is
 * shown again goes on there. Of at most VISITS_MAX; the one that was shown longest ago is
 * forgotten, but neither the one that the cursor file is about nor the one to go back to.
 *
 * Not for two threads at once. All zero: none yet.
 */
#ifndef CHANCAT_VISITS_H
#define CHANCAT_VISITS_H

#include <stdbool.h>
#include <stdint.h>

#include "client/session.h"
#include "common/buf.h"
#include "common/text.h"

#define VISITS_MAX 32u

struct visit {
    struct buf name;
    struct place place;
    bool has_cursor;   /* --cursor-file is about this one */
    uint64_t shown_at; /* counts the calls of visits_find() */
};

struct visits {
    struct visit all[VISITS_MAX];
    unsigned count;
    uint64_t now;
};

/* Where this channel was left, or a new place. `keep` (NULL: none) stays what it is. */
struct visit *visits_find(struct visits *v, struct span name, const struct visit *keep);

void visits_release(struct visits *v);

#endif
