/* SPDX-License-Identifier: MIT */
/*
 * json: Jansson's parser, with the difference between bad text and no memory: Jansson says "invalid
 * token" for both, and a message that was not read for want of memory must not be passed over.
 *
 * Safe from every thread.
 */
#ifndef CHANCAT_JSON_H
#define CHANCAT_JSON_H

#include <jansson.h>
#include <stdbool.h>

#include "common/text.h"

/* json_loadb(). NULL: *ret_no_memory tells why; `error` (may be NULL) only speaks of bad text. The
 * caller releases the value with json_decref(). */
json_t *json_parse(struct span text, size_t flags, json_error_t *error, bool *ret_no_memory);

#endif
