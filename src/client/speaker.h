/* SPDX-License-Identifier: MIT */
/*
 * speaker: takes the lines of a conversation to the server, one after the other, in a thread of its
 * own, so that one can go on typing meanwhile.
 *
 * Lines wait in a queue, SPEAKER_LINES_MAX and SPEAKER_BYTES_MAX at most. What cannot be stored is
 * handed back to who typed it, and the next one is taken. With --outbox each line was put there
 * before it is added here, and what becomes of it is the outbox's business (drain.h).
 *
 * A line belongs to a turn, which is how often the channel was changed before it was typed. Lines
 * of a turn wait until the poll loop knows where the channel stood (speaker_allow()), so that it
 * shows them.
 *
 * The lock inside is a leaf.
 */
#ifndef CHANCAT_SPEAKER_H
#define CHANCAT_SPEAKER_H

#include <pthread.h>
#include <stdbool.h>

#include "client/key.h"
#include "client/session.h"
#include "client/tally.h"
#include "common/error.h"
#include "common/wake.h"

#define SPEAKER_LINES_MAX 100000u /* more than anybody pastes */
#define SPEAKER_BYTES_MAX (8u * 1024 * 1024)

/* One line to say. */
struct speech {
    struct span channel, sender, content;
    struct span typed; /* what comes back when it cannot be stored */
    unsigned turn;
    uint64_t number; /* in the outbox, with this key; an empty key: it is not there */
    char key[KEY_LEN + 1];
};

/* What became of a line that was not stored. Called in the speaker's thread, without its lock. */
typedef void speaker_failed(void *context, const struct speech *speech, const struct error *e);

struct spoken; /* a line in the queue */

struct speaker {
    struct session *s;
    speaker_failed *failed;
    void *context;
    struct tally tally; /* the thread's until it is joined */
    pthread_t thread;
    bool running;
    struct wake wake; /* look at what is below */
    pthread_mutex_t lock;
    /* under the lock: */
    struct spoken *first, **end;
    size_t lines, bytes;
    unsigned allowed; /* lines of this turn and of earlier ones may go */
    bool closed;      /* no line will be added any more */
};

/* ERROR_LOCAL: no descriptors left. The caller calls speaker_release() in any case. */
enum error_kind speaker_init(struct speaker *sp, struct session *s, speaker_failed *failed,
                             void *context, struct error *e);

/* Frees what nobody took. The thread must have been joined. */
void speaker_release(struct speaker *sp);

/* Starts the thread. ERROR_LOCAL. */
enum error_kind speaker_start(struct speaker *sp, struct error *e);

/* Copies a line into the queue. False: it is full, or memory is. Any thread. */
bool speaker_add(struct speaker *sp, const struct speech *speech);

/* Lines up to this turn may go. Any thread. */
void speaker_allow(struct speaker *sp, unsigned turn);

/* No line will follow; when all have gone, s->sending_done is set and the poll loop woken. Any
 * thread. */
void speaker_close(struct speaker *sp);

/* Waits for the end of the thread; what it left is counted as not sent. */
void speaker_join(struct speaker *sp, struct tally *tally);

#endif
