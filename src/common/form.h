/* SPDX-License-Identifier: MIT */
/*
 * form: application/x-www-form-urlencoded, as the original server (Go's net/url) reads it.
 *
 * Pairs are split at '&'. A pair with a ';' or a broken % escape is dropped, the others
 * stay; a key without '=' has an empty value. The first value of a key counts.
 */
#ifndef CHANCAT_FORM_H
#define CHANCAT_FORM_H

#include "common/buf.h"
#include "common/text.h"

/* Appends `value` encoded (space as '+'). 0, or -1 (buffer full). */
int form_add_encoded(struct buf *b, struct span value);

/* Appends `key=encoded value`, with '&' before it unless the buffer is empty or ends in '?'. */
int form_add_pair(struct buf *b, const char *key, struct span value);

/* Appends the decoded `encoded`. 1: done, 0: broken % escape, -1: buffer full; in both cases
 * nothing is appended. */
int form_add_decoded(struct buf *b, struct span encoded);

/* Looks for `key`, which has neither '+' nor '%', in an encoded text; its decoded value (raw bytes)
 * is appended to `b`.
 * 1: found, 0: not there, -1: buffer full. */
int form_find(struct span encoded, const char *key, struct buf *b);

#endif
