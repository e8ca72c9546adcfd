/* SPDX-License-Identifier: MIT */
/*
 * api: a request in, a reply out, as the original server would give it. No sockets here.
 */
#ifndef FAULT_API_H
#define FAULT_API_H

#include <stdint.h>

#include "bytes.h"
#include "store.h"

struct request {
    const char *method;
    struct view path;  /* without the prefix */
    struct view query; /* without the '?' */
    struct view form;  /* the body when it is a form, else empty */
    struct view body;
};

struct reply {
    int status;
    const char *type;
    struct bytes body;      /* unless `streams` */
    bool streams;           /* the body is what `look` gives */
    struct store_look look; /* `channel` points to the bytes below */
    struct bytes channel;
    int64_t stored_id; /* 0: nothing was stored */
};

/* Answers; with `dry` a message is checked but not stored. The caller calls api_release(). */
void api_answer(struct store *store, const struct request *request, bool dry,
                struct reply *ret_reply);
void api_release(struct reply *reply);

/* Appends more of the body. False: that was the last of it. */
bool api_body(struct store *store, struct reply *reply, struct bytes *chunk, size_t enough);

/* The channel a request names, as it came, trimmed. Appends. */
void api_channel(const struct request *request, struct bytes *channel);

#endif
