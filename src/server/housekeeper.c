/* SPDX-License-Identifier: MIT */
#include "server/housekeeper.h"

#include <string.h>

#include "common/clock.h"
#include "server/until.h"

void housekeeper_init(struct housekeeper *h, housekeeper_look_fn *look, void *context)
{
    *h = (struct housekeeper){.look = look, .context = context, .wake_at = CLOCK_NEVER};
    pthread_mutex_init(&h->lock, NULL);
    until_init(&h->changed);
}

void housekeeper_destroy(struct housekeeper *h)
{
    pthread_cond_destroy(&h->changed);
    pthread_mutex_destroy(&h->lock);
}

static void *housekeeper_main(void *context)
{
    struct housekeeper *h = context;
    pthread_mutex_lock(&h->lock);
    while (!h->ends) {
        if (clock_left_ms(h->wake_at) != 0) {
            until_wait(&h->changed, &h->lock, h->wake_at);
            continue;
        }
        h->wake_at = CLOCK_NEVER;
        pthread_mutex_unlock(&h->lock);
        int64_t nearest = h->look(h->context);
        int64_t soonest = clock_deadline(HOUSEKEEPER_TICK_MS);
        pthread_mutex_lock(&h->lock);
        if (nearest < soonest)
            nearest = soonest;
        if (nearest < h->wake_at) /* somebody may have named another meanwhile */
            h->wake_at = nearest;
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

enum error_kind housekeeper_start(struct housekeeper *h, struct error *e)
{
    int failure = pthread_create(&h->thread, NULL, housekeeper_main, h);
    h->runs = failure == 0;
    return failure ? error_set(e, ERROR_LOCAL, "cannot start a thread: %s", strerror(failure))
                   : ERROR_NONE;
}

void housekeeper_stop(struct housekeeper *h)
{
    if (!h->runs)
        return;
    pthread_mutex_lock(&h->lock);
    h->ends = true;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
    pthread_join(h->thread, NULL);
    h->runs = false;
}

void housekeeper_look_at(struct housekeeper *h, int64_t deadline)
{
    pthread_mutex_lock(&h->lock);
    if (deadline < h->wake_at) {
        h->wake_at = deadline;
        pthread_cond_broadcast(&h->changed);
    }
    pthread_mutex_unlock(&h->lock);
}
