/* SPDX-License-Identifier: MIT */
/*
 * input: stdin cut into records, bounded and wakeable.
 *
 * A record ends with a newline or, on request, with NUL; the last one may lack its
 * end. CR before a newline is dropped. A record longer than `max_bytes` is passed over and
 * reported as such; the rest goes on. Nothing is read ahead beyond INPUT_READ_BYTES, so stdin is
 * taken no faster than the caller takes records. Owned by one thread; only input_stop() may
 * be called by others.
 */
#ifndef CHANCAT_INPUT_H
#define CHANCAT_INPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/text.h"
#include "common/wake.h"

#define INPUT_READ_BYTES 65536

enum input_result {
    INPUT_RECORD,   /* *ret is the next record, without its end */
    INPUT_TOO_LONG, /* it was longer than max_bytes and is gone; *ret is empty */
    INPUT_END,      /* stdin has ended */
    INPUT_LATER,    /* the deadline passed first */
    INPUT_STOPPED,  /* a signal came: whole records may still lie in the buffer */
    INPUT_FAILED    /* *e says why */
};

struct input {
    int fd;
    char end;          /* '\n' or '\0' */
    size_t max_bytes;  /* of a record */
    int64_t line;      /* number of the record given last, from 1 */
    struct buf bytes;  /* read and not yet given out */
    size_t used;       /* bytes at the front that were given out */
    size_t searched;   /* bytes known to hold no record end */
    bool passing_over; /* inside a record that is too long */
    bool at_end;       /* read() said so: what lies in the buffer is the last record */
    bool stopped;      /* input_stop() was obeyed: only whole records still count */
    int watch_fd;      /* reading ends when its other end goes away; -1: none */
    struct wake wake;  /* by input_stop(), for good */
};

/* `fd` is not closed by this module. ERROR_LOCAL: no descriptors left. */
enum error_kind input_init(struct input *in, int fd, bool null_ended, size_t max_bytes,
                           struct error *e);
void input_release(struct input *in);

/* The next record; waits for it until `deadline` (clock_now_ms(), or CLOCK_NEVER). *ret stays valid
 * until the next call. */
enum input_result input_next(struct input *in, int64_t deadline, struct span *ret, struct error *e);

/* Reading ends: whole records already read are still given out, then INPUT_END. Any thread. */
void input_stop(struct input *in);

/* How many records lie in the buffer (those that nobody will send any more); half a record
 * counts, too, unless input_stop() took it. */
int64_t input_count_rest(struct input *in);

#endif
