/* SPDX-License-Identifier: MIT */
/*
 * scan: cuts the elements out of a JSON array while it streams in.
 *
 * Only the shape is looked at (strings, brackets, commas); whether an element is good JSON is the
 * receiver's question, so one bad element never spoils its neighbours. An element
 * that lies whole in one piece is handed over without a copy, and if it is ordinary JSON (flat.h)
 * together with its fields, since reading them is as quick as finding its end; one that spans
 * pieces is gathered in a buffer of at most SCAN_ELEMENT_MAX bytes. A longer one is passed over and
 * only its first SCAN_HEAD_BYTES are handed over. Memory does not grow with the length of the
 * array.
 *
 * `null` is an empty array: the original server says so (design section 2).
 */
#ifndef CHANCAT_SCAN_H
#define CHANCAT_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/flat.h"
#include "common/text.h"

/* A message of 1 MiB of quotes is `\u0026#34;` ten times as long on the wire. */
#define SCAN_ELEMENT_MAX (16u * 1024 * 1024)
#define SCAN_HEAD_BYTES  64u

enum scan_state {
    SCAN_START,   /* before '[' */
    SCAN_NULL,    /* inside `null` */
    SCAN_ELEMENT, /* between '[' and its ']' */
    SCAN_END,     /* the array is complete; only white space may follow */
    SCAN_BROKEN   /* not an array of anything */
};

struct scan {
    enum scan_state state;
    bool in_string, escaped; /* inside a string; its next byte is escaped */
    bool any;                /* an element or a comma was seen */
    bool oversize;           /* the element in work is passed over */
    bool no_memory;          /* an element was not kept for want of memory: see scan_feed() */
    unsigned depth;          /* open brackets inside the element */
    size_t matched;          /* letters of `null` seen */
    struct buf partial;      /* the element in work, as far as it came in earlier pieces */
    struct flat flat;        /* of the element that `fn` gets */
};

/* An element without white space around it; empty when nothing stood between
 * two commas. `flat`: its fields, NULL: they were not read. Return false to stop scanning. Span and
 * fields are valid during the call. */
typedef bool scan_fn(void *context, struct span element, const struct flat *flat);

void scan_init(struct scan *s);
void scan_release(struct scan *s);

/* Ready for the next array; a large buffer is given back. */
void scan_reset(struct scan *s);

/* The next piece. False: `fn` wanted to stop, or the state is SCAN_BROKEN. When `no_memory` is set,
 * the element that `fn` gets is not what was sent, and `fn` should stop. */
bool scan_feed(struct scan *s, struct span piece, scan_fn *fn, void *context);

#endif
