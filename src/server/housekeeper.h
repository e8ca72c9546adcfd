/* SPDX-License-Identifier: MIT */
/*
 * housekeeper: one thread with one deadline, for everything that is due at some time.
 *
 * It sleeps until the nearest moment somebody named and then calls `look`, which does what is due
 * and says when it wants to be called next. `look` runs in the housekeeper's thread, without its
 * lock, at most every HOUSEKEEPER_TICK_MS; it may be called when nothing is due. The lock is a
 * leaf: nothing else is locked or waited for under it.
 */
#ifndef CHANCATD_HOUSEKEEPER_H
#define CHANCATD_HOUSEKEEPER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"

#define HOUSEKEEPER_TICK_MS 100

/* Returns the nearest deadline left (clock_now_ms(); CLOCK_NEVER: none). */
typedef int64_t housekeeper_look_fn(void *context);

struct housekeeper {
    housekeeper_look_fn *look;
    void *context;
    pthread_t thread;
    bool runs; /* of the one who starts and stops it */
    /* under the lock */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int64_t wake_at;
    bool ends;
};

/* Before the thread runs deadlines may be named already. */
void housekeeper_init(struct housekeeper *h, housekeeper_look_fn *look, void *context);
void housekeeper_destroy(struct housekeeper *h);

/* ERROR_LOCAL: there is no thread. */
enum error_kind housekeeper_start(struct housekeeper *h, struct error *e);

/* Waits for a `look` in work. Again, or without a start: nothing happens. */
void housekeeper_stop(struct housekeeper *h);

/* Makes sure that it looks no later than a tick after `deadline`. Any thread. */
void housekeeper_look_at(struct housekeeper *h, int64_t deadline);

#endif
