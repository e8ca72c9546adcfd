/* SPDX-License-Identifier: MIT */
/*
 * gotext: what the original server's language and database do to text: forms, trimming, HTML
 * and JSON escapes, number-like channel names. Written from the recorded replies, apart
 * from the programs under test, so that both cannot share a mistake.
 */
#ifndef FAULT_GOTEXT_H
#define FAULT_GOTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"

/* Appends the first value of field `name` in a urlencoded form. Pairs with a ';' or a bad escape
 * do not count. False: there is none. */
bool gotext_form_value(struct view form, const char *name, struct bytes *value);

/* The text without Unicode white space at both ends. */
struct view gotext_trim(struct view text);

/* Appends with & < > " ' as the five HTML escapes. */
void gotext_add_html(struct bytes *b, struct view text);

/* Appends a JSON string with its quotes; invalid bytes as \ufffd, & < > as \u0026 ... */
void gotext_add_json(struct bytes *b, struct view text);

/* Appends the channel name as the database keeps it: 007 and 7.0 as 7, 1e3 as 1000. */
void gotext_add_folded(struct bytes *b, struct view name);

/* A decimal int64 with white space around it; empty is `absent`. False: it is none. */
bool gotext_int64(struct view text, int64_t absent, int64_t *ret_value);

#endif
