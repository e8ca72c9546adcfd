/* SPDX-License-Identifier: MIT */
#include "server/health.h"

#include "common/clock.h"

void health_init(struct health *h, store_listener_fn *listener, void *context)
{
    *h = (struct health){.listener = listener, .context = context};
    pthread_mutex_init(&h->lock, NULL);
}

void health_destroy(struct health *h)
{
    pthread_mutex_destroy(&h->lock);
}

/* Returns the number of the probe that has ended. */
static int64_t end_probe(struct health *h, enum error_kind result)
{
    pthread_mutex_lock(&h->lock);
    int64_t number = h->ended = h->begun;
    h->ended_at = clock_now_ms();
    h->result = result;
    pthread_mutex_unlock(&h->lock);
    return number;
}

static void on_done(struct store_append *probe, enum error_kind kind)
{
    struct health *h = probe->context;
    int64_t number = end_probe(h, kind); /* from here on the next one may begin */
    h->listener(h->context, span_of(""), number);
}

/* Asks the store. False: there was no room, and this is the result. */
static bool begin_probe(struct health *h, struct store *store)
{
    h->probe = (struct store_append){.done = on_done, .context = h};
    if (store_queue(store, &h->probe) == ERROR_NONE)
        return true;
    end_probe(h, ERROR_REFUSED);
    return false;
}

bool health_ask(struct health *h, struct store *store, int64_t *ret_number)
{
    int64_t now = clock_now_ms();
    pthread_mutex_lock(&h->lock);
    bool idle = h->begun == h->ended;
    bool fresh = idle && h->ended > 0 && now - h->ended_at < HEALTH_FRESH_MS;
    bool stuck = !idle && now - h->begun_at >= HEALTH_WAIT_S * 1000;
    bool begins = idle && !fresh;
    if (begins) {
        h->begun++;
        h->begun_at = now;
    }
    *ret_number = h->begun;
    pthread_mutex_unlock(&h->lock);
    if (begins && !begin_probe(h, store))
        return true;
    return fresh || stuck;
}

bool health_has_ended(struct health *h, int64_t number)
{
    pthread_mutex_lock(&h->lock);
    bool ended = h->ended >= number;
    pthread_mutex_unlock(&h->lock);
    return ended;
}

const char *health_problem(struct health *h, int64_t number)
{
    pthread_mutex_lock(&h->lock);
    bool ended = h->ended >= number;
    enum error_kind result = h->result;
    pthread_mutex_unlock(&h->lock);
    if (!ended)
        return "No message can be stored: the disk or the database does not answer";
    if (result == ERROR_NONE)
        return NULL;
    if (result == ERROR_LOCAL)
        return "No message can be stored: the database was removed or replaced";
    return result == ERROR_REFUSED ? "No message can be stored: too many wait already"
                                   : "No message can be stored: the database failed";
}
