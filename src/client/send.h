/* SPDX-License-Identifier: MIT */
/*
 * send: reads stdin record by record and sends each, one POST in flight, so that the order of the
 * lines is the channel's order. Where the server takes batches, the lines that are there already
 * go together (batch.h), up to the first that would have to be waited for. What becomes of a line
 * is deliver.h's business: a refused line is reported and the next taken; one that could not be
 * sent, or whose outcome stayed unknown, is reported and ends the run.
 *
 * With --outbox a line is first made durable (outbox.h) and then sent from there (drain.h); when
 * the server fails, later lines are still read and kept, and as long as s->keeping says so, all
 * are.
 *
 * Runs in the reader thread (or in the main thread with -s and --flush).
 */
#ifndef CHANCAT_SEND_H
#define CHANCAT_SEND_H

#include "client/session.h"
#include "client/tally.h"

/* Until stdin has ended, or the run must end. Failures are reported here and counted in *tally.
 * Sets s->sending_done (and s->failed) and wakes the poll loop. */
void send_run(struct session *s, struct tally *tally);

/* Sends what waits in the outbox; does not read stdin (s->input is not used). */
void send_flush(struct session *s, struct tally *tally);

#endif
