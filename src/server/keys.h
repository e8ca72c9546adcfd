/* SPDX-License-Identifier: MIT */
/*
 * keys: the Idempotency-Keys of requests in work in this process, so that a repeat that comes
 * before the first has ended is told to come later. What has ended is the store's to know.
 *
 * An entry is its owner's memory and holds a copy of the key. Any thread; the lock is a leaf.
 */
#ifndef CHANCATD_KEYS_H
#define CHANCATD_KEYS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/text.h"

#define KEYS_TEXT_MAX 128   /* bytes of a key */
#define KEYS_BUCKETS  1024u /* keys spread over them by hash */

struct keys_entry {
    char text[KEYS_TEXT_MAX];
    size_t len;
    /* of the table, under its lock */
    struct keys_entry *next, **link;
    bool held;
};

struct keys {
    pthread_mutex_t lock;
    struct keys_entry *buckets[KEYS_BUCKETS];
};

void keys_init(struct keys *k);
void keys_destroy(struct keys *k);

/* 1 to KEYS_TEXT_MAX bytes of visible ASCII? */
bool keys_valid(struct span key);

/* Takes a valid key for an entry that holds none. False: another entry holds it. */
bool keys_hold(struct keys *k, struct keys_entry *entry, struct span key);

/* Gives it back; nothing happens when none is held. */
void keys_drop(struct keys *k, struct keys_entry *entry);

#endif
