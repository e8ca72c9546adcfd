/* SPDX-License-Identifier: MIT */
/*
 * recheck: looks for news that nobody told of.
 *
 * Where many servers share a database, word of another server's message is a hint that may get
 * lost; the table is the truth. So now and then, as often as the store asks for
 * (store_recheck_ms()), and when the store says that it missed something, the channels that are
 * waited for are looked up, many in one question, and who has news is woken. A store that misses
 * nothing is never asked.
 */
#ifndef CHANCATD_RECHECK_H
#define CHANCATD_RECHECK_H

#include <stdatomic.h>
#include <stdint.h>

#include "server/store.h"
#include "server/waiters.h"

/* A look costs a question for each 256 channels; the store may miss something a hundred times a
 * second. */
#define RECHECK_PAUSE_MS 200

struct recheck {
    struct waiters *waiters;
    struct store *store;
    int64_t due_at, not_before; /* clock_now_ms(); of the one thread that looks */
    atomic_bool soon;           /* due once RECHECK_PAUSE_MS have passed since the last look */
};

/* Nothing is due before recheck_begin(). */
void recheck_init(struct recheck *r, struct waiters *waiters);
void recheck_begin(struct recheck *r, struct store *store);

/* recheck_waiters() looks as soon as it may. Any thread; returns the moment to call it, now. */
int64_t recheck_soon(struct recheck *r);

/* Looks if it is due; asks the database. A store that fails is asked again next time: those who
 * wait go on waiting. Returns when it is due next (CLOCK_NEVER: it never is). One thread. */
int64_t recheck_waiters(struct recheck *r);

#endif
