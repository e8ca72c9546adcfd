/* SPDX-License-Identifier: MIT */
/*
 * number: whole texts turned into bounded numbers; anything left over is an error.
 */
#ifndef CHANCAT_NUMBER_H
#define CHANCAT_NUMBER_H

#include <stddef.h>
#include <stdint.h>

/* Decimal, an optional sign, digits only, no space: `text[0..len)` -> *ret. 0, or -1
 * with *ret untouched (empty, other bytes, not an int64). */
int number_parse(const char *text, size_t len, int64_t *ret);

/* Seconds such as "2", "0.5": -> milliseconds, digits past the third are dropped.
 * No sign, no exponent. 0, or -1 with *ret untouched. */
int number_parse_seconds(const char *text, int64_t *ret_ms);

#endif
