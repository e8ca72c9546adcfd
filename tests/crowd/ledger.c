/* SPDX-License-Identifier: MIT */
#include "crowd/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "bench/load.h"

#define COLUMN_MIN 1024

static void *get_memory(void *old, size_t count, size_t each)
{
    void *p = realloc(old, count * each);
    if (!p)
        load_fail("crowd: no memory");
    return p;
}

static void *get_zeros(size_t count, size_t each)
{
    return memset(get_memory(NULL, count, each), 0, count * each);
}

void ledger_init(struct ledger *l, size_t writers, size_t followers, size_t channels)
{
    *l = (struct ledger){.writers = writers, .followers = followers, .channels = channels};
    l->columns = get_zeros(writers, sizeof(*l->columns));
    for (size_t i = 0; i < writers; i++)
        l->columns[i].seen = get_zeros(followers, sizeof(*l->columns[i].seen));
    l->last = get_zeros(followers * channels, sizeof(*l->last));
    l->acked = get_zeros(channels, sizeof(*l->acked));
}

static void grow(struct ledger *l, struct column *c)
{
    size_t size = c->size ? 2 * c->size : COLUMN_MIN;
    c->entries = get_memory(c->entries, size, sizeof(*c->entries));
    for (size_t i = 0; i < l->followers; i++) {
        c->seen[i] = get_memory(c->seen[i], size, sizeof(*c->seen[i]));
        memset(c->seen[i] + c->size, 0, (size - c->size) * sizeof(*c->seen[i]));
    }
    c->size = size;
}

size_t ledger_add(struct ledger *l, size_t writer, unsigned channel)
{
    struct column *c = &l->columns[writer];
    if (c->count == c->size)
        grow(l, c);
    c->entries[c->count] = (struct entry){.channel = channel, .fate = FATE_UNKNOWN};
    return ++c->count;
}

void ledger_acknowledge(struct ledger *l, size_t writer, size_t number, int64_t id)
{
    struct entry *e = &l->columns[writer].entries[number - 1];
    e->id = id;
    e->fate = FATE_STORED;
    l->stored++;
    if (l->acked[e->channel] < id)
        l->acked[e->channel] = id;
}

void ledger_refuse(struct ledger *l, size_t writer, size_t number)
{
    l->columns[writer].entries[number - 1].fate = FATE_REFUSED;
}

void ledger_see(struct ledger *l, size_t follower, unsigned channel, int64_t id, size_t writer,
                size_t number)
{
    int64_t *last = &l->last[follower * l->channels + channel];
    l->disordered += id <= *last;
    if (*last < id)
        *last = id;
    if (writer >= l->writers || number < 1 || number > l->columns[writer].count ||
        l->columns[writer].entries[number - 1].channel != channel) {
        l->strange++;
        return;
    }
    int64_t *seen = &l->columns[writer].seen[follower][number - 1];
    l->doubled += *seen != 0;
    *seen = id;
}

int64_t ledger_last(const struct ledger *l, size_t follower, unsigned channel)
{
    return l->last[follower * l->channels + channel];
}

bool ledger_is_caught_up(const struct ledger *l)
{
    for (size_t i = 0; i < l->followers * l->channels; i++) {
        if (l->last[i] < l->acked[i % l->channels])
            return false;
    }
    return true;
}

/* A writer sends one request at a time, so what it was told later has the higher id. */
static void judge_order(const struct ledger *l, const struct column *c, struct verdict *v)
{
    int64_t *last = get_zeros(l->channels, sizeof(*last));
    for (size_t i = 0; i < c->count; i++) {
        const struct entry *e = &c->entries[i];
        if (e->fate != FATE_STORED)
            continue;
        v->disordered += e->id <= last[e->channel];
        last[e->channel] = e->id;
    }
    free(last);
}

/* The id that one of the followers saw, if nobody was told of any. */
static int64_t find_id(const struct ledger *l, const struct column *c, size_t i)
{
    int64_t id = c->entries[i].fate == FATE_STORED ? c->entries[i].id : 0;
    for (size_t f = 0; id == 0 && f < l->followers; f++)
        id = c->seen[f][i];
    return id;
}

static void judge_message(const struct ledger *l, const struct column *c, size_t i,
                          struct verdict *v)
{
    const struct entry *e = &c->entries[i];
    int64_t stored_id = find_id(l, c, i);
    v->acked += e->fate == FATE_STORED;
    v->open += e->fate == FATE_UNKNOWN;
    v->open_seen += e->fate == FATE_UNKNOWN && stored_id != 0;
    for (size_t f = 0; f < l->followers; f++) {
        int64_t id = c->seen[f][i];
        /* one that nobody was told of need not have come yet, unless later ones have */
        v->missed += id == 0 && stored_id != 0 &&
                     (e->fate == FATE_STORED || ledger_last(l, f, e->channel) >= stored_id);
        v->strange += id != 0 && (id != stored_id || e->fate == FATE_REFUSED);
    }
}

struct verdict ledger_judge(const struct ledger *l)
{
    struct verdict v = {.doubled = l->doubled, .disordered = l->disordered, .strange = l->strange};
    for (size_t w = 0; w < l->writers; w++) {
        const struct column *c = &l->columns[w];
        judge_order(l, c, &v);
        for (size_t i = 0; i < c->count; i++)
            judge_message(l, c, i, &v);
    }
    return v;
}
