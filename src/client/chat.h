/* SPDX-License-Identifier: MIT */
/*
 * chat: a conversation: both directions at a terminal.
 *
 * Three threads:
 *
 *   main      the poll loop (receive.h), for one channel after the other
 *   typing    reads lines from the terminal (terminal.h), obeys commands (commands.h), and gives
 *             what is to be sent to
 *   speaker   which takes it to the server (speaker.h)
 *
 * The terminal is everybody's, under the output lock. A line that is typed vanishes from where it
 * was typed and comes back as a message, once it is stored; so all see the same order.
 *
 * /channel sets s->leave: the poll loop ends with what it has printed, and goes on in the other
 * channel; a channel that was left is taken up where it was left (visits.h). A
 * channel that the server refuses is left again; a line that was begun for it is not sent to the
 * one before until that was said and Return typed once more. Lines carry their channel and sender,
 * so those typed before a change go where they were meant to go.
 */
#ifndef CHANCAT_CHAT_H
#define CHANCAT_CHAT_H

#include "client/session.h"
#include "client/tally.h"

/* Returns when the run is over; what happened is in *tally. */
void chat_run(struct session *s, struct tally *tally);

#endif
