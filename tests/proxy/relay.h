/* SPDX-License-Identifier: MIT */
/*
 * relay: one client's connection to the fault proxy, in a thread of its own: requests are
 * forwarded, each over a new connection to the server, or come to grief.
 *
 * Limits: RELAY_THREADS connections and parked requests at a time (more are closed at once),
 * RELAY_SILENCE_S seconds without a byte from the server.
 */
#ifndef PROXY_RELAY_H
#define PROXY_RELAY_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

#include "proxy/mix.h"

#define RELAY_THREADS   2048
#define RELAY_SILENCE_S 60

struct proxy {
    /* set once, before the first connection */
    struct sockaddr_in upstream;
    struct mix mix;
    uint64_t seed;
    double park_max, hang; /* seconds */
    unsigned get_faults;   /* percent */
    double started;        /* relay_now() */

    pthread_mutex_t lock; /* for all that follows */
    FILE *log;            /* NULL: none */
    uint64_t posts, gets, connections;
    unsigned threads, parked;
};

/* Seconds on a clock that only goes forward. */
double relay_now(void);

/* Takes the connection fd over. */
void relay_start(struct proxy *proxy, int fd);

/* Says in the log how many requests are still parked and closes it. The lock stays held, so that
 * nothing happens afterwards. */
void relay_end(struct proxy *proxy);

#endif
