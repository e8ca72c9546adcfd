/* SPDX-License-Identifier: MIT */
/*
 * look: how messages and notices look at a terminal.
 *
 *   -- Thu 26 Nov 2026 --          before the first message of another day than the last one's
 *   14:05 anna: the text, and when it is longer than a row
 *         it goes on here
 *
 * Times are local. A sender cannot pass for another one or for a notice: his text never begins a
 * row (layout.h), characters that cannot be seen are shown by number in his name, and so is a
 * colon with a space behind it. A name is cut to LOOK_NAME_COLUMNS, a text to LOOK_TEXT_MAX bytes;
 * then it says how long it is.
 *
 * Not for two threads at once.
 */
#ifndef CHANCAT_LOOK_H
#define CHANCAT_LOOK_H

#include <time.h>

#include "common/buf.h"
#include "common/message.h"

#define LOOK_NAME_COLUMNS 24
#define LOOK_TEXT_MAX     2000u

struct look {
    unsigned columns;      /* of the terminal; 0: unknown */
    int day;               /* local day shown last, as YYYYMMDD */
    struct buf name, text; /* in work */
};

/* `now`: its day needs no date line. The locale and the time zone must have been set. */
void look_init(struct look *l, time_t now);
void look_release(struct look *l);

/* Appends one message as rows. 0, or -1 with nothing appended. */
int look_add_message(struct look *l, const struct message *m, struct buf *b);

/* Appends a notice of the program, printable or not, as rows. `dim`: in a fainter style. 0, or -1.
 */
int look_add_notice(struct look *l, struct span notice, bool dim, struct buf *b);

/* Appends a visible name as it is shown, cut to so many columns. 0, or -1. */
int look_add_name(struct span name, unsigned columns, struct buf *b);

/* Is it a name that can be typed and shown as it is? `name` is HTML-escaped, as received. */
bool look_is_plain_name(struct span name);

#endif
