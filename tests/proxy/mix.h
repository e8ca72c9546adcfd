/* SPDX-License-Identifier: MIT */
/*
 * mix: which fault a request meets: weights, and a choice that depends on nothing but the seed and
 * the number of the request. What the faults do is in faultproxy.c.
 */
#ifndef PROXY_MIX_H
#define PROXY_MIX_H

#include <stdbool.h>
#include <stdint.h>

enum fault {
    FAULT_PASS,
    FAULT_RESET_BEFORE,
    FAULT_ERROR_BEFORE,
    FAULT_FORWARD_RESET,
    FAULT_FORWARD_HANG,
    FAULT_FORWARD_CUT,
    FAULT_STATUS_ONLY,
    FAULT_ERROR_AFTER,
    FAULT_STALE_FIN,
    FAULT_STALE_RST,
    FAULT_PARK_RESET, /* from here on nothing a GET could meet */
    FAULT_PARK_CLOSE,
    FAULT_COUNT
};

struct mix {
    unsigned weights[FAULT_COUNT];
    unsigned total;
};

/* Independent sequences of numbers of one seed. */
enum draw { DRAW_POST, DRAW_GET, DRAW_GET_KIND, DRAW_PARK, DRAW_STATUS, DRAW_CUT };

const char *fault_name(enum fault fault);

/* Reads NAME:WEIGHT,... False: it is not that, or no weight is above 0. */
bool mix_parse(struct mix *mix, const char *text);

/* 0 ... below-1, always the same for the same seed, sequence and number. `below` is not 0. */
uint64_t mix_draw(uint64_t seed, enum draw draw, uint64_t number, uint64_t below);

/* The fault of POST `number`; that of GET `number`, when `percent` of all GETs are to have one. */
enum fault mix_post(const struct mix *mix, uint64_t seed, uint64_t number);
enum fault mix_get(unsigned percent, uint64_t seed, uint64_t number);

#endif
