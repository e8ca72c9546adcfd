/* SPDX-License-Identifier: MIT */
/*
 * outcome: what a reply means, as two pure functions over design section 7's table.
 */
#ifndef CHANCAT_OUTCOME_H
#define CHANCAT_OUTCOME_H

#include <stdbool.h>

#include "client/batch.h"
#include "client/http.h"
#include "common/error.h"
#include "common/message.h"

/* What the server says that it has stored. */
struct stored {
    int64_t first, last; /* ids; of one message twice the same; 0: nothing */
    struct span json;    /* the reply: a message or, of a batch, what it brings; not owned */
};

/*
 * What became of a POST of `sender` and `content` (valid UTF-8):
 *
 *   ERROR_NONE         stored: 200, a complete message with our canonical sender and content
 *   ERROR_UNREACHABLE  certainly not stored, try again: nothing of the request left, 425 or 429
 *   ERROR_REFUSED      certainly not stored, for good: 3xx (never followed), other 4xx
 *   ERROR_BAD_DATA     200 and a complete message, but another one than ours: it is perhaps what
 *                      the server made of ours, so it must never be sent again
 *   ERROR_UNKNOWN      everything else: cut, silent or odd replies, 408, 409 (the same key
 *                      is still in work), any 5xx
 *
 * `body` is what came of the reply's body.
 */
enum error_kind outcome_of_post(const struct http_reply *reply, struct span body,
                                struct span sender, struct span content, struct stored *ret,
                                struct error *e);

/* The same for a POST of a batch: stored means 200 and an array of as many messages, each ours,
 * with ascending ids; or, if no more was asked for (`summary`), {"first":ID,"last":ID,"count":N}
 * with as many ids. */
enum error_kind outcome_of_batch(const struct http_reply *reply, struct span body,
                                 const struct batch *batch, bool summary, struct stored *ret,
                                 struct error *e);

/* A refusal with this status speaks of what the line holds; another one (no token, another
 * address, ...) of the request, and would meet every line. */
bool outcome_refuses_line(long status);

/*
 * What became of a GET, without a look at the body:
 *
 *   ERROR_NONE         200 and complete
 *   ERROR_UNREACHABLE  worth another try: no reply, a cut one, 408, 425, 429, any 5xx
 *   ERROR_REFUSED      3xx (the sentence names the new place), other statuses
 */
enum error_kind outcome_of_get(const struct http_reply *reply, struct span body, struct error *e);

#endif
