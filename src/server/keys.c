/* SPDX-License-Identifier: MIT */
#include "server/keys.h"

#include <string.h>

#include "common/hash.h"

void keys_init(struct keys *k)
{
    memset(k->buckets, 0, sizeof(k->buckets));
    pthread_mutex_init(&k->lock, NULL);
}

void keys_destroy(struct keys *k)
{
    pthread_mutex_destroy(&k->lock);
}

bool keys_valid(struct span key)
{
    for (size_t i = 0; i < key.len; i++) {
        if (key.data[i] <= ' ' || key.data[i] > '~')
            return false;
    }
    return key.len > 0 && key.len <= KEYS_TEXT_MAX;
}

bool keys_hold(struct keys *k, struct keys_entry *entry, struct span key)
{
    struct keys_entry **bucket = &k->buckets[hash_add(HASH_START, key) % KEYS_BUCKETS];
    pthread_mutex_lock(&k->lock);
    const struct keys_entry *other = *bucket;
    while (other && !span_equal((struct span){other->text, other->len}, key))
        other = other->next;
    if (!other) {
        memcpy(entry->text, key.data, key.len);
        entry->len = key.len;
        entry->held = true;
        entry->next = *bucket;
        entry->link = bucket;
        if (entry->next)
            entry->next->link = &entry->next;
        *bucket = entry;
    }
    pthread_mutex_unlock(&k->lock);
    return !other;
}

void keys_drop(struct keys *k, struct keys_entry *entry)
{
    pthread_mutex_lock(&k->lock);
    if (entry->held) {
        *entry->link = entry->next;
        if (entry->next)
            entry->next->link = entry->link;
        entry->held = false;
    }
    pthread_mutex_unlock(&k->lock);
}
