/* SPDX-License-Identifier: MIT */
/*
 * outbox_numbers: in what order an outbox gives its lines out, each once (outbox_next(),
 * outbox_put_back() and outbox_rewind() of outbox.h). Only the outbox includes this.
 *
 * Of two lines that one process has put in, the one with the lower number always comes first, also
 * when they are put in while new/ is read. One look into new/ takes the lowest OUTBOX_SCAN_MAX
 * numbers that were not given out yet. What was given out and still waits is remembered; memory is
 * 16 bytes a line at most.
 */
#ifndef CHANCAT_OUTBOX_NUMBERS_H
#define CHANCAT_OUTBOX_NUMBERS_H

#include "client/outbox.h"

void outbox_numbers_init(struct outbox *o);

/* The number that is next, 0: none waits. It is given out when the caller adds 1 to o->next.
 * ERROR_LOCAL. */
enum error_kind outbox_numbers_next(struct outbox *o, uint64_t *ret, struct error *e);

/* The number may be used again for another line. */
void outbox_numbers_forget(struct outbox *o, uint64_t number);

#endif
