/* SPDX-License-Identifier: MIT */
/*
 * guard: closes connections of those who take too long to say what they want.
 *
 * Each connection has one deadline: for the header (from connecting, or from the end of the reply
 * before), then for the body; none while the server works. When it passes the socket is shut down
 * and the HTTP library notices. Any thread.
 */
#ifndef CHANCATD_GUARD_H
#define CHANCATD_GUARD_H

#include <pthread.h>
#include <stdint.h>

struct guarded {
    int fd;
    int64_t deadline; /* clock_now_ms() or CLOCK_NEVER; under the lock */
    struct guarded *next, **link;
};

struct guard {
    pthread_mutex_t lock;
    struct guarded *first;
};

void guard_init(struct guard *g);
void guard_destroy(struct guard *g);

void guard_add(struct guard *g, struct guarded *connection, int fd, int64_t deadline);
void guard_set(struct guard *g, struct guarded *connection, int64_t deadline);
void guard_remove(struct guard *g, struct guarded *connection);

/* Shuts down what is overdue. Returns the nearest deadline left (CLOCK_NEVER: none). */
int64_t guard_expire(struct guard *g);

/* Bytes that the system still has to send, of all connections. */
int64_t guard_unsent(struct guard *g);

#endif
