/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "unit/api_fixture.h"

#include <stdlib.h>
#include <string.h>

void ignore_message(void *context, struct span channel, int64_t id)
{
    (void)context, (void)channel, (void)id;
}

int api_set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    if (!f)
        return -1;
    keys_init(&f->keys);
    f->api.keys = &f->keys;
    latest_init(&f->latest);
    f->api.latest = &f->latest;
    metrics_init(&f->metrics, "1", "3");
    f->api.metrics = &f->metrics;
    health_init(&f->health, ignore_message, NULL);
    f->api.health = &f->health;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->stored, NULL);
    *state = f;
    return store_open(":memory:", ignore_message, NULL, &f->api.store, NULL) ? -1 : 0;
}

int api_tear_down(void **state)
{
    struct fixture *f = *state;
    store_close(f->api.store);
    pthread_cond_destroy(&f->stored);
    pthread_mutex_destroy(&f->lock);
    keys_destroy(&f->keys);
    latest_destroy(&f->latest);
    health_destroy(&f->health);
    free(f);
    return 0;
}

static void on_done(struct store_append *append, enum error_kind kind)
{
    struct fixture *f = append->context;
    pthread_mutex_lock(&f->lock);
    f->done = true;
    f->kind = kind;
    pthread_cond_signal(&f->stored);
    pthread_mutex_unlock(&f->lock);
}

static void store_and_wait(struct fixture *f, struct api_call *call)
{
    f->done = false;
    call->append.done = on_done;
    call->append.context = f;
    assert_int_equal(store_queue(f->api.store, &call->append), ERROR_NONE);
    pthread_mutex_lock(&f->lock);
    while (!f->done)
        pthread_cond_wait(&f->stored, &f->lock);
    pthread_mutex_unlock(&f->lock);
    api_stored(call, f->kind);
}

void go_on(struct fixture *f, struct api_call *call, enum api_next next)
{
    switch (next) {
    case API_STORE:
        store_and_wait(f, call);
        break;
    case API_WAIT:
        api_read(call);
        break;
    case API_READY:
        break;
    }
}

int ask_request(struct fixture *f, const struct api_request *request, struct buf *body)
{
    struct api_call call;
    api_init(&call, &f->api);
    go_on(f, &call, api_begin(&call, request));
    buf_clear(body);
    assert_int_equal(buf_add(body, call.response.body.data, call.response.body.len), 0);
    while (call.response.more) {
        assert_true(api_fill(&call));
        assert_int_equal(buf_add(body, call.response.body.data, call.response.body.len), 0);
    }
    int status = call.response.status;
    assert_non_null(call.response.content_type);
    api_release(&call);
    return status;
}

int ask(struct fixture *f, const char *method, const char *target, const char *type,
        const char *form, struct buf *body)
{
    const char *query = strchr(target, '?');
    struct api_request request = {
        .method = method,
        .path = {target, query ? (size_t)(query - target) : strlen(target)},
        .query = span_of(query ? query + 1 : ""),
        .body = span_of(form ? form : ""),
        .content_type = type,
    };
    return ask_request(f, &request, body);
}
