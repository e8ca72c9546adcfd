/* SPDX-License-Identifier: MIT */
/*
 * receive: the poll loop. It prints a channel's messages until the run is over: when nothing is
 * sent any more and a whole look since then was printed (without -f), after -c messages,
 * after --idle without one, when the reader of stdout has left, or on a signal.
 *
 * Runs in the main thread. Where a server holds its replies (`wait`) there is no pause between two
 * fetches; else --interval lies between them, cut short when the reader thread has stored
 * something.
 *
 * With a cursor file the position is saved at most once a second, within a second after the
 * messages were written, and at the end.
 *
 * It also ends when s->leave is set; s->place then tells where to go on in this channel, and
 * is where the next one begins, if it is known.
 */
#ifndef CHANCAT_RECEIVE_H
#define CHANCAT_RECEIVE_H

#include "client/session.h"
#include "client/tally.h"

/* `on_started(context)` (may be NULL) is called once the start position is known: lines sent from
 * then on are printed, whatever -n says. Failures are reported here and marked in *tally. */
void receive_run(struct session *s, void (*on_started)(void *context), void *context,
                 struct tally *tally);

#endif
