/* SPDX-License-Identifier: MIT */
#include "server/latest.h"

#include "common/clock.h"

void latest_init(struct latest *l)
{
    *l = (struct latest){0};
    buf_init(&l->kept, LATEST_BYTES);
    pthread_mutex_init(&l->lock, NULL);
}

void latest_destroy(struct latest *l)
{
    buf_release(&l->kept);
    pthread_mutex_destroy(&l->lock);
}

static bool is_same(const struct latest *l, const struct latest_question *q)
{
    return l->kept.len > 0 && clock_now_ms() - l->at_ms < LATEST_FRESH_MS && l->after == q->after &&
           l->upto == q->upto && l->limit == q->limit &&
           span_equal((struct span){l->kept.data, l->channel_len}, q->channel);
}

bool latest_find(struct latest *l, const struct latest_question *q, struct buf *body)
{
    pthread_mutex_lock(&l->lock);
    bool found = is_same(l, q) &&
                 buf_add(body, l->kept.data + l->channel_len, l->kept.len - l->channel_len) == 0;
    pthread_mutex_unlock(&l->lock);
    return found;
}

void latest_keep(struct latest *l, const struct latest_question *q, struct span reply)
{
    pthread_mutex_lock(&l->lock);
    buf_clear(&l->kept);
    l->after = q->after;
    l->upto = q->upto;
    l->limit = q->limit;
    l->at_ms = clock_now_ms();
    l->channel_len = q->channel.len;
    if (buf_add(&l->kept, q->channel.data, q->channel.len) ||
        buf_add(&l->kept, reply.data, reply.len))
        buf_clear(&l->kept);
    pthread_mutex_unlock(&l->lock);
}
