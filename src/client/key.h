/* SPDX-License-Identifier: MIT */
/*
 * key: an idempotency key, 128 random bits as hexadecimal digits: what a line is known by, to the
 * server (header Idempotency-Key) and in an outbox.
 */
#ifndef CHANCAT_KEY_H
#define CHANCAT_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"

#define KEY_DAYS 6 /* a day less than the server keeps them: clocks may be wrong */
#define KEY_LEN  32

/* A new one, with '\0'. ERROR_LOCAL: no random numbers. */
enum error_kind key_make(char ret[KEY_LEN + 1], struct error *e);

/* Does a server that keeps keys still know one that was first used at this moment (seconds since
 * 1970)? The wall clock says so; a moment of tomorrow was told by a wrong one. */
bool key_is_fresh(int64_t first_s);

#endif
