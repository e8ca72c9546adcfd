/* SPDX-License-Identifier: MIT */
#include "server/waiters.h"

#include "common/clock.h"

void waiters_init(struct waiters *w)
{
    *w = (struct waiters){0};
    pthread_mutex_init(&w->lock, NULL);
}

void waiters_destroy(struct waiters *w)
{
    pthread_mutex_destroy(&w->lock);
}

/* FNV-1a */
static struct waiter **bucket_of(struct waiters *w, struct span channel)
{
    uint32_t h = 0x811c9dc5u;
    for (size_t i = 0; i < channel.len; i++)
        h = (h ^ (unsigned char)channel.data[i]) * 0x01000193u;
    return &w->buckets[h % WAITERS_BUCKETS];
}

/* Under the lock. */
static void unlink_waiter(struct waiter *waiter)
{
    *waiter->link = waiter->next;
    if (waiter->next)
        waiter->next->link = waiter->link;
    waiter->waiting = false;
}

bool waiters_add(struct waiters *w, struct waiter *waiter)
{
    struct waiter **bucket = bucket_of(w, waiter->channel);
    pthread_mutex_lock(&w->lock);
    bool open = !w->closed;
    if (open) {
        waiter->next = *bucket;
        waiter->link = bucket;
        if (waiter->next)
            waiter->next->link = &waiter->next;
        *bucket = waiter;
    }
    waiter->waiting = open;
    pthread_mutex_unlock(&w->lock);
    return open;
}

bool waiters_remove(struct waiters *w, struct waiter *waiter)
{
    pthread_mutex_lock(&w->lock);
    bool waiting = waiter->waiting;
    if (waiting)
        unlink_waiter(waiter);
    pthread_mutex_unlock(&w->lock);
    return waiting;
}

/* Takes a waiter out of its bucket and puts it on the list of those to wake. Under the lock. */
static void collect(struct waiter *waiter, struct waiter **list)
{
    unlink_waiter(waiter);
    waiter->next = *list;
    *list = waiter;
}

static void wake_all(struct waiter *list)
{
    while (list) {
        struct waiter *waiter = list;
        list = waiter->next; /* the waiter may be gone after the call */
        waiter->wake(waiter->context);
    }
}

void waiters_wake_channel(struct waiters *w, struct span channel, int64_t id)
{
    struct waiter *list = NULL;
    pthread_mutex_lock(&w->lock);
    for (struct waiter *next, *at = *bucket_of(w, channel); at; at = next) {
        next = at->next;
        if (at->after < id && span_equal(at->channel, channel))
            collect(at, &list);
    }
    pthread_mutex_unlock(&w->lock);
    wake_all(list);
}

int64_t waiters_expire(struct waiters *w)
{
    struct waiter *list = NULL;
    int64_t now = clock_now_ms(), nearest = CLOCK_NEVER;
    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < WAITERS_BUCKETS; i++) {
        for (struct waiter *next, *at = w->buckets[i]; at; at = next) {
            next = at->next;
            if (at->deadline <= now)
                collect(at, &list);
            else if (at->deadline < nearest)
                nearest = at->deadline;
        }
    }
    pthread_mutex_unlock(&w->lock);
    wake_all(list);
    return nearest;
}

void waiters_close(struct waiters *w)
{
    struct waiter *list = NULL;
    pthread_mutex_lock(&w->lock);
    w->closed = true;
    for (size_t i = 0; i < WAITERS_BUCKETS; i++) {
        while (w->buckets[i])
            collect(w->buckets[i], &list);
    }
    pthread_mutex_unlock(&w->lock);
    wake_all(list);
}
