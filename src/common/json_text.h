/* SPDX-License-Identifier: MIT */
/*
 * json_text: Jansson's parser, with one thing told apart that it does not tell reliably: text that
 * is no JSON, and memory that ran out while it was parsed. Whoever mistakes the second for the
 * first passes over a good message.
 *
 * Jansson's allocator hooks are process-wide; this module owns them. The mark that an allocation
 * has failed is each thread's own.
 */
#ifndef CHANCAT_JSON_TEXT_H
#define CHANCAT_JSON_TEXT_H

#include <jansson.h>

#include "common/error.h"
#include "common/text.h"

/* Sets the hooks and the seed of Jansson's hash tables. Once, before threads start. */
void json_text_init(void);

/* json_loadb() with these flags; *ret_used (may be NULL) is how many bytes it took. ERROR_BAD_DATA:
 * *e says what is wrong, as Jansson words it. ERROR_LOCAL: no memory. The caller releases *ret
 * (json_decref), which is NULL on failure. */
enum error_kind json_text_parse(struct span text, size_t flags, json_t **ret, size_t *ret_used,
                                struct error *e);

#endif
