/* SPDX-License-Identifier: MIT */
/*
 * store_queue: appends on their way to a writer's thread, and what every writer does with a group
 * of them; a part of the stores (store_sqlite.c, store_pg.c).
 *
 * A writer takes a group, which is all that waits, up to its limits: so a lone append goes at once,
 * and under load many share a transaction. One for which a transaction is dear may wait for more.
 * It then answers those that came too late, tries to commit the rest, tells the listener and
 * answers.
 *
 * Any thread may add; a group belongs to the writer that took it. The lock is a leaf.
 */
#ifndef CHANCATD_STORE_QUEUE_H
#define CHANCATD_STORE_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/store.h"

#define STORE_GROUP_BYTES (16u << 20) /* of texts after which a group takes no further append */

struct store_queue {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    /* under the lock */
    struct store_append *first, **last;
    unsigned len, max; /* appends */
    unsigned enough;   /* of them, for the writer to be woken */
    bool closing;
};

void store_queue_init(struct store_queue *q, unsigned max);
void store_queue_destroy(struct store_queue *q);

/* Prepares an append and queues it. ERROR_UNREACHABLE: no room, or closing. */
enum error_kind store_queue_add(struct store_queue *q, struct store_append *append);

unsigned store_queue_len(struct store_queue *q);

/* Waits for the first append, and takes at most `appends`; none after `messages` messages or
 * STORE_GROUP_BYTES. NULL: closing, and nothing is left. */
struct store_append *store_queue_take(struct store_queue *q, unsigned appends, size_t messages);

/* Waits until `enough` appends are there, until `deadline` (clock_now_ms()), or until it closes.
 * Whoever was answered just now often comes again at once: a writer that waits for them a little
 * has them all in its next transaction, and not half of them in every second one. */
void store_queue_linger(struct store_queue *q, unsigned enough, int64_t deadline);

/* Takes nothing in any more; whoever waits in store_queue_take() is woken. */
void store_queue_close(struct store_queue *q);

/* --- a group: a list through `next` ----------------------------------------------------------- */

/* Has it waited too long to be stored? */
bool store_append_is_late(const struct store_append *a);

/* Of all its texts: what a repeat under the same key must have, too. */
int64_t store_append_fingerprint(const struct store_append *a);

/* The i-th of the ids that are kept with a key, where they are listed: 8 bytes each, big-endian. */
#define STORE_ID_BYTES sizeof(int64_t)
int64_t store_id_at(struct span ids, size_t i);

/* Takes the late ones out of the group, so that they are answered at once. */
struct store_append *store_group_take_late(struct store_append **group);

/* How many appends it has. */
unsigned store_group_len(const struct store_append *group);

/* How many messages were stored, if the group was committed. */
int64_t store_group_stored(const struct store_append *group);

/* Calls the listener for what was stored, if the group was committed. */
void store_group_news(const struct store_append *group, store_listener_fn *listener, void *context);

/* Answers all: ERROR_NONE: the group was committed, and each ended as its `kind` says. Another:
 * nothing of the group was stored (or, ERROR_UNKNOWN, what `kind` says was tried may be). */
void store_group_finish(struct store_append *group, enum error_kind kind);

#endif
