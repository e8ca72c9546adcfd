/* SPDX-License-Identifier: MIT */
#include "client/echo.h"

#include <stdlib.h>
#include <string.h>

#include "common/hash.h"

void echo_init(struct echo *echo)
{
    *echo = (struct echo){0};
    pthread_mutex_init(&echo->lock, NULL);
    buf_init(&echo->ranges, ECHO_RANGES_MAX * sizeof(struct echo_range));
    buf_init(&echo->lines, BATCH_LINES_MAX * sizeof(uint64_t));
}

void echo_release(struct echo *echo)
{
    buf_release(&echo->ranges);
    buf_release(&echo->lines);
    pthread_mutex_destroy(&echo->lock);
}

/* --- what is in flight ------------------------------------------------------------------------ */

static const struct span between = {"\xFF", 1}; /* no sender has that byte */

/* What the server makes of a line of ours, and a message as it came from it. */
static uint64_t hash_of_line(struct span sender, struct span content)
{
    uint64_t h = text_hash_html_escaped(HASH_START, text_trim(sender));
    return text_hash_html_escaped(hash_add(h, between), text_trim(content));
}

static uint64_t hash_of_message(const struct message *m)
{
    return hash_add(hash_add(hash_add(HASH_START, m->sender), between), m->content);
}

static int compare(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return x < y ? -1 : x > y;
}

static void start(struct echo *echo, int64_t after)
{
    echo->in_flight = true;
    echo->any = false;
    echo->after = after;
    buf_clear(&echo->lines);
}

static void expect(struct echo *echo, struct span sender, struct span content)
{
    uint64_t h = hash_of_line(sender, content);
    echo->any |= buf_add(&echo->lines, &h, sizeof(h)) != 0;
}

static void sort(struct echo *echo)
{
    if (echo->lines.len)
        qsort(echo->lines.data, echo->lines.len / sizeof(uint64_t), sizeof(uint64_t), compare);
}

void echo_begin(struct echo *echo, struct span sender, struct span content, int64_t after)
{
    pthread_mutex_lock(&echo->lock);
    start(echo, after);
    expect(echo, sender, content);
    pthread_mutex_unlock(&echo->lock);
}

void echo_begin_batch(struct echo *echo, const struct batch *batch, int64_t after)
{
    pthread_mutex_lock(&echo->lock);
    start(echo, after);
    for (size_t i = 0; i < batch_count(batch); i++) {
        struct batch_line line = batch_at(batch, i);
        expect(echo, line.sender, line.content);
    }
    sort(echo);
    pthread_mutex_unlock(&echo->lock);
}

static bool has_hash(const struct echo *echo, uint64_t h)
{
    return echo->lines.len &&
           bsearch(&h, echo->lines.data, echo->lines.len / sizeof(h), sizeof(h), compare);
}

void echo_also(struct echo *echo, struct span sender, struct span content)
{
    pthread_mutex_lock(&echo->lock);
    if (!has_hash(echo, hash_of_line(sender, content))) {
        expect(echo, sender, content);
        sort(echo);
    }
    pthread_mutex_unlock(&echo->lock);
}

static bool is_in_flight(const struct echo *echo, const struct message *m)
{
    if (!echo->in_flight || m->id <= echo->after)
        return false;
    return echo->any || has_hash(echo, hash_of_message(m));
}

/* --- what is ours ----------------------------------------------------------------------------- */

static struct echo_range *ranges(struct echo *echo, size_t *ret_count)
{
    *ret_count = echo->ranges.len / sizeof(struct echo_range);
    return (struct echo_range *)(void *)echo->ranges.data; /* from malloc: aligned */
}

static void remember(struct echo *echo, int64_t first, int64_t last)
{
    size_t count;
    struct echo_range *r = ranges(echo, &count);
    if (count > echo->head && r[count - 1].last + 1 == first) {
        r[count - 1].last = last;
        return;
    }
    struct echo_range next = {first, last};
    if (buf_add(&echo->ranges, &next, sizeof(next))) {
        buf_consume(&echo->ranges, count ? sizeof(next) : 0);
        echo->head -= echo->head > 0;
        buf_add(&echo->ranges, &next, sizeof(next));
    }
}

void echo_own(struct echo *echo, int64_t first, int64_t last)
{
    pthread_mutex_lock(&echo->lock);
    remember(echo, first, last);
    pthread_mutex_unlock(&echo->lock);
}

void echo_end(struct echo *echo)
{
    pthread_mutex_lock(&echo->lock);
    echo->in_flight = false;
    pthread_mutex_unlock(&echo->lock);
}

/* The first range that does not end before this id. Where ids come ascending it is near. */
static size_t first_upto(const struct echo_range *r, size_t from, size_t to, int64_t id)
{
    size_t step = 1;
    while (from + step < to && r[from + step].last < id) {
        from += step;
        step *= 2;
    }
    to = from + step < to ? from + step : to;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (r[middle].last < id)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

enum echo_answer echo_ask(struct echo *echo, const struct message *m)
{
    enum echo_answer answer = ECHO_OTHER;
    pthread_mutex_lock(&echo->lock);
    size_t count;
    const struct echo_range *r = ranges(echo, &count);
    size_t at = first_upto(r, echo->head, count, m->id);
    if (!echo->keeps)
        echo->head = at;
    if (at < count && r[at].first <= m->id)
        answer = ECHO_OWN;
    else if (is_in_flight(echo, m))
        answer = ECHO_WAIT;
    if (echo->head > count / 2) { /* seldom, so that forgetting stays cheap */
        buf_consume(&echo->ranges, echo->head * sizeof(*r));
        echo->head = 0;
    }
    pthread_mutex_unlock(&echo->lock);
    return answer;
}
