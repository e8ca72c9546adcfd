/* SPDX-License-Identifier: MIT */
/*
 * health: would a message be stored now? What GET /healthz answers.
 *
 * It is tried and not guessed: a probe goes the way of every message, through the queue and the
 * writer to the disk, and writes one page that changes nothing (store_queue()). So a full disk, a
 * disk that fails, a database that another program holds and a writer that is stuck all show. The
 * result is good for HEALTH_FRESH_MS and one probe is under way at a time, so however many ask, it
 * costs a write a second. Nobody is kept for longer than HEALTH_WAIT_S.
 *
 *   health_ask()   true: health_problem() has the answer now; false: when the listener is told of
 *                  a message `number` in the channel with the empty name, which no message can
 *                  have, or after HEALTH_WAIT_S
 *
 * What it says is for anybody: it tells nothing about messages, files or the machine. Any thread;
 * the lock is a leaf. It holds memory that the store uses, so it is destroyed after the store is
 * closed.
 */
#ifndef CHANCATD_HEALTH_H
#define CHANCATD_HEALTH_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/store.h"

#define HEALTH_FRESH_MS 1000
#define HEALTH_WAIT_S   2

struct health {
    store_listener_fn *listener;
    void *context;
    struct store_append probe;
    /* under the lock */
    pthread_mutex_t lock;
    int64_t begun, ended; /* numbers of probes, from 1; at most one is begun and not ended */
    int64_t begun_at, ended_at;
    enum error_kind result; /* of the one that ended last; ERROR_REFUSED: it found no room */
};

void health_init(struct health *h, store_listener_fn *listener, void *context);
void health_destroy(struct health *h);

bool health_ask(struct health *h, struct store *store, int64_t *ret_number);

/* Is there a result of probe `number` or a later one? */
bool health_has_ended(struct health *h, int64_t number);

/* NULL: a message would be stored. Else why not, in a sentence. */
const char *health_problem(struct health *h, int64_t number);

#endif
