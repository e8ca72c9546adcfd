/* SPDX-License-Identifier: MIT */
/*
 * latest: the last short reading that was answered, for those who ask the same right after.
 *
 * When a message comes, all who waited for it ask for the same rows of the same channel: the first
 * of them reads and renders, the others get a copy. What was read stays right: the rows of a
 * channel in a range of ids do not change once the highest of them is visible, unless somebody else
 * changes the database; so it is kept for LATEST_FRESH_MS only.
 *
 * One reading of at most LATEST_BYTES is kept. Any thread; the lock is a leaf.
 */
#ifndef CHANCATD_LATEST_H
#define CHANCATD_LATEST_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/text.h"

#define LATEST_BYTES    16384u /* of the channel's name and the reply together */
#define LATEST_FRESH_MS 1000

/* What was asked for: at most `limit` messages of a channel with after < id <= upto. */
struct latest_question {
    struct span channel;
    int64_t after, upto, limit;
};

struct latest {
    pthread_mutex_t lock;
    int64_t after, upto, limit;
    int64_t at_ms; /* when it was read, clock_now_ms() */
    size_t channel_len;
    struct buf kept; /* the channel's name and then the reply; empty: nothing is kept */
};

void latest_init(struct latest *l);
void latest_destroy(struct latest *l);

/* True: the reply is appended to `body`. False: this was not the last question, or no memory. */
bool latest_find(struct latest *l, const struct latest_question *q, struct buf *body);

/* Keeps a whole reply instead of the one before, unless it is too long. */
void latest_keep(struct latest *l, const struct latest_question *q, struct span reply);

#endif
