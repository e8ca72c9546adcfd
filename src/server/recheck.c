/* SPDX-License-Identifier: MIT */
#include "server/recheck.h"

#include "common/clock.h"

void recheck_init(struct recheck *r, struct waiters *waiters)
{
    *r = (struct recheck){.waiters = waiters, .due_at = CLOCK_NEVER};
    atomic_init(&r->soon, false);
}

void recheck_begin(struct recheck *r, struct store *store)
{
    int ms = store_recheck_ms(store);
    r->store = store;
    r->due_at = ms ? clock_deadline(ms) : CLOCK_NEVER;
}

int64_t recheck_soon(struct recheck *r)
{
    atomic_store(&r->soon, true);
    return clock_now_ms();
}

static enum error_kind wake(struct recheck *r, const struct waiters_list *list)
{
    int64_t ids[WAITERS_LIST_MAX];
    struct error e;
    enum error_kind kind = store_last_ids(r->store, list->channels, list->count, ids, &e);
    for (size_t i = 0; !kind && i < list->count; i++)
        waiters_wake_channel(r->waiters, list->channels[i], ids[i]);
    return kind;
}

static void look(struct recheck *r)
{
    struct waiters_list list;
    unsigned bucket = 0;
    enum error_kind kind = ERROR_NONE;
    waiters_list_init(&list);
    bool more = true;
    while (more && !kind) {
        more = waiters_next(r->waiters, &bucket, &list);
        if (list.count > 0)
            kind = wake(r, &list);
    }
    waiters_list_release(&list);
}

int64_t recheck_waiters(struct recheck *r)
{
    bool soon = r->store && atomic_load(&r->soon);
    int64_t at = soon ? clock_sooner(r->due_at, r->not_before) : r->due_at;
    if (clock_left_ms(at) != 0)
        return at;
    atomic_store(&r->soon, false); /* what comes during the look wants another */
    look(r);
    r->not_before = clock_deadline(RECHECK_PAUSE_MS);
    int ms = store_recheck_ms(r->store);
    r->due_at = ms ? clock_deadline(ms) : CLOCK_NEVER;
    return r->due_at;
}
