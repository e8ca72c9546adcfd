/* SPDX-License-Identifier: MIT */
#include "client/backoff.h"

#include <unistd.h>

#include "common/clock.h"

void backoff_init(struct backoff *b, int64_t patience_ms)
{
    *b = (struct backoff){.patience_ms = patience_ms};
}

void backoff_reset(struct backoff *b)
{
    b->failures = 0;
}

static int64_t random_below(int64_t limit)
{
    uint32_t random = 0;
    if (getentropy(&random, sizeof(random)))
        random = (uint32_t)clock_now_ms(); /* only spreads clients, guards nothing */
    return (int64_t)random % (limit + 1);
}

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

bool backoff_next(struct backoff *b, int64_t retry_after_ms, int64_t *ret_pause_ms)
{
    int64_t now = clock_now_ms();
    if (b->failures++ == 0)
        b->give_up_at = clock_deadline(b->patience_ms);
    if (now >= b->give_up_at)
        return false;
    int64_t left = b->give_up_at == CLOCK_NEVER ? CLOCK_NEVER : b->give_up_at - now;
    if (retry_after_ms >= 0) {
        int64_t pause = clamp(retry_after_ms, BACKOFF_AFTER_MIN_MS, BACKOFF_AFTER_MAX_MS);
        if (pause > left)
            return false;
        *ret_pause_ms = pause;
        return true;
    }
    int64_t limit = BACKOFF_FIRST_MS;
    for (unsigned i = 1; i < b->failures && limit < BACKOFF_MAX_MS; i++)
        limit *= 2;
    int64_t pause = random_below(clamp(limit, 0, BACKOFF_MAX_MS));
    *ret_pause_ms = pause < left ? pause : left;
    return true;
}
