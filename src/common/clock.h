/* SPDX-License-Identifier: MIT */
/*
 * clock: time that only goes forward, in milliseconds, and deadlines made of it.
 * Setting the wall clock changes nothing here.
 */
#ifndef CHANCAT_CLOCK_H
#define CHANCAT_CLOCK_H

#include <stdint.h>

#define CLOCK_NEVER INT64_MAX

/* Milliseconds since an arbitrary start (CLOCK_MONOTONIC). */
int64_t clock_now_ms(void);

/* The same in microseconds, to measure with. */
int64_t clock_now_us(void);

/* The moment `after_ms` from now; CLOCK_NEVER stays CLOCK_NEVER. */
int64_t clock_deadline(int64_t after_ms);

/* The earlier of two moments. */
static inline int64_t clock_sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Milliseconds left until `deadline`, 0 when it has passed, at most INT_MAX
 * (for poll-like calls; -1 for CLOCK_NEVER). */
int clock_left_ms(int64_t deadline);

#endif
