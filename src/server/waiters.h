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

#include "common/buf.h"
#include "common/text.h"

#define WAITERS_BUCKETS    4096u /* channels spread over them by hash */
#define WAITERS_LIST_MAX   256u
#define WAITERS_LIST_BYTES (1u << 20)

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

/* The channels that somebody waits for, a part at a time: fills `list` from bucket *bucket (0: the
 * first) on, and moves it on. False: it was the last part. Names of more than WAITERS_LIST_BYTES
 * together, or more than WAITERS_LIST_MAX, in one bucket are not all listed. */
struct waiters_list {
    struct buf names; /* one behind the other; the spans point into it */
    struct span channels[WAITERS_LIST_MAX];
    size_t count;
};
void waiters_list_init(struct waiters_list *list);
void waiters_list_release(struct waiters_list *list);
bool waiters_next(struct waiters *w, unsigned *bucket, struct waiters_list *list);

/* Wakes everybody and takes nobody in any more. */
void waiters_close(struct waiters *w);

#endif
