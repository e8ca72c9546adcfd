/* SPDX-License-Identifier: MIT */
/*
 * drain: sends what waits in the outbox, in order, whoever put it there.
 *
 * One process sends at a time (outbox_lock). A line leaves the outbox when it is stored, or for
 * failed/ when the server refuses what it holds or nobody will ever know what became of it. Any
 * other end leaves it where it is and stops the draining, since the order must be kept; a later
 * run, or a later try of this one, goes on with it.
 *
 * A run sends its own lines and those that were there before them. What others add behind them is
 * theirs to send, or a run would never end beside a busy one. --flush sends what is there when it
 * begins.
 *
 * Lines that wait together go as one batch where the server takes batches: up to the first that
 * was tried before, and as many as fit. A batch that somebody has left behind comes first, whoever
 * added its lines; outbox_batch.h tells how it is remembered. One that the server refuses, or that
 * cannot be remembered (a full disk), goes line by line. One that may be stored, and that only its
 * key can settle, waits for that while the server may know the key.
 *
 * Lines that were meant for another server than this run's are left alone.
 *
 * Belongs to the thread that sends.
 */
#ifndef CHANCAT_DRAIN_H
#define CHANCAT_DRAIN_H

#include "client/courier.h"
#include "client/outbox.h"
#include "client/outbox_batch.h"

#define DRAIN_REST_MS      30000 /* between two drainings, after one that outlasted --retry-for */
#define DRAIN_LAST_MS      1000  /* a failure older than this allows one draining more at the end */
#define DRAIN_UNKNOWN_DAYS 7     /* a line that nothing can tell of after so long is set aside */

struct drain {
    struct courier *courier;
    struct outbox *outbox;
    struct span server; /* of this run; lines for others are left */
    struct outbox_line line;
    struct outbox_line more;    /* the one behind it, while a batch is gathered */
    struct batch batch;         /* what goes together, */
    struct outbox_batch record; /* and what is remembered of it; or one that was taken apart */
    int64_t apart_ms;           /* its last try ended before this moment */
    uint64_t alone;             /* lines up to this number go one by one */
    uint64_t number;            /* sent up to this one: this run's last, or the last at its start */
    bool added;                 /* it is this run's, with this key: */
    char key[KEY_LEN + 1];
    int64_t set_aside;    /* lines of this run that this process has set aside */
    struct error failure; /* why the last draining stopped; kind ERROR_NONE: it did not */
    int64_t failed_ms;    /* when */
    int64_t look_at_ms;   /* when the lock is tried next, if another process has it */
    int64_t foreign;      /* lines for other servers that were met */
    bool held;            /* the last draining had the lock: nobody else was sending */
};

/* ERROR_LOCAL: the outbox cannot be read. The caller calls drain_release() in any case. */
enum error_kind drain_init(struct drain *d, struct courier *courier, struct outbox *outbox,
                           struct error *e);
void drain_release(struct drain *d);

/* This run has put a line in. */
void drain_note(struct drain *d, uint64_t number, const char key[KEY_LEN + 1]);

/* Sends what waits, up to this run's last line, unless another process is sending or a rest is due.
 * While the server fails, tries are repeated for --retry-for; after that each draining makes one.
 * Refused and damaged lines are reported and counted here, in the courier's tally. */
void drain_run(struct drain *d);

/* When to call drain_run() though no line is added (clock_now_ms()); CLOCK_NEVER: it need not be.
 */
int64_t drain_again_at(const struct drain *d);

/*
 * The end of a run: sends what is left of this run's lines; if another process is sending, it
 * is waited for, --retry-for at most. Reports what stays behind, and why, and counts it.
 * With `all` (--flush) it is about all lines that wait when it begins.
 */
void drain_finish(struct drain *d, bool all);

#endif
