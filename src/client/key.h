/* SPDX-License-Identifier: MIT */
/*
 * key: an idempotency key, 128 random bits as hexadecimal digits: what a line is known by, to the
 * server (header Idempotency-Key) and in an outbox.
 */
#ifndef CHANCAT_KEY_H
#define CHANCAT_KEY_H

#include "common/error.h"

#define KEY_LEN 32

/* A new one, with '\0'. ERROR_LOCAL: no random numbers. */
enum error_kind key_make(char ret[KEY_LEN + 1], struct error *e);

#endif
