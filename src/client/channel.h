/* SPDX-License-Identifier: MIT */
/*
 * channel: what the API means: fetch what is new since the cursor, post a message.
 *
 * One struct channel belongs to one thread and uses that thread's connection.
 * chancatd's extras (`wait`, `limit`, `keys`, `batch`, `minimal`) are used once a reply has
 * announced them.
 *
 * Every message is handed over once: what is not above the cursor is passed over, and the cursor
 * follows what was handed over, so that a reply that was cut is taken up after its last whole
 * message. An element that is no message is reported once on stderr and passed over.
 *
 * A server whose database was emptied, restored or replaced would keep a follower waiting for ids
 * that never come, or hide the messages whose ids it has seen already. So a channel that watches
 * (`watches`) remembers the newest message handed over, and asks for it once more, together with
 * what is newer: it must come first and unchanged, else the fetch ends with ERROR_RESET and
 * nothing is handed over. Every fetch that is not held checks in this way (only when the
 * message is longer than CHANNEL_CHECK_MAX, just every second one). A held fetch cannot: it is
 * followed by a check when it came over a new connection (then the reply is thrown away and
 * asked for again), failed, came empty too early (a server that stops ends so what it holds), or
 * when the header Chancat-Last-Id says that the channel's newest id is below ours or is not there.
 *
 * What was never seen (channel_expect() without a fingerprint) proves nothing by being absent; when
 * it is there, it is remembered from then on.
 */
#ifndef CHANCAT_CHANNEL_H
#define CHANCAT_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "client/batch.h"
#include "client/http.h"
#include "client/outcome.h"
#include "client/scan.h"
#include "common/buf.h"
#include "common/error.h"
#include "common/message.h"

#define CHANNEL_SILENCE_MS   30000                     /* without a byte: the request has failed */
#define CHANNEL_POST_MAX_MS  600000                    /* for all of a POST */
#define CHANNEL_GRACE_MS     3000                      /* how long a signal lets a POST go on */
#define CHANNEL_PAGE         1000                      /* messages a call, with `limit` */
#define CHANNEL_WAIT_MAX_S   25                        /* of `wait` */
#define CHANNEL_REPLY_MAX    (SCAN_ELEMENT_MAX + 4096) /* bytes of a reply to POST */
#define CHANNEL_CHECK_MAX    65536 /* bytes of a message asked for again each time */
#define CHANNEL_EARLY_MS     1000  /* an empty reply so early was not held */
#define CHANNEL_BAD_REMEMBER 64    /* bad elements remembered, so that each is reported once */

struct channel {
    struct http *http; /* not owned */
    struct span name;  /* not owned */
    int64_t cursor;    /* id of the newest message handed over; 0: none */
    bool can_wait, can_limit, can_keys, can_batch, can_minimal;
    bool watches;              /* notices a reset */
    bool check_due;            /* the next fetch asks for the newest message once more */
    struct message_mark known; /* what the server must still have; id 0: nothing */
    size_t known_len;          /* bytes of its JSON, 0: not known */
    struct buf newest;         /* its JSON while its fingerprint has yet to be taken, else empty */
    struct scan scan;
    /* Called while the reply to a POST is waited for, as http.h says; NULL: nobody. */
    void (*on_sent)(void *context);
    void *sent_context;
    struct buf target; /* of the request in work */
    struct buf body;   /* of the request or, on errors, of the reply */
    uint64_t bad[CHANNEL_BAD_REMEMBER];
    unsigned bad_next;
    int64_t bad_id; /* the highest that one of them seemed to have: no lower one is reported */
};

/* What the caller of channel_fetch is told and asked. */
struct channel_sink {
    bool (*on_message)(void *context, const struct message *m); /* false: stop, not taken */
    bool (*on_flush)(void *context);                            /* see http.h */
    bool (*interrupt)(void *context);                           /* see http.h */
    int64_t (*wake_at)(void *context);                          /* see http.h */
    int64_t grace_ms; /* how long a signal lets the request go on */
    int watch_fd;
    void *context;
};

struct channel_fetched {
    bool more;              /* the page was full: ask again at once */
    bool checked;           /* the newest message was asked for once more: no reply was held */
    int64_t handed_over;    /* messages */
    int64_t retry_after_ms; /* -1: not sent */
};

void channel_init(struct channel *c, struct http *http, struct span name);
void channel_release(struct channel *c);

/* Go on after this message, which the server must still have if its fingerprint is known. */
void channel_expect(struct channel *c, struct message_mark mark);

/* The newest message handed over, or what channel_expect() was told; id 0: none. */
struct message_mark channel_mark(struct channel *c);

/* Forgets all about earlier messages: the cursor is 0 again. */
void channel_restart(struct channel *c);

/* The newest `count` messages (0: none, but the cursor is put behind what is there).
 * ERROR_NONE, ERROR_STOPPED, ERROR_UNREACHABLE, ERROR_BAD_DATA (no array of messages),
 * ERROR_REFUSED, ERROR_LOCAL. */
enum error_kind channel_fetch_past(struct channel *c, int64_t count,
                                   const struct channel_sink *sink, struct channel_fetched *ret,
                                   struct error *e);

/* What is newer than the cursor. With wait_s > 0 and a server that can, the reply is held until
 * there is something or wait_s have passed. Kinds as above, and ERROR_RESET. */
enum error_kind channel_fetch(struct channel *c, int64_t wait_s, const struct channel_sink *sink,
                              struct channel_fetched *ret, struct error *e);

/* The id of the newest message of channel `name` (0: it is empty, -1: it cannot be told), and what
 * the server can. Kinds as channel_fetch_past(). */
enum error_kind channel_probe(struct channel *c, struct span name, int64_t *ret_newest,
                              int64_t *ret_retry_after_ms, struct error *e);

/* The first message of channel `name` with an id above `after` that is ours, as
 * message_is_ours() says, whose JSON stays until the next call; *ret_found is empty when the
 * whole look found none. A signal lets it go on for grace_ms. Kinds as channel_fetch_past(). */
enum error_kind channel_look(struct channel *c, struct span name, int64_t after, struct span sender,
                             struct span content, int64_t grace_ms, struct stored *ret_found,
                             struct error *e);

/* What a POST brought. */
struct channel_posted {
    struct stored stored;   /* with ERROR_NONE; its JSON stays until the next call */
    int64_t retry_after_ms; /* -1: not sent */
    long status;            /* of the reply, 0: none */
};

/* Sends one message; kinds as outcome_of_post(), and ERROR_LOCAL. `key` (NULL: none) is its
 * idempotency key. */
enum error_kind channel_post(struct channel *c, struct span name, struct span sender,
                             struct span content, const char *key, struct channel_posted *ret,
                             struct error *e);

/* Sends a batch; kinds as outcome_of_batch(), and ERROR_LOCAL. `full`: the reply shall bring the
 * messages; else only their ids, if the server can. */
enum error_kind channel_post_batch(struct channel *c, const struct batch *batch, const char *key,
                                   bool full, struct channel_posted *ret, struct error *e);

#endif
