/* SPDX-License-Identifier: MIT */
/*
 * channel: what the API means: fetch what is new since the cursor, post a message.
 *
 * One struct channel belongs to one thread and uses that thread's connection.
 * chancatd's extras (`wait`, `limit`) are used once a reply has announced them.
 *
 * Every message is handed over once: what is not above the cursor is passed over, and the cursor
 * follows what was handed over, so that a reply that was cut is taken up after its last whole
 * message. An element that is no message is reported once on stderr and passed over.
 */
#ifndef CHANCAT_CHANNEL_H
#define CHANCAT_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "client/http.h"
#include "client/scan.h"
#include "common/buf.h"
#include "common/error.h"
#include "common/message.h"

#define CHANNEL_SILENCE_MS   30000                     /* without a byte: the request has failed */
#define CHANNEL_GRACE_MS     3000                      /* how long a signal lets a POST go on */
#define CHANNEL_PAGE         1000                      /* messages a call, with `limit` */
#define CHANNEL_WAIT_MAX_S   25                        /* of `wait` */
#define CHANNEL_REPLY_MAX    (SCAN_ELEMENT_MAX + 4096) /* bytes of a reply to POST */
#define CHANNEL_BAD_REMEMBER 64 /* bad elements remembered, so that each is reported once */

struct channel {
    struct http *http; /* not owned */
    struct span name;  /* not owned */
    int64_t cursor;    /* id of the newest message handed over; 0: none */
    bool can_wait, can_limit;
    struct scan scan;
    struct buf target; /* of the request in work */
    struct buf body;   /* of the request or, on errors, of the reply */
    uint64_t bad[CHANNEL_BAD_REMEMBER];
    unsigned bad_next;
};

/* What the caller of channel_fetch is told and asked. */
struct channel_sink {
    bool (*on_message)(void *context, const struct message *m); /* false: stop, not taken */
    bool (*on_flush)(void *context);                            /* see http.h */
    bool (*interrupt)(void *context);                           /* see http.h */
    int64_t deadline; /* clock_now_ms() at which a request is cut short */
    int watch_fd;
    void *context;
};

struct channel_fetched {
    bool more;              /* the page was full: ask again at once */
    int64_t handed_over;    /* messages */
    int64_t retry_after_ms; /* -1: not sent */
};

void channel_init(struct channel *c, struct http *http, struct span name);
void channel_release(struct channel *c);

/* The newest `count` messages (0: none, but the cursor is put behind what is there).
 * ERROR_NONE, ERROR_STOPPED, ERROR_UNREACHABLE, ERROR_BAD_DATA (no array of messages),
 * ERROR_REFUSED, ERROR_LOCAL. */
enum error_kind channel_fetch_past(struct channel *c, int64_t count,
                                   const struct channel_sink *sink, struct channel_fetched *ret,
                                   struct error *e);

/* What is newer than the cursor. With wait_s > 0 and a server that can, the reply is held until
 * there is something or wait_s have passed. Kinds as above. */
enum error_kind channel_fetch(struct channel *c, int64_t wait_s, const struct channel_sink *sink,
                              struct channel_fetched *ret, struct error *e);

/* Sends one message; kinds as outcome_of_post(), and ERROR_LOCAL. */
enum error_kind channel_post(struct channel *c, struct span name, struct span sender,
                             struct span content, struct message *ret_stored,
                             int64_t *ret_retry_after_ms, struct error *e);

#endif
