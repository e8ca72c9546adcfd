/* SPDX-License-Identifier: MIT */
/*
 * pg_news: word of new messages between the servers of one PostgreSQL database.
 *
 * Told of each channel that got messages here, its thread tells the other servers (NOTIFY), and
 * tells the store's listener of what they tell (LISTEN). It has a connection of its own, since a
 * NOTIFY inside the transaction that stores would make all of them wait for each other; and says
 * much at once, at most every PG_NEWS_PAUSE_MS: "ID HEX" for each channel, HEX being the name's
 * bytes, with spaces between, or "*" when there is too much to say or a name is too long.
 *
 * Word is a hint and may get lost; whoever waits must look for himself every PG_NEWS_RECHECK_MS.
 * After each new connection, and for a "*", the listener is told that it is not known who has news.
 * The same thread removes keys that are too old.
 */
#ifndef CHANCATD_PG_NEWS_H
#define CHANCATD_PG_NEWS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/wake.h"
#include "server/pg_link.h"
#include "server/pg_state.h"
#include "server/store.h"

#define PG_NEWS_PAUSE_MS   10
#define PG_NEWS_RECHECK_MS 2000
#define PG_NEWS_NAME_MAX   120u  /* bytes */
#define PG_NEWS_SLOTS      1024u /* channels told of at once, at most half of them */

struct pg_news {
    const char *uri;
    struct pg_state *state;
    store_listener_fn *listener;
    void *context;
    pthread_t thread;
    bool runs;
    struct wake wake; /* there is word to tell, or the end */
    /* the thread's */
    struct pg_link link;
    int pause_ms;                          /* before the last try to connect */
    int64_t connect_at, tell_at, prune_at; /* clock_now_ms(): not before */
    struct buf payloads;                   /* one behind the other, each with a '\0' */
    /* under the lock: what is to be told */
    pthread_mutex_t lock;
    bool ends, everything;
    unsigned count;
    struct pg_news_slot {
        int64_t id;
        unsigned char len; /* 0: nobody */
        char name[PG_NEWS_NAME_MAX];
    } slots[PG_NEWS_SLOTS];
};

/* ERROR_LOCAL. */
enum error_kind pg_news_start(struct pg_news *n, const char *uri, struct pg_state *state,
                              store_listener_fn *listener, void *context, struct error *e);

/* Tells what is still to be told. NULL or not started: nothing happens. */
void pg_news_stop(struct pg_news *n);

/* The channel has a message `id` now. Any thread: a store_listener_fn. */
void pg_news_tell(void *news, struct span channel, int64_t id);

#endif
