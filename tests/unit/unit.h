/* SPDX-License-Identifier: MIT */
/*
 * unit: what every unit test includes before anything else.
 */
#ifndef CHANCAT_UNIT_H
#define CHANCAT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/text.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A span of a literal, NUL bytes inside included. */
#define LITERAL(text) ((struct span){text, sizeof(text) - 1})

/* The buffer holds exactly this text. */
#define assert_buf(b, text)                                                                        \
    do {                                                                                           \
        assert_int_equal((b).len, sizeof(text) - 1);                                               \
        assert_memory_equal((b).data ? (b).data : "", text, sizeof(text) - 1);                     \
    } while (0)

#endif
