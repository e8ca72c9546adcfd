/* SPDX-License-Identifier: MIT */
/*
 * tally: what became of a run, and the exit status that tells it.
 *
 * One table maps what happened to the statuses that the manual promises. The first that
 * applies in this order counts: 2 usage, 1 local, 7 reset, 5 unknown, 4 refused, 3 unreachable,
 * 6 idle; else 0. Filled by one thread at a time (the reader thread's part is added after it was
 * joined).
 */
#ifndef CHANCAT_TALLY_H
#define CHANCAT_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"

struct tally {
    bool usage, local, unreachable, refused, unknown, idle, reset;
    /* lines of stdin that were not stored, by kind */
    int64_t lines_refused; /* by the server, or by a rule of section INPUT of the manual */
    int64_t lines_unsent;  /* certainly not stored */
    int64_t lines_unknown; /* may be stored */
    int64_t lines_waiting; /* in the outbox, whoever put them there */
};

/* Marks the outcome that belongs to an error kind (none and "stopped" mark nothing). */
void tally_add(struct tally *t, enum error_kind kind);

/* Adds what another thread gathered. */
void tally_merge(struct tally *t, const struct tally *other);

int tally_status(const struct tally *t);

/* One last line on stderr when lines were not stored. */
void tally_report(const struct tally *t);

#endif
