/* SPDX-License-Identifier: MIT */
/*
 * batch: lines that wait on stdin together, on their way as one request (POST /batch of a
 * server that announces `batch`): all of them are stored in order, or none.
 *
 * Limits: BATCH_LINES_MAX lines, BATCH_BYTES_MAX bytes of the request. Belongs to one thread.
 */
#ifndef CHANCAT_BATCH_H
#define CHANCAT_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/text.h"

#define BATCH_LINES_MAX 1000u
#define BATCH_BYTES_MAX (1024u * 1024)

struct batch_line {
    int64_t number; /* of stdin, for diagnostics */
    struct span channel, sender, content;
};

struct batch {
    struct buf body;   /* one JSON object a line */
    struct buf texts;  /* channels, senders and contents, one behind the other */
    struct buf places; /* where they lie in `texts` */
};

void batch_init(struct batch *b);
void batch_release(struct batch *b);
void batch_clear(struct batch *b);

size_t batch_count(const struct batch *b);

/* The i-th line; its spans are valid until the next batch_add() or batch_clear(). */
struct batch_line batch_at(const struct batch *b, size_t i);

/* Adds a line of valid UTF-8 if it fits. False: the limits would be passed, or there is no memory;
 * nothing has changed. */
bool batch_add(struct batch *b, const struct batch_line *line);

#endif
