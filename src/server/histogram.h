/* SPDX-License-Identifier: MIT */
/*
 * histogram: how long something took, counted in fixed buckets, for the text that Prometheus reads.
 *
 * Counting is two additions without a lock. Any thread; who reads while others count gets numbers
 * of which the last few events may be missing, but the buckets and the count agree.
 */
#ifndef CHANCATD_HISTOGRAM_H
#define CHANCATD_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#include "common/buf.h"

#define HISTOGRAM_BUCKETS 14 /* from half a millisecond to 5 seconds, and what took longer */

struct histogram {
    atomic_int_least64_t counts[HISTOGRAM_BUCKETS];
    atomic_int_least64_t sum_us;
};

/* All zero is an empty one; it needs no end. */
void histogram_add(struct histogram *h, int64_t us);

/* Appends NAME_bucket, NAME_sum (seconds) and NAME_count. 0, or -1 with a part appended. */
int histogram_render(const struct histogram *h, const char *name, struct buf *b);

#endif
