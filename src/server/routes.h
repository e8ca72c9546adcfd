/* SPDX-License-Identifier: MIT */
/*
 * routes: HTTP connections; with reply.c the one user of microhttpd.h.
 *
 * One event thread serves all connections. A POST is suspended until the store's writer has
 * committed it, a waiting GET until a message of its channel comes, its time is over or the
 * server stops. A housekeeper thread sleeps until the nearest deadline.
 */
#ifndef CHANCATD_ROUTES_H
#define CHANCATD_ROUTES_H

#include <stdint.h>

#include "common/error.h"
#include "common/text.h"
#include "server/api.h"
#include "server/listen.h"

#define ROUTES_HEADER_BYTES 16384 /* request line and headers; more is 431 or 414 */
#define ROUTES_REPLY_S      300   /* a client that does not take its reply */
#define ROUTES_STOP_MS      10000 /* requests in flight at a stop */
#define ROUTES_STILL_MS     2000  /* of them, when no client sends or takes anything */

struct routes;

struct routes_config {
    int64_t max_connections;
    int64_t max_per_address; /* 0: no limit */
    int64_t header_ms;       /* for a header; 60,000 in the program */
    int64_t body_ms;         /* for a body; 120,000 in the program */
    int hurry_fd;            /* readable: routes_stop() no longer waits for replies; -1: none */
};

/* Wakes the requests that wait for this message; a store_listener_fn, the context is the struct. */
void routes_on_message(void *routes, struct span channel, int64_t id);

/* Makes the struct, so that the store can be opened with its listener. ERROR_LOCAL. */
enum error_kind routes_new(const struct routes_config *config, struct routes **ret,
                           struct error *e);

/* Begins to serve; takes the listener's socket over. ERROR_LOCAL. */
enum error_kind routes_start(struct routes *r, const struct api *api, struct listener *listener,
                             struct error *e);

/* Stops taking connections, answers what is in flight, ends. Before the store is closed. */
void routes_stop(struct routes *r);

/* After routes_stop() and after the store is closed. NULL is fine. */
void routes_free(struct routes *r);

/* Of libmicrohttpd. */
const char *routes_library_version(void);

#endif
