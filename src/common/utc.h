/* SPDX-License-Identifier: MIT */
/*
 * utc: an RFC 3339 time as UTC with whole seconds, in the one form that chancat prints.
 */
#ifndef CHANCAT_UTC_H
#define CHANCAT_UTC_H

#include <stdbool.h>
#include <stdint.h>

#include "common/text.h"

#define UTC_LEN 20 /* YYYY-MM-DDTHH:MM:SSZ */

/* Is `time` in that form already, and certainly a time? (False also for days after the 28th.) */
bool utc_is_canonical(struct span time);

/* Rewrites a time of the years 1 to 9999 (as UTC), with any digits of a second, which are dropped,
 * and any offset. 0, or -1: it is no such time. */
int utc_from_rfc3339(struct span time, char ret[UTC_LEN + 1]);

/* The same time as seconds since 1970. 0, or -1. */
int utc_seconds(struct span time, int64_t *ret);

#endif
