/* SPDX-License-Identifier: MIT */
#include "server/store_queue.h"

#include "common/clock.h"
#include "common/hash.h"
#include "server/until.h"

void store_queue_init(struct store_queue *q, unsigned max)
{
    *q = (struct store_queue){.max = max, .enough = 1};
    q->last = &q->first;
    pthread_mutex_init(&q->lock, NULL);
    until_init(&q->filled);
}

void store_queue_destroy(struct store_queue *q)
{
    pthread_cond_destroy(&q->filled);
    pthread_mutex_destroy(&q->lock);
}

enum error_kind store_queue_add(struct store_queue *q, struct store_append *append)
{
    append->next = NULL;
    append->replayed = false;
    append->kind = ERROR_UNREACHABLE; /* until it is stored */
    append->late_at = clock_deadline(STORE_WAIT_MAX_MS);
    pthread_mutex_lock(&q->lock);
    bool full = q->len >= q->max || q->closing;
    if (!full) {
        *q->last = append;
        q->last = &append->next;
        q->len++;
        if (q->len >= q->enough)
            pthread_cond_signal(&q->filled);
    }
    pthread_mutex_unlock(&q->lock);
    return full ? ERROR_UNREACHABLE : ERROR_NONE;
}

unsigned store_queue_len(struct store_queue *q)
{
    pthread_mutex_lock(&q->lock);
    unsigned len = q->len;
    pthread_mutex_unlock(&q->lock);
    return len;
}

static size_t bytes_of(const struct store_append *a)
{
    size_t bytes = 0;
    for (size_t i = 0; i < a->count; i++) {
        const struct store_message *m = &a->messages[i];
        bytes += m->channel.len + m->sender.len + m->content.len;
    }
    return bytes;
}

struct store_append *store_queue_take(struct store_queue *q, unsigned appends, size_t messages)
{
    pthread_mutex_lock(&q->lock);
    while (!q->first && !q->closing)
        pthread_cond_wait(&q->filled, &q->lock);
    struct store_append *group = q->first, **end = &group;
    size_t taken = 0, bytes = 0;
    for (; *end && appends > 0 && taken < messages && bytes < STORE_GROUP_BYTES; appends--) {
        taken += (*end)->count;
        bytes += bytes_of(*end);
        end = &(*end)->next;
        q->len--;
    }
    q->first = *end;
    *end = NULL;
    if (!q->first)
        q->last = &q->first;
    pthread_mutex_unlock(&q->lock);
    return group;
}

void store_queue_linger(struct store_queue *q, unsigned enough, int64_t deadline)
{
    pthread_mutex_lock(&q->lock);
    q->enough = enough;
    while (q->len < enough && !q->closing && clock_left_ms(deadline) != 0)
        until_wait(&q->filled, &q->lock, deadline);
    q->enough = 1;
    pthread_mutex_unlock(&q->lock);
}

void store_queue_close(struct store_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closing = true;
    pthread_cond_broadcast(&q->filled);
    pthread_mutex_unlock(&q->lock);
}

bool store_append_is_late(const struct store_append *a)
{
    return clock_left_ms(a->late_at) == 0;
}

int64_t store_id_at(struct span ids, size_t i)
{
    uint64_t id = 0;
    for (size_t k = 0; k < STORE_ID_BYTES; k++)
        id = id << 8 | (unsigned char)ids.data[i * STORE_ID_BYTES + k];
    return (int64_t)id;
}

/* Each message has three fields, so what has as many fields has as many messages. */
int64_t store_append_fingerprint(const struct store_append *a)
{
    uint64_t h = HASH_START;
    for (size_t i = 0; i < a->count; i++) {
        h = hash_add_field(h, a->messages[i].channel);
        h = hash_add_field(h, a->messages[i].sender);
        h = hash_add_field(h, a->messages[i].content);
    }
    return (int64_t)h;
}

struct store_append *store_group_take_late(struct store_append **group)
{
    struct store_append *late = NULL, **end = &late;
    for (struct store_append **at = group; *at;) {
        struct store_append *a = *at;
        if (store_append_is_late(a)) {
            *at = a->next;
            a->next = NULL;
            *end = a;
            end = &a->next;
        } else {
            at = &a->next;
        }
    }
    return late;
}

/* Are its messages among what the group stored? */
static bool is_stored(const struct store_append *a)
{
    return !a->kind && !a->replayed;
}

unsigned store_group_len(const struct store_append *group)
{
    unsigned len = 0;
    for (const struct store_append *a = group; a; a = a->next)
        len++;
    return len;
}

int64_t store_group_stored(const struct store_append *group)
{
    int64_t messages = 0;
    for (const struct store_append *a = group; a; a = a->next)
        messages += is_stored(a) ? (int64_t)a->count : 0;
    return messages;
}

void store_group_news(const struct store_append *group, store_listener_fn *listener, void *context)
{
    for (const struct store_append *a = group; a; a = a->next) {
        for (size_t i = 0; i < a->count && is_stored(a); i++) {
            const struct store_message *m = &a->messages[i];
            if (i + 1 == a->count || !span_equal(m->channel, m[1].channel))
                listener(context, m->channel, m->id);
        }
    }
}

void store_group_finish(struct store_append *group, enum error_kind kind)
{
    while (group) {
        struct store_append *a = group;
        group = a->next; /* `a` may be gone after the call */
        if (kind && (kind != ERROR_UNKNOWN || !a->kind)) {
            a->kind = kind;
            a->replayed = false;
        }
        a->done(a, a->kind);
    }
}
