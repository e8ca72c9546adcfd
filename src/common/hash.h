/* SPDX-License-Identifier: MIT */
/*
 * hash: 64-bit FNV-1a, for checksums and fingerprints. It finds damage and accidents; it is
 * no guard against somebody who wants two texts to look alike.
 */
#ifndef CHANCAT_HASH_H
#define CHANCAT_HASH_H

#include <stdint.h>

#include "common/text.h"

#define HASH_START UINT64_C(0xcbf29ce484222325)

/* Goes on from `h` (HASH_START, or what an earlier call returned). */
uint64_t hash_add(uint64_t h, struct span bytes);

/* The same for one field among several: its length counts, so "ab","c" is not "a","bc". */
uint64_t hash_add_field(uint64_t h, struct span bytes);

#endif
