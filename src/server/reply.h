/* SPDX-License-Identifier: MIT */
/*
 * reply: the response of an api_call as libmicrohttpd takes it; a part of routes.c.
 *
 * A struct reply is its owner's memory and must stay, as the call must, until the request is
 * completed: the body is not copied, and the rest of a long one is made while it is sent. The event
 * thread alone uses it.
 */
#ifndef CHANCATD_REPLY_H
#define CHANCATD_REPLY_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/api.h"

struct reply {
    struct api_call *call;
    size_t used;    /* of response.body, of a reply that is sent piece by piece */
    int64_t before; /* bytes of the pieces before this one */
};

/* Queues the response for the connection. `last`: the connection ends with it. */
enum MHD_Result reply_send(struct reply *r, struct MHD_Connection *connection,
                           struct api_call *call, bool last);

/* Bytes of the body so far: of all of it, or of what was given out to be sent. */
int64_t reply_bytes(const struct reply *r);

#endif
