/* SPDX-License-Identifier: MIT */
#include "unit/fake_clock.h"

#include <limits.h>
#include <stdatomic.h>

#include "common/clock.h"

static _Atomic int64_t now_ms = 1000000;
static atomic_long looks;

void fake_clock_advance(int64_t ms)
{
    atomic_fetch_add(&now_ms, ms);
}

long fake_clock_looks(void)
{
    return atomic_load(&looks);
}

int64_t clock_now_ms(void)
{
    atomic_fetch_add(&looks, 1);
    return atomic_load(&now_ms);
}

int64_t clock_deadline(int64_t after_ms)
{
    return after_ms == CLOCK_NEVER ? CLOCK_NEVER : clock_now_ms() + after_ms;
}

int clock_left_ms(int64_t deadline)
{
    int64_t left = deadline - clock_now_ms();
    if (deadline == CLOCK_NEVER)
        return -1;
    return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}
