/* SPDX-License-Identifier: MIT */
/*
 * output: owns stdout and the output lock.
 *
 * Whatever goes to stdout is formatted first and then written whole by output_write(), under the
 * lock. The lock is a leaf: nothing is locked, sent or waited for under it. A slow reader
 * holds up only the caller. When stdout and stderr are one file, stderr lines take the lock
 * too (log_set_guard), so that lines of both stay whole; else a diagnostic never waits for stdout.
 *
 * A terminal with a line that is being typed on it has a frame: it takes that line away before
 * something is written, and puts it back behind it, both under the lock.
 */
#ifndef CHANCAT_OUTPUT_H
#define CHANCAT_OUTPUT_H

#include <pthread.h>
#include <stdbool.h>

#include "common/buf.h"
#include "common/error.h"

#define OUTPUT_GRACE_MS 3000 /* for the rest of what a signal interrupted */

enum output_result {
    OUTPUT_OK = 0,
    OUTPUT_GONE,   /* the reader left: an ordinary end */
    OUTPUT_FAILED, /* full, closed, broken: *e says why */
    OUTPUT_STOPPED /* a signal came while the reader held us up */
};

struct output_frame {
    void (*open)(void *context);  /* before the bytes of one output_write() */
    void (*close)(void *context); /* and behind them */
    void *context;
};

struct output {
    int fd;
    pthread_mutex_t lock;
    bool guards_stderr;               /* stderr is the same file */
    const struct output_frame *frame; /* under the lock; NULL: none */
};

/* Before threads start. `fd` is not closed by this module. */
void output_init(struct output *out, int fd);
void output_release(struct output *out);

/* Writes all of `b` and clears it. With a result other than OUTPUT_OK, *ret_written (may be
 * NULL) tells how many bytes got out before. */
enum output_result output_write(struct output *out, struct buf *b, size_t *ret_written,
                                struct error *e);

/* The same for what no later run prints again: at a signal not only the line in work is finished,
 * but all of `b`, as far as the reader takes it in time. OUTPUT_STOPPED: it did not. */
enum output_result output_write_whole(struct output *out, struct buf *b, struct error *e);

/* What a terminal does between two calls of output_write(), under the lock. Not to be held while
 * anything is waited for. */
void output_lock(struct output *out);
void output_unlock(struct output *out);

/* Sets the frame of all that is written from now on; it stays the caller's. NULL: none. */
void output_set_frame(struct output *out, const struct output_frame *frame);

/* Puts what was written on disk if it went to a file; else nothing happens. */
enum error_kind output_sync(const struct output *out, struct error *e);

/* Was it closed when the program started, so that writing to it can only fail? */
bool output_is_closed(const struct output *out);

/* Looks, without waiting, whether the reader has left (poll without events gives
 * POLLERR on a pipe, POLLHUP on a socket). */
bool output_is_gone(const struct output *out);

#endif
