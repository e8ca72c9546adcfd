/* SPDX-License-Identifier: MIT */
/*
 * progress: how far a long piece of work is, on one line of a terminal that is written again and
 * again. Where standard error is no terminal, or with -q, nothing is written.
 *
 * One thread, which writes nothing else to the terminal before progress_end().
 */
#ifndef CHANCATD_PROGRESS_H
#define CHANCATD_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROGRESS_MS 250 /* between two lines */

struct progress {
    bool on;
    size_t len; /* of the line that stands there */
    int64_t next_at;
    /* of the step */
    const char *what;
    int64_t low, high, begun_at, done;
};

void progress_init(struct progress *p);

/* A step begins: "checking", which goes from one number to another. */
void progress_begin(struct progress *p, const char *what, int64_t low, int64_t high);

/* So many more messages, and the number that was reached. */
void progress_add(struct progress *p, int64_t count, int64_t reached);

/* Takes the line away. */
void progress_end(struct progress *p);

#endif
