/* SPDX-License-Identifier: MIT */
/*
 * metrics: what the server counts, and all of it as the text that Prometheus reads (version 0.0.4).
 *
 * The number of lines is bounded whatever clients send: routes and statuses that are not in the
 * lists here are counted as "other". Counting is an addition without a lock; any thread. The
 * members that say so may be changed directly.
 */
#ifndef CHANCATD_METRICS_H
#define CHANCATD_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "common/buf.h"
#include "server/store.h"

#define METRICS_TYPE     "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_STATUSES 12

enum metrics_route {
    METRICS_OTHER, /* no such route */
    METRICS_GET,
    METRICS_PAST,
    METRICS_SEND,
    METRICS_BATCH,
    METRICS_PAGE,
    METRICS_HEALTH,
    METRICS_METRICS,
    METRICS_ROUTES
};

struct metrics {
    atomic_int_least64_t requests[METRICS_ROUTES][METRICS_STATUSES];
    /* changed directly */
    atomic_int_least64_t connections; /* open now */
    atomic_int_least64_t accepted;    /* connections since the start */
    atomic_int_least64_t waiting;     /* requests that wait for a message */
    /* set once */
    int64_t started_s;                      /* seconds since 1970 */
    const char *http_library, *sql_library; /* their versions */
};

/* The versions must stay valid. */
void metrics_init(struct metrics *m, const char *http_library, const char *sql_library);

/* A request of this route is answered with this status. */
void metrics_count(struct metrics *m, enum metrics_route route, int status);

/* Appends the text. 0, or -1 with a part appended. */
int metrics_render(const struct metrics *m, const struct store_stats *stats, struct buf *b);

#endif
