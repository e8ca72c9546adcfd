/* SPDX-License-Identifier: MIT */
/*
 * api: from request to response, without a socket.
 *
 * A struct api_call is one request in work. The steps are the caller's (routes.c):
 *
 *   api_begin()   API_READY: the response stands in call->response;
 *                 API_STORE: queue call->append, and when it is done: api_stored();
 *                 API_WAIT: until api_has_news(), a message of the channel above call->after,
 *                 or call->wait_s has passed; then api_read(). A question for health waits in the
 *                 same way, for a probe (health.h).
 *   api_fill()    the rest of the body, piece by piece, while response.more is set
 *
 * What is accepted and answered is the original server's (tests/data/wire.jsonl) with the
 * differences listed in chancat-protocol(7). One thread at a time uses a call.
 */
#ifndef CHANCATD_API_H
#define CHANCATD_API_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/text.h"
#include "server/batch.h"
#include "server/health.h"
#include "server/keys.h"
#include "server/latest.h"
#include "server/metrics.h"
#include "server/store.h"

#define API_BODY_MAX   10000000u /* bytes of any request's body; see api_body_limit() */
#define API_WAIT_MAX_S 25
#define API_LIMIT_MAX  1000
#define API_FEATURES   "wait, limit, keys, batch, minimal" /* Chancat-Features, if not api.plain */
#define API_FILL_BYTES 65536u /* a piece of a long reply is not much longer than this */
#define API_JSON       "application/json"

struct api {
    struct store *store;
    struct keys *keys;     /* of POSTs in work */
    struct latest *latest; /* of readings */
    struct health *health;
    struct metrics *metrics;
    struct span token; /* empty: none is asked for */
    bool plain;        /* no extras, and null for no message: as the original server */
};

struct api_request {
    const char *method;
    struct span path, query, body; /* query and body as they came, still encoded */
    const char *content_type;      /* NULL: none */
    const char *authorization;     /* NULL: none */
    const char *idempotency_key;   /* NULL: none; white space around it is none of it */
    const char *prefer;            /* NULL: none */
};

struct api_response {
    int status;
    const char *content_type;
    struct buf body;   /* all of it, or the first piece */
    bool more;         /* api_fill() brings the rest */
    bool authenticate; /* send WWW-Authenticate */
    bool replayed;     /* send Idempotency-Replayed */
    bool minimal;      /* send Preference-Applied */
    int retry_after_s; /* 0: not sent */
    int64_t last_id;   /* send Chancat-Last-Id; -1: do not */
};

enum api_next { API_READY, API_STORE, API_WAIT };

struct api_call {
    const struct api *api;
    enum metrics_route route;
    struct api_response response;
    struct buf channel, sender, content; /* decoded parameters */
    struct store_message message;        /* of `append`; its spans point into those three */
    struct batch batch;                  /* or these; empty if it is no batch */
    bool minimal;                        /* of a batch: the reply names the ids only */
    struct store_append append;
    struct keys_entry key;     /* held until the append has ended */
    int64_t after, upto, left; /* of a reading: ids, and messages still wanted */
    int64_t wait_s;
    bool store_failed; /* the response says so */
    bool patient;      /* see api_waits_on() */
    int64_t since_us;  /* what a reading tells was so at this moment or later, clock_now_us() */
    int64_t probe;     /* of a question for health; 0: it is none */
};

/* Does the Authorization header (NULL: none) show the token, if one is asked for? For /healthz none
 * is: what balances the load has no token, and the answer tells nothing that a refused connection
 * would not. api_begin() looks, too; a caller that looks first need not take the body of a
 * stranger. */
bool api_authorized(const struct api *api, struct span path, const char *authorization);

/* What a request counts as; api_begin() sets call->route to it. */
enum metrics_route api_route(const struct api *api, const char *method, struct span path);

/* How large the body of a request for this path may be, and what to say (413) if it is larger. */
struct api_body_limit {
    size_t bytes;
    const char *text;
};
struct api_body_limit api_body_limit(const struct api *api, struct span path);

/* Is this answered however much memory all requests together take? /healthz is: whoever is told of
 * a sick server by it would take one away that only is busy. Its body is of no use. */
bool api_needs_no_room(struct span path);

void api_init(struct api_call *call, const struct api *api);
void api_release(struct api_call *call);

/* Bytes that the call has allocated: parameters and reply. */
size_t api_bytes(const struct api_call *call);

/* `request` and what it points to are needed during the call only. */
enum api_next api_begin(struct api_call *call, const struct api_request *request);

/* The append has ended: makes the response and gives the key back. Any thread. */
void api_stored(struct api_call *call, enum error_kind kind);

/* Is there a message for a waiting call? Also yes when the store cannot tell, unless the call is
 * waiting on. */
bool api_has_news(struct api_call *call);

/* A call that waited was woken, but the store failed: may it wait on, since the store is looked at
 * again and again (store_recheck_ms())? Then the response is undone. */
bool api_waits_on(struct api_call *call);

/* Somebody says that there may be news: api_read() tells what is there now. Any thread. */
void api_woken(struct api_call *call);

/* Makes the response of a reading call. */
void api_read(struct api_call *call);

/* Puts the next piece into response.body (cleared first) and clears response.more after the
 * last. False: the store failed; the reply must be cut. */
bool api_fill(struct api_call *call);

/* Makes an error response and gives the key back. `text` becomes {"error":text}. */
void api_fail(struct api_call *call, int status, const char *text);

#endif
