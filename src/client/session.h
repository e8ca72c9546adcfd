/* SPDX-License-Identifier: MIT */
/*
 * session: what the poll loop (main thread) and the reader thread share in one run.
 *
 *   [I] set before the threads start, constant from then on
 *   [a] atomic
 *   [L] has a lock of its own, a leaf
 */
#ifndef CHANCAT_SESSION_H
#define CHANCAT_SESSION_H

#include <stdatomic.h>

#include "client/cursor.h"
#include "client/echo.h"
#include "client/http.h"
#include "client/input.h"
#include "client/options.h"
#include "client/output.h"

/* How messages look at a terminal. */
struct view {
    int (*add_message)(void *context, const struct message *m, struct buf *b); /* 0, or -1 */
    void *context;
};

/* Where a poll loop that left its channel goes on when it comes back. */
struct place {
    bool known; /* else it begins as the options say */
    struct message_mark mark;
    int64_t printed; /* messages so far, for --count */
};

struct session {
    const struct options *options; /* [I] */
    struct span channel;           /* [I] empty: each line names its own. At a terminal the poll
                                      loop's, which another channel may follow */
    const struct view *view;       /* [I] NULL: messages are printed as the options say */
    struct place place;            /* the poll loop's */
    struct span sender;            /* [I] */
    struct output *output;         /* [I] has its lock */
    struct http *poll_http;        /* [I] the poll loop's; the reader thread only wakes it */
    struct http *post_http;        /* [I] the reader thread's */
    struct cursor *cursor;         /* the poll loop's; NULL: no --cursor-file */
    struct input *input;           /* [I] the reader thread's; others only stop it */
    struct echo echo;              /* [L] */
    atomic_uint posts;             /* [a] POSTs that have ended; moves the poll loop on */
    atomic_bool pausing;           /* [a] the poll loop is waiting between two polls */
    atomic_bool keeping;           /* [a] lines go into the outbox and no further, for now */
    atomic_bool sending_done;      /* [a] no line will be sent any more */
    _Atomic int64_t give_up_at;    /* [a] clock_now_ms() at which sending ends, done or not */
    atomic_bool leave;             /* [a] the poll loop ends, to go on elsewhere */
    atomic_bool failed;            /* [a] sending ended before stdin did: so does the run */
};

/* How the server is reached, as the options say. */
static inline struct http_config session_http_config(const struct options *o)
{
    return (struct http_config){
        .url = o->url,
        .token = o->token.len ? o->token.data : NULL,
        .ca_file = o->cacert,
        .cert_file = o->cert,
        .key_file = o->key,
        .unix_socket = o->unix_socket,
    };
}

#endif
