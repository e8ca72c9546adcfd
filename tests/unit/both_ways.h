/* SPDX-License-Identifier: MIT */
/*
 * both_ways: JSON is read in one of two ways, from the fields where they lie (flat.h) or from
 * Jansson's tree. TWICE(test) is a test that goes both, one after the other; a test that goes both
 * by itself sets only_trees.
 *
 * For one program; it is linked with -Wl,--wrap=flat_read.
 */
#ifndef CHANCAT_BOTH_WAYS_H
#define CHANCAT_BOTH_WAYS_H

#include <stdbool.h>

#include "common/flat.h"

size_t __real_flat_read(struct flat *f, struct span text);
size_t __wrap_flat_read(struct flat *f, struct span text);

static bool only_trees;

size_t __wrap_flat_read(struct flat *f, struct span text)
{
    return only_trees ? 0 : __real_flat_read(f, text);
}

static inline int both_ways(void **state)
{
    (void)state;
    only_trees = false;
    return 0;
}

static inline int only_with_trees(void **state)
{
    (void)state;
    only_trees = true;
    return 0;
}

#define TWICE(name)                                                                                \
    cmocka_unit_test_setup(name, both_ways), cmocka_unit_test_setup(name, only_with_trees)

#endif
