/* SPDX-License-Identifier: MIT */
/*
 * drain: sends what waits in the outbox, in order, whoever put it there.
 *
 * One process sends at a time (outbox_lock). A line leaves the outbox when it is stored, or for
 * failed/ when it is refused. Any other end leaves it where it is and stops the draining, since the
 * order must be kept; a later run, or a later try of this one, goes on with it.
 *
 * Lines that were meant for another server than this run's are left alone.
 *
 * Belongs to the thread that sends.
 */
#ifndef CHANCAT_DRAIN_H
#define CHANCAT_DRAIN_H

#include "client/courier.h"
#include "client/outbox.h"

#define DRAIN_REST_MS                                                                              \
    30000                    /* after a failure that outlasted --retry-for: pause before the next  \
                              */
#define DRAIN_MINE_MAX 65536 /* lines of this run remembered while another process sends */

struct drain {
    struct courier *courier;
    struct outbox *outbox;
    struct span server; /* of this run; lines for others are left */
    struct outbox_line line;
    struct buf mine;      /* what this run has put in and another process may send */
    struct error failure; /* why the last draining stopped; kind ERROR_NONE: it did not */
    int64_t rest_until;   /* clock_now_ms() */
    int64_t foreign;      /* lines for other servers that the last draining met */
    bool held;            /* the last draining had the lock: nobody else was sending */
};

void drain_init(struct drain *d, struct courier *courier, struct outbox *outbox);
void drain_release(struct drain *d);

/* This run has put a line in. ERROR_LOCAL: memory. */
enum error_kind drain_note(struct drain *d, uint64_t number, const char key[OUTBOX_KEY_LEN + 1],
                           struct error *e);

/* Sends what waits, unless another process does or a rest is due. While the server fails, tries
 * are repeated for --retry-for; after that each draining makes one. Refused and damaged lines are
 * reported and counted here, in the courier's tally. */
void drain_run(struct drain *d);

/* The end of a run: everything is sent, or at least this run's lines if another process sends (it
 * is waited for, --retry-for at most). Reports what stays behind, and why, and counts it. `all`:
 * lines of others count, too (--flush). */
void drain_finish(struct drain *d, bool all);

#endif
