/* SPDX-License-Identifier: MIT */
#include "proxy/mix.h"

#include <stdlib.h>
#include <string.h>

#define WEIGHT_MAX 1000000

static const char *const names[FAULT_COUNT] = {
    [FAULT_PASS] = "pass",
    [FAULT_RESET_BEFORE] = "reset-before",
    [FAULT_ERROR_BEFORE] = "error-before",
    [FAULT_FORWARD_RESET] = "forward-reset",
    [FAULT_FORWARD_HANG] = "forward-hang",
    [FAULT_FORWARD_CUT] = "forward-cut",
    [FAULT_STATUS_ONLY] = "status-only",
    [FAULT_ERROR_AFTER] = "error-after",
    [FAULT_STALE_FIN] = "stale-fin",
    [FAULT_STALE_RST] = "stale-rst",
    [FAULT_PARK_RESET] = "park-reset",
    [FAULT_PARK_CLOSE] = "park-close",
};

const char *fault_name(enum fault fault)
{
    return names[fault];
}

/* Which fault has this name; FAULT_COUNT: none. */
static unsigned find(const char *name, size_t len)
{
    unsigned i = 0;
    while (i < FAULT_COUNT && (strlen(names[i]) != len || memcmp(names[i], name, len) != 0))
        i++;
    return i;
}

bool mix_parse(struct mix *mix, const char *text)
{
    *mix = (struct mix){.total = 0};
    for (;;) {
        size_t len = strcspn(text, ":");
        unsigned fault = find(text, len);
        if (fault == FAULT_COUNT || text[len] != ':')
            return false;
        char *end;
        unsigned long weight = strtoul(text + len + 1, &end, 10);
        if (end == text + len + 1 || weight > WEIGHT_MAX)
            return false;
        mix->total += (unsigned)weight - mix->weights[fault];
        mix->weights[fault] = (unsigned)weight;
        if (*end != ',')
            return *end == '\0' && mix->total > 0;
        text = end + 1;
    }
}

/* The output function of splitmix64. */
static uint64_t scramble(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

uint64_t mix_draw(uint64_t seed, enum draw draw, uint64_t number, uint64_t below)
{
    return scramble(scramble(scramble(seed) + (uint64_t)draw) + number) % below;
}

enum fault mix_post(const struct mix *mix, uint64_t seed, uint64_t number)
{
    uint64_t left = mix_draw(seed, DRAW_POST, number, mix->total);
    unsigned fault = 0;
    while (left >= mix->weights[fault])
        left -= mix->weights[fault++];
    return (enum fault)fault;
}

enum fault mix_get(unsigned percent, uint64_t seed, uint64_t number)
{
    if (mix_draw(seed, DRAW_GET, number, 100) >= percent)
        return FAULT_PASS;
    return (enum fault)(1 + mix_draw(seed, DRAW_GET_KIND, number, FAULT_PARK_RESET - 1));
}
