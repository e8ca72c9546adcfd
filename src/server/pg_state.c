/* SPDX-License-Identifier: MIT */
#include "server/pg_state.h"

#include "common/log.h"

void pg_state_is_down(struct pg_state *s, const struct error *why)
{
    if (!atomic_exchange(&s->down, true))
        log_warn("%s; trying again", why->text);
}

void pg_state_is_up(struct pg_state *s)
{
    if (atomic_load_explicit(&s->down, memory_order_relaxed) && atomic_exchange(&s->down, false))
        log_warn("PostgreSQL answers again");
}

int pg_state_pause(int *pause_ms)
{
    *pause_ms = *pause_ms == 0                    ? PG_PAUSE_FIRST_MS
                : *pause_ms > PG_PAUSE_MAX_MS / 2 ? PG_PAUSE_MAX_MS
                                                  : 2 * *pause_ms;
    return *pause_ms;
}
