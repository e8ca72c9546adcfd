/* SPDX-License-Identifier: MIT */
/*
 * mode: one run function per way to use chancat in a pipe (chat.h is for a terminal). Each returns
 * when the run is over; what happened is in *tally.
 *
 *   mode_receive   -r   print only
 *   mode_send      -s   send only
 *   mode_flush     --flush: send what waits in the outbox
 *   mode_duplex    both directions: the poll loop here, a reader thread beside it
 */
#ifndef CHANCAT_MODE_H
#define CHANCAT_MODE_H

#include "client/session.h"
#include "client/tally.h"

void mode_receive(struct session *s, struct tally *tally);
void mode_send(struct session *s, struct tally *tally);
void mode_flush(struct session *s, struct tally *tally);
void mode_duplex(struct session *s, struct tally *tally);

#endif
