/* SPDX-License-Identifier: MIT */
#include "client/echo.h"

void echo_init(struct echo *echo)
{
    *echo = (struct echo){0};
    pthread_mutex_init(&echo->lock, NULL);
    buf_init(&echo->ranges, ECHO_RANGES_MAX * sizeof(struct echo_range));
}

void echo_release(struct echo *echo)
{
    buf_release(&echo->ranges);
    pthread_mutex_destroy(&echo->lock);
}

void echo_begin(struct echo *echo, struct span sender, struct span content, int64_t after)
{
    pthread_mutex_lock(&echo->lock);
    echo->in_flight = true;
    echo->sender = sender;
    echo->content = content;
    echo->after = after;
    pthread_mutex_unlock(&echo->lock);
}

static struct echo_range *ranges(struct echo *echo, size_t *ret_count)
{
    *ret_count = echo->ranges.len / sizeof(struct echo_range);
    return (struct echo_range *)(void *)echo->ranges.data; /* from malloc: aligned */
}

static void remember(struct echo *echo, int64_t id)
{
    size_t count;
    struct echo_range *r = ranges(echo, &count);
    if (count > echo->head && r[count - 1].last + 1 == id) {
        r[count - 1].last = id;
        return;
    }
    struct echo_range next = {id, id};
    if (buf_add(&echo->ranges, &next, sizeof(next))) {
        buf_consume(&echo->ranges, count ? sizeof(next) : 0);
        echo->head -= echo->head > 0;
        buf_add(&echo->ranges, &next, sizeof(next));
    }
}

void echo_end(struct echo *echo, int64_t id)
{
    pthread_mutex_lock(&echo->lock);
    echo->in_flight = false;
    if (id > 0)
        remember(echo, id);
    pthread_mutex_unlock(&echo->lock);
}

enum echo_answer echo_ask(struct echo *echo, const struct message *m)
{
    enum echo_answer answer = ECHO_OTHER;
    pthread_mutex_lock(&echo->lock);
    size_t count;
    const struct echo_range *r = ranges(echo, &count);
    while (echo->head < count && r[echo->head].last < m->id)
        echo->head++;
    if (echo->head < count && r[echo->head].first <= m->id)
        answer = ECHO_OWN;
    else if (echo->in_flight && m->id > echo->after &&
             message_is_ours(m, echo->sender, echo->content))
        answer = ECHO_WAIT;
    if (echo->head > count / 2) { /* seldom, so that forgetting stays cheap */
        buf_consume(&echo->ranges, echo->head * sizeof(*r));
        echo->head = 0;
    }
    pthread_mutex_unlock(&echo->lock);
    return answer;
}
