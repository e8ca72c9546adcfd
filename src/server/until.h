/* SPDX-License-Identifier: MIT */
/*
 * until: condition variables that wait until a deadline of clock.h.
 */
#ifndef CHANCATD_UNTIL_H
#define CHANCATD_UNTIL_H

#include <pthread.h>
#include <stdint.h>

/* Instead of pthread_cond_init(): setting the wall clock changes no wait. */
void until_init(pthread_cond_t *changed);

/* With `lock` held: waits for a signal or `deadline` (CLOCK_NEVER: the signal only). May return
 * early, as any such wait. */
void until_wait(pthread_cond_t *changed, pthread_mutex_t *lock, int64_t deadline);

#endif
