/* SPDX-License-Identifier: MIT */
#include "common/hash.h"

uint64_t hash_add(uint64_t h, struct span bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        h = (h ^ (unsigned char)bytes.data[i]) * UINT64_C(0x100000001b3);
    return h;
}

uint64_t hash_add_field(uint64_t h, struct span bytes)
{
    uint64_t len = bytes.len;
    char number[sizeof(len)];
    for (size_t i = 0; i < sizeof(number); i++)
        number[i] = (char)(len >> (8 * i));
    return hash_add(hash_add(h, (struct span){number, sizeof(number)}), bytes);
}
