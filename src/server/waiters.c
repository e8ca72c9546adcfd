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

void waiters_list_init(struct waiters_list *list)
{
    list->count = 0;
    buf_init(&list->names, WAITERS_LIST_BYTES);
}

void waiters_list_release(struct waiters_list *list)
{
    buf_release(&list->names);
}

static void point_at_names(struct waiters_list *list)
{
    const char *at = list->names.data;
    for (size_t i = 0; i < list->count; at += list->channels[i++].len)
        list->channels[i].data = at;
}

/* The channels of one bucket that are not listed since `from` yet. False: there is no room. */
static bool list_bucket(const struct waiter *at, struct waiters_list *list)
{
    size_t from = list->count;
    for (; at; at = at->next) {
        size_t i = from;
        while (i < list->count && !span_equal(list->channels[i], at->channel))
            i++;
        if (i < list->count || at->channel.len == 0)
            continue;
        if (list->count == WAITERS_LIST_MAX ||
            buf_add(&list->names, at->channel.data, at->channel.len))
            return false;
        list->channels[list->count++].len = at->channel.len;
        point_at_names(list); /* they may have moved */
    }
    return true;
}

bool waiters_next(struct waiters *w, unsigned *bucket, struct waiters_list *list)
{
    bool room = true;
    list->count = 0;
    buf_clear(&list->names);
    pthread_mutex_lock(&w->lock);
    while (room && *bucket < WAITERS_BUCKETS) {
        size_t count = list->count, len = list->names.len;
        room = list_bucket(w->buckets[*bucket], list);
        if (!room && count > 0) { /* as a whole in the next part */
            list->count = count;
            list->names.len = len;
        } else {
            ++*bucket;
        }
    }
    pthread_mutex_unlock(&w->lock);
    return *bucket < WAITERS_BUCKETS;
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
