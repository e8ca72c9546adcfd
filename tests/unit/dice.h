/* SPDX-License-Identifier: MIT */
/*
 * dice: numbers that look random and are the same in each run (xorshift64), for tests that try
 * many things. For the one file that includes it; not for threads.
 */
#ifndef CHANCAT_DICE_H
#define CHANCAT_DICE_H

#include <stddef.h>
#include <stdint.h>

static uint64_t dice = 88172645463325252u;

/* 0 to sides - 1. */
static inline size_t roll(size_t sides)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return (size_t)(dice % sides);
}

#endif
