/* SPDX-License-Identifier: MIT */
#include "server/until.h"

#include <time.h>

#include "common/clock.h"

void until_init(pthread_cond_t *changed)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(changed, &attr);
    pthread_condattr_destroy(&attr);
}

void until_wait(pthread_cond_t *changed, pthread_mutex_t *lock, int64_t deadline)
{
    if (deadline == CLOCK_NEVER) {
        pthread_cond_wait(changed, lock);
        return;
    }
    struct timespec at = {.tv_sec = (time_t)(deadline / 1000),
                          .tv_nsec = (long)(deadline % 1000) * 1000000};
    pthread_cond_timedwait(changed, lock, &at);
}
