/* SPDX-License-Identifier: MIT */
/*
 * parcel: one message, or one batch of them, on its way to the server: what deliver.h is given,
 * what must be remembered of its tries, and what is told of its end.
 *
 * Owns nothing; what it points to must stay until its end is known.
 */
#ifndef CHANCAT_PARCEL_H
#define CHANCAT_PARCEL_H

#include <stdbool.h>
#include <stdint.h>

#include "client/batch.h"
#include "client/key.h"
#include "common/error.h"
#include "common/text.h"

/* A message on its way. A fresh one has watermark -1 and no attempts. */
struct parcel {
    const char *label; /* what diagnostics call it: `line 5` */
    struct span channel, sender, content;
    const struct batch *batch; /* NULL: one message; else sender and content do not count */
    const char *key;           /* its idempotency key */
    int64_t watermark;         /* -1: none is known */
    int64_t attempts;          /* tries that may have been stored; 0: it is certainly not */
    int64_t first_s;           /* wall clock of the first, seconds since 1970 */
    bool keyed;                /* all of them had the key */
    int64_t ended_ms;          /* clock_now_ms() when the last one ended; 0: in an earlier run */
    bool answered; /* one of them got a whole message, but not ours: never to be sent again */
    /* Told by deliver(): */
    int64_t id;        /* ERROR_NONE: of the message, of a batch the last one's */
    bool hopeless;     /* ERROR_UNKNOWN, and no later run can find out either */
    bool unreadable;   /* ERROR_UNKNOWN, because the server lets nobody look */
    bool apart;        /* a batch: its lines must be delivered one by one; with attempts 0, none of
                          them is stored, else each may be */
    bool line_refused; /* ERROR_REFUSED because of what it holds, not for another reason */
};

/* A fresh one, with a new key in `key`; sender and content, or a batch, are the caller's to fill
 * in. ERROR_LOCAL: no random numbers. */
enum error_kind parcel_begin(struct parcel *ret, const char *label, struct span channel,
                             char key[KEY_LEN + 1], struct error *e);

/* It came to its end with a failure of this kind: is it perhaps stored all the same? */
bool parcel_is_unknown(const struct parcel *p, enum error_kind kind);

#endif
