/* SPDX-License-Identifier: MIT */
#include "client/visits.h"

#include "common/message.h"

static struct visit *known(struct visits *v, struct span name)
{
    for (unsigned i = 0; i < v->count; i++) {
        struct visit *one = &v->all[i];
        if (span_equal((struct span){one->name.data, one->name.len}, name))
            return one;
    }
    return NULL;
}

/* The one that was shown longest ago, of those that may go: all but two. */
static struct visit *oldest(struct visits *v, const struct visit *keep)
{
    struct visit *found = NULL;
    for (unsigned i = 0; i < v->count; i++) {
        struct visit *one = &v->all[i];
        bool may_go = one != keep && !one->has_cursor;
        if (may_go && (!found || one->shown_at < found->shown_at))
            found = one;
    }
    return found;
}

struct visit *visits_find(struct visits *v, struct span name, const struct visit *keep)
{
    struct visit *one = known(v, name);
    if (!one) {
        one = v->count < VISITS_MAX ? &v->all[v->count++] : oldest(v, keep);
        buf_release(&one->name);
        *one = (struct visit){0};
        buf_init(&one->name, MESSAGE_NAME_MAX);
        buf_add(&one->name, name.data, name.len);
    }
    one->shown_at = ++v->now;
    return one;
}

void visits_release(struct visits *v)
{
    for (unsigned i = 0; i < v->count; i++)
        buf_release(&v->all[i].name);
    v->count = 0;
}
