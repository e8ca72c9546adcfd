/* SPDX-License-Identifier: MIT */
/*
 * prefer: the request header Prefer (RFC 7240), of which one preference is known:
 * return=minimal, a reply that does not repeat what the client has.
 */
#ifndef CHANCATD_PREFER_H
#define CHANCATD_PREFER_H

#include <stdbool.h>

#define PREFER_MINIMAL "return=minimal" /* as Preference-Applied says it */

/* Does the value of the header (NULL: there is none) ask for return=minimal? Of several `return`
 * the first counts; other preferences, and parameters, are passed over. */
bool prefer_minimal(const char *header);

#endif
