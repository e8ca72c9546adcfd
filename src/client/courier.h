/* SPDX-License-Identifier: MIT */
/*
 * courier: takes one line to the server (deliver.h) and tells everybody who must know: the poll
 * loop, which looks at once; --no-echo, which must know the id; --receipts.
 *
 * Belongs to the thread that sends.
 */
#ifndef CHANCAT_COURIER_H
#define CHANCAT_COURIER_H

#include "client/deliver.h"
#include "client/session.h"
#include "client/tally.h"

struct courier {
    struct session *s;
    struct tally *tally; /* receipts that cannot be written are marked here */
    struct deliver deliver;
    struct buf receipt;
    struct message message; /* of a receipt in work */
    /* As in deliver.h, for whoever must remember a try; NULL: nobody. */
    enum error_kind (*before_try)(void *context, const struct parcel *p, struct error *e);
    void *context;
    bool receipts_over; /* nobody can read them any more */
    bool apart;         /* the last batch is perhaps stored, and its lines follow one by one */
};

void courier_init(struct courier *c, struct session *s, struct tally *tally);
void courier_release(struct courier *c);

/* Calls `work` while an answer is waited for, as http.h says of on_sent. */
void courier_while_waiting(struct courier *c, void (*work)(void *context), void *context);

/* May several lines go as one batch? Known after the first line. */
bool courier_can_batch(const struct courier *c);

/* Kinds as deliver(). After a batch that must be taken apart (parcel.apart), courier_apart_done()
 * says that all of its lines were taken: until then messages that look like them wait. */
enum error_kind courier_take(struct courier *c, struct parcel *p, struct error *e);
void courier_apart_done(struct courier *c);

#endif
