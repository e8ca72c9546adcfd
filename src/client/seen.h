/* SPDX-License-Identifier: MIT */
/*
 * seen: the names that came by last, to choose from when one is typed. At most SEEN_MAX, the
 * oldest is forgotten; names of more than SEEN_NAME_MAX bytes are not remembered. All zero: empty.
 * Not for two threads at once.
 */
#ifndef CHANCAT_SEEN_H
#define CHANCAT_SEEN_H

#include <stddef.h>

#include "common/text.h"

#define SEEN_MAX      100
#define SEEN_NAME_MAX 63

struct seen {
    size_t count;
    char names[SEEN_MAX][SEEN_NAME_MAX + 1]; /* the newest first */
};

void seen_add(struct seen *s, struct span name);

#endif
