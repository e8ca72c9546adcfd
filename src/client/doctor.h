/* SPDX-License-Identifier: MIT */
/*
 * doctor: --doctor, the report that says what works and what does not: versions, where each
 * option's value comes from, and one try to reach the server and to read from it.
 *
 * Nothing is sent to a channel and no file is made or changed. Secrets (tokens, and the user part
 * of URLs) are never shown. Each request is tried once.
 */
#ifndef CHANCAT_DOCTOR_H
#define CHANCAT_DOCTOR_H

#include "client/options.h"
#include "client/output.h"
#include "client/tally.h"

/* Writes the report to `out`, section by section. When the options are wrong, no connection is
 * tried. What was found wrong is in *tally. */
void doctor_run(const struct options *o, struct output *out, struct tally *tally);

/* Would a server that keeps names in a column of numbers take this name for one ("007", "1e3")? */
bool doctor_is_number(struct span name);

#endif
