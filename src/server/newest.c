/* SPDX-License-Identifier: MIT */
#include "server/newest.h"

#include <string.h>

#include "common/clock.h"
#include "common/hash.h"

void newest_init(struct newest *n)
{
    memset(n->slots, 0, sizeof(n->slots));
    n->writing = false;
    n->seen = 1;
    pthread_mutex_init(&n->lock, NULL);
}

void newest_destroy(struct newest *n)
{
    pthread_mutex_destroy(&n->lock);
}

/* NULL: such a name is not kept. */
static struct newest_slot *slot_of(struct newest *n, struct span channel)
{
    if (channel.len == 0 || channel.len > NEWEST_NAME_MAX)
        return NULL;
    return &n->slots[hash_add(HASH_START, channel) % NEWEST_SLOTS];
}

static bool holds(const struct newest_slot *slot, struct span channel)
{
    return span_equal((struct span){slot->name, slot->len}, channel);
}

static void put(struct newest_slot *slot, struct span channel, int64_t id, uint64_t commit,
                int64_t at_us)
{
    memcpy(slot->name, channel.data, channel.len);
    slot->len = (unsigned char)channel.len;
    slot->id = id;
    slot->at_us = at_us;
    slot->commit = commit;
}

bool newest_find(struct newest *n, struct span channel, int64_t since_us, int64_t *ret)
{
    const struct newest_slot *slot = slot_of(n, channel);
    if (!slot)
        return false;
    pthread_mutex_lock(&n->lock);
    bool found =
        holds(slot, channel) && !(n->writing && slot->commit == n->seen) && slot->at_us > since_us;
    if (found)
        *ret = slot->id;
    pthread_mutex_unlock(&n->lock);
    return found;
}

uint64_t newest_seen(struct newest *n)
{
    pthread_mutex_lock(&n->lock);
    uint64_t seen = n->seen;
    pthread_mutex_unlock(&n->lock);
    return seen;
}

void newest_learn(struct newest *n, struct span channel, int64_t id, uint64_t seen, int64_t at_us)
{
    struct newest_slot *slot = slot_of(n, channel);
    if (!slot)
        return;
    pthread_mutex_lock(&n->lock);
    if (!n->writing && n->seen == seen)
        put(slot, channel, id, 0, at_us);
    pthread_mutex_unlock(&n->lock);
}

void newest_forget(struct newest *n, struct span channel)
{
    struct newest_slot *slot = slot_of(n, channel);
    pthread_mutex_lock(&n->lock);
    n->writing = true;
    if (slot && holds(slot, channel))
        slot->len = 0;
    pthread_mutex_unlock(&n->lock);
}

void newest_put(struct newest *n, struct span channel, int64_t id)
{
    struct newest_slot *slot = slot_of(n, channel);
    if (!slot)
        return;
    pthread_mutex_lock(&n->lock);
    put(slot, channel, id, n->seen, clock_now_us());
    pthread_mutex_unlock(&n->lock);
}

void newest_settle(struct newest *n)
{
    pthread_mutex_lock(&n->lock);
    n->writing = false;
    n->seen++;
    pthread_mutex_unlock(&n->lock);
}
