/* SPDX-License-Identifier: MIT */
/*
 * waiters: requests that wait for a message of their channel, by channel.
 *
 * Whoever takes a waiter out (a message, its deadline, the end) calls its `wake` exactly once,
 * outside the lock; a waiter that was taken out by waiters_remove() is not woken. Any thread.
 */
#ifndef CHANCATD_WAITERS_H
#define CHANCATD_WAITERS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/text.h"

#define WAITERS_BUCKETS 4096u /* channels spread over them by hash */

struct waiter {
    struct span channel; /* the owner's, valid while it waits */
    int64_t after;       /* only a message with an id above this wakes it */
    int64_t deadline;    /* clock_now_ms() */
    void (*wake)(void *context);
    void *context;
    /* of the table, under its lock */
    struct waiter *next, **link;
    bool waiting;
};

struct waiters {
    pthread_mutex_t lock;
    struct waiter *buckets[WAITERS_BUCKETS];
    bool closed; /* nobody waits any more */
};

void waiters_init(struct waiters *w);
void waiters_destroy(struct waiters *w);

/* False: the table is closed, the waiter was not added. */
bool waiters_add(struct waiters *w, struct waiter *waiter);

/* True: it was still waiting and is not any more. */
bool waiters_remove(struct waiters *w, struct waiter *waiter);

/* Message `id` of this channel is there: wakes all that wait for it. */
void waiters_wake_channel(struct waiters *w, struct span channel, int64_t id);

/* Wakes those whose deadline has passed. Returns the nearest deadline left (CLOCK_NEVER: none). */
int64_t waiters_expire(struct waiters *w);

/* Wakes everybody and takes nobody in any more. */
void waiters_close(struct waiters *w);

#endif
