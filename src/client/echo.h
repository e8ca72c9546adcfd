/* SPDX-License-Identifier: MIT */
/*
 * echo: which messages this run has sent itself, for --no-echo: by id, not by name.
 *
 * The poll loop may see a message before the sending thread has its reply. Then a message that
 * looks like one of those in flight must wait for the ids (ECHO_WAIT) instead of being guessed.
 * Of what is in flight only a hash of each line's canonical form is kept, sorted, so that a look
 * at a message costs the same for one line and for a thousand. Two texts with one hash only wait
 * longer than they must. When there is no memory for the hashes, everything waits.
 *
 * Ids of own messages are kept as ranges, until the receiver is past them; with one sender they
 * are mostly one range. A receiver that goes from one channel to another comes back to smaller
 * ids: for it none is forgotten. At most ECHO_RANGES_MAX (16 MiB); then the oldest is forgotten
 * and may be printed. The lock inside is a leaf, held for one message, or for the lines of a batch.
 */
#ifndef CHANCAT_ECHO_H
#define CHANCAT_ECHO_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "client/batch.h"
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
    bool keeps;        /* set before threads start: the receiver comes back to smaller ids */
    bool in_flight;
    struct buf lines; /* uint64_t, ascending: hashes of the lines in flight */
    bool any;         /* no memory for them: each message may be one */
    int64_t after;
};

void echo_init(struct echo *echo);
void echo_release(struct echo *echo);

/* Sending thread: a POST begins, its messages will have ids above `after`. */
void echo_begin(struct echo *echo, struct span sender, struct span content, int64_t after);
void echo_begin_batch(struct echo *echo, const struct batch *batch, int64_t after);

/* Sending thread: so does one more, while others are still in flight. */
void echo_also(struct echo *echo, struct span sender, struct span content);

/* Sending thread: what has these ids is ours. */
void echo_own(struct echo *echo, int64_t first, int64_t last);

/* Sending thread: it ended; echo_own() was called before with what is stored. */
void echo_end(struct echo *echo);

/* Receiving thread: whose is this? Unless it keeps all, ids must come ascending;
 * smaller ones are forgotten. */
enum echo_answer echo_ask(struct echo *echo, const struct message *m);

#endif
