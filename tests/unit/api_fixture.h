/* SPDX-License-Identifier: MIT */
/*
 * api_fixture: the API on a store in memory, and requests run to their end as routes.c would.
 */
#ifndef CHANCAT_API_FIXTURE_H
#define CHANCAT_API_FIXTURE_H

#include <pthread.h>
#include <stdbool.h>

#include "common/buf.h"
#include "server/api.h"

/* A store and the end of its append, as routes.c would wait for it. */
struct fixture {
    struct api api;
    struct keys keys;
    struct latest latest;
    struct health health;
    struct metrics metrics;
    pthread_mutex_t lock;
    pthread_cond_t stored;
    bool done;
    enum error_kind kind;
};

/* For cmocka. */
int api_set_up(void **state);
int api_tear_down(void **state);

/* A store's listener that does nothing. */
void ignore_message(void *context, struct span channel, int64_t id);

/* Runs a call to its end. */
void go_on(struct fixture *f, struct api_call *call, enum api_next next);

/* The same for a request; all of the reply's body is in *body. Returns the status. */
int ask_request(struct fixture *f, const struct api_request *request, struct buf *body);

/* The same for one without special headers; `form` may be NULL. */
int ask(struct fixture *f, const char *method, const char *target, const char *type,
        const char *form, struct buf *body);

#endif
