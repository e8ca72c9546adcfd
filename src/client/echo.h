/* SPDX-License-Identifier: MIT */
/*
 * echo: which messages this run has sent itself, for --no-echo: by id, not by name.
 *
 * The poll loop may see a message before the sending thread has its reply. Then a message that
 * looks like the one in flight must wait for its id (ECHO_WAIT) instead of being guessed.
 *
 * Ids of own messages are kept as ranges, until the receiver is past them; with one sender they
 * are mostly one range. At most ECHO_RANGES_MAX (16 MiB); then the oldest is forgotten
 * and may be printed. The lock inside is a leaf, held for a few instructions.
 */
#ifndef CHANCAT_ECHO_H
#define CHANCAT_ECHO_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/message.h"

#define ECHO_RANGES_MAX (1024u * 1024)

enum echo_answer { ECHO_OTHER, ECHO_OWN, ECHO_WAIT };

struct echo_range {
    int64_t first, last;
};

struct echo {
    pthread_mutex_t lock;
    struct buf ranges; /* struct echo_range, ascending; under the lock, as all below */
    size_t head;       /* ranges at the front that the receiver is past */
    bool in_flight;
    struct span sender, content; /* of the message in flight; the sending thread's */
    int64_t after;
};

void echo_init(struct echo *echo);
void echo_release(struct echo *echo);

/* Sending thread: a POST begins, its message will have an id above `after`; the spans stay valid
 * until echo_end(). */
void echo_begin(struct echo *echo, struct span sender, struct span content, int64_t after);

/* Sending thread: it ended; id > 0: stored. */
void echo_end(struct echo *echo, int64_t id);

/* Receiving thread: whose is this? Ids must come ascending; smaller ones are forgotten. */
enum echo_answer echo_ask(struct echo *echo, const struct message *m);

#endif
