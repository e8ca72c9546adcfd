/* SPDX-License-Identifier: MIT */
/*
 * newest: the newest id of channels that were asked for or written to lately, so that whoever asks
 * a channel for news when there are none costs no look into the database.
 *
 * What is found here is what the database would answer at that moment. For that its one writer says
 * before a commit which channels it will change (they are forgotten, and nothing is learnt until
 * the commit has ended) and after it which ids they have. A channel may be put several times; what
 * was put is found from newest_settle() on, so nobody sees half a commit. A reader that finds
 * nothing asks the database, and may teach what it was told, unless a commit came between:
 *
 *     writer: newest_forget() for each channel, commit, newest_put() for each, newest_settle()
 *     reader: seen = newest_seen(), ask the database, newest_learn(.., seen, when it asked)
 *
 * Somebody else may change the database, too: an administrator with sqlite3, or, where a database
 * has many servers, any of them. So each question says since when an answer counts.
 *
 * It holds one channel for each of NEWEST_SLOTS values of a hash: a newcomer takes the place of
 * whoever was there, and names above NEWEST_NAME_MAX bytes are not kept. Any thread; the lock is a
 * leaf.
 */
#ifndef CHANCATD_NEWEST_H
#define CHANCATD_NEWEST_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/text.h"

#define NEWEST_SLOTS    4096u
#define NEWEST_NAME_MAX 39u

struct newest {
    pthread_mutex_t lock;
    bool writing;  /* between newest_forget() and newest_settle() */
    uint64_t seen; /* commits, counted from 1 */
    struct newest_slot {
        int64_t id;
        int64_t at_us;     /* when that was so, clock_now_us() */
        uint64_t commit;   /* in which it was put, 0: it was learnt */
        unsigned char len; /* 0: nobody */
        char name[NEWEST_NAME_MAX];
    } slots[NEWEST_SLOTS];
};

void newest_init(struct newest *n);
void newest_destroy(struct newest *n);

/* True: *ret is what the channel's highest id (0: it has no message) was at some moment after
 * `since_us`. False: it is not known here. */
bool newest_find(struct newest *n, struct span channel, int64_t since_us, int64_t *ret);

/* A reader's. */
uint64_t newest_seen(struct newest *n);
void newest_learn(struct newest *n, struct span channel, int64_t id, uint64_t seen, int64_t at_us);

/* The writer's. After a commit that failed newest_settle() alone. */
void newest_forget(struct newest *n, struct span channel);
void newest_put(struct newest *n, struct span channel, int64_t id);
void newest_settle(struct newest *n);

#endif
