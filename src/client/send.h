/* SPDX-License-Identifier: MIT */
/*
 * send: reads stdin record by record and posts each, one POST in flight, so that the order of
 * the lines is the channel's order. A line that is certainly unsent is tried again; a refused one
 * is reported and the next taken; an unknown outcome is reported and ends the run, and the line is
 * never sent again blindly.
 *
 * Runs in the reader thread (or in the main thread with -s).
 */
#ifndef CHANCAT_SEND_H
#define CHANCAT_SEND_H

#include "client/session.h"
#include "client/tally.h"

/* Until stdin has ended, or the run must end. Failures are reported here and counted in *tally.
 * Sets s->sending_done (and s->failed) and wakes the poll loop. */
void send_run(struct session *s, struct tally *tally);

#endif
