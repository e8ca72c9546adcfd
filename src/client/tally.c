/* SPDX-License-Identifier: MIT */
#include "client/tally.h"

#include <inttypes.h>
#include <stddef.h>

#include "common/log.h"

void tally_add(struct tally *t, enum error_kind kind)
{
    switch (kind) {
    case ERROR_USAGE:
        t->usage = true;
        break;
    case ERROR_LOCAL:
        t->local = true;
        break;
    case ERROR_UNREACHABLE:
    case ERROR_BAD_DATA: /* a server that talks nonsense is one that does not work (yet) */
        t->unreachable = true;
        break;
    case ERROR_REFUSED:
        t->refused = true;
        break;
    case ERROR_UNKNOWN:
        t->unknown = true;
        break;
    case ERROR_RESET:
        t->reset = true;
        break;
    case ERROR_NONE:
    case ERROR_STOPPED:
        break;
    }
}

void tally_merge(struct tally *t, const struct tally *other)
{
    t->usage |= other->usage;
    t->local |= other->local;
    t->unreachable |= other->unreachable;
    t->refused |= other->refused;
    t->unknown |= other->unknown;
    t->idle |= other->idle;
    t->reset |= other->reset;
    t->lines_refused += other->lines_refused;
    t->lines_unsent += other->lines_unsent;
    t->lines_unknown += other->lines_unknown;
    t->lines_waiting += other->lines_waiting;
}

int tally_status(const struct tally *t)
{
    const struct {
        bool applies;
        int status;
    } order[] = {
        {t->usage, 2},   {t->local, 1},       {t->reset, 7}, {t->unknown, 5},
        {t->refused, 4}, {t->unreachable, 3}, {t->idle, 6},
    };
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (order[i].applies)
            return order[i].status;
    }
    return 0;
}

void tally_report(const struct tally *t)
{
    int64_t all = t->lines_refused + t->lines_unsent + t->lines_unknown;
    if (all)
        log_error("%" PRId64 " line%s not known to be stored: %" PRId64 " refused, %" PRId64
                  " not sent, %" PRId64 " unknown",
                  all, all == 1 ? "" : "s", t->lines_refused, t->lines_unsent, t->lines_unknown);
    if (t->lines_waiting)
        log_error("%" PRId64 " line%s in the outbox", t->lines_waiting,
                  t->lines_waiting == 1 ? " waits" : "s wait");
}
