/* SPDX-License-Identifier: MIT */
/*
 * fake_clock: a clock.h that stands still until the test moves it. A test that uses it gets it
 * instead of the real one, for all of the program. Any thread.
 */
#ifndef CHANCAT_FAKE_CLOCK_H
#define CHANCAT_FAKE_CLOCK_H

#include <stdint.h>

void fake_clock_advance(int64_t ms);

/* How often it was looked at so far. */
long fake_clock_looks(void);

#endif
