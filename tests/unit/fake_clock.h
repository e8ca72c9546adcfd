/* SPDX-License-Identifier: MIT */
/*
 * fake_clock: a clock.h that stands still until the test moves it. The one file that includes this
 * defines the clock of its whole program; in a shared archive it would be every test's. Any thread.
 */
#ifndef CHANCAT_FAKE_CLOCK_H
#define CHANCAT_FAKE_CLOCK_H

#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>

#include "common/clock.h"

static _Atomic int64_t fake_now_ms = 1000000;
static atomic_long fake_looks;

static inline void fake_clock_advance(int64_t ms)
{
    atomic_fetch_add(&fake_now_ms, ms);
}

/* How often it was looked at so far, microseconds left out. */
static inline long fake_clock_looks(void)
{
    return atomic_load(&fake_looks);
}

int64_t clock_now_ms(void)
{
    atomic_fetch_add(&fake_looks, 1);
    return atomic_load(&fake_now_ms);
}

int64_t clock_now_us(void)
{
    return atomic_load(&fake_now_ms) * 1000;
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

#endif
