/* SPDX-License-Identifier: MIT */
/*
 * body: the body of a request as it comes: taken, refused, or read and thrown away; and the memory
 * of all requests in work together, which is limited.
 *
 * A body belongs to one thread at a time; the total is everybody's.
 */
#ifndef CHANCATD_BODY_H
#define CHANCATD_BODY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/text.h"
#include "server/api.h"

#define BODY_TOTAL_MAX   268435456u /* bytes of all requests in work; more is 429 */
#define BODY_DISCARD_MAX 67108864u  /* of an unwanted body, read before the answer */

struct body {
    atomic_size_t *total;        /* of all requests: bodies, parameters, replies */
    size_t held;                 /* bytes of this one counted in there */
    struct buf bytes;            /* what has come */
    struct api_body_limit limit; /* set it before the first bytes come */
    bool discard;                /* it is read and thrown away */
    int refused;                 /* the status for one that is not taken, else 0 */
};

void body_init(struct body *b, atomic_size_t *total);

/* Frees the bytes and takes what the request holds out of the total. */
void body_release(struct body *b);

/* Decides from the header whether the body is wanted. True: answer now, do not read it. A client
 * that is sending its body might never see an early answer (closing resets the connection), so
 * what is not wanted is read and thrown away, unless the client asks first or it is too much. */
bool body_is_refused(struct body *b, bool authorized, unsigned long long length, bool asks);

/* The next bytes. When it gets too large, or all requests together do, it is given up. */
void body_take(struct body *b, const char *bytes, size_t len);

/* Refuses it when all requests together are too large already. */
void body_check_total(struct body *b);

/* Counts what the request holds now, `others` besides the body. */
void body_recount(struct body *b, size_t others);

/* What is said to a body that is refused, here or by the caller (400). */
const char *body_sentence(const struct body *b);

struct span body_text(const struct body *b);

#endif
