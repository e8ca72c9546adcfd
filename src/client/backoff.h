/* SPDX-License-Identifier: MIT */
/*
 * backoff: when to try a failing server again.
 *
 * Full jitter: the n-th pause is random between 0 and 0.5 s * 2^(n-1), at most 30 s, so that many
 * clients do not come back at one moment. A Retry-After is honoured instead, within 1 s and
 * 1 h. A success resets everything. Giving up: when the failures have lasted longer
 * than the patience given, or when the server asks for a pause that goes beyond it.
 */
#ifndef CHANCAT_BACKOFF_H
#define CHANCAT_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

#define BACKOFF_FIRST_MS     500
#define BACKOFF_MAX_MS       30000
#define BACKOFF_AFTER_MIN_MS 1000
#define BACKOFF_AFTER_MAX_MS 3600000

struct backoff {
    int64_t patience_ms; /* INT64_MAX: for ever */
    int64_t give_up_at;  /* clock_now_ms() of the end; set at the first failure */
    unsigned failures;   /* in a row */
};

void backoff_init(struct backoff *b, int64_t patience_ms);

/* The server answered as it should. */
void backoff_reset(struct backoff *b);

/* It failed (again). True: *ret_pause_ms says how long to wait before the next try, which is
 * never later than the moment to give up. False: give up. retry_after_ms < 0: none was sent. */
bool backoff_next(struct backoff *b, int64_t retry_after_ms, int64_t *ret_pause_ms);

#endif
