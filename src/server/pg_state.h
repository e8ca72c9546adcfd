/* SPDX-License-Identifier: MIT */
/*
 * pg_state: does the database answer? Said once when it stops to and once when it does again,
 * however many connections notice. Any thread.
 */
#ifndef CHANCATD_PG_STATE_H
#define CHANCATD_PG_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"

#define PG_CONNECT_MS     5000 /* for a connection */
#define PG_PAUSE_FIRST_MS 50   /* between tries to get one; then twice as long each time */
#define PG_PAUSE_MAX_MS   1000

struct pg_state {
    atomic_bool down;
};

void pg_state_is_down(struct pg_state *s, const struct error *why);
void pg_state_is_up(struct pg_state *s);

/* The pause before the next try; *pause_ms (0 at first) is that of the last. */
int pg_state_pause(int *pause_ms);

#endif
