/* SPDX-License-Identifier: MIT */
/*
 * check: would the server start? For --check, before a restart.
 *
 * By then the options, the configuration file and the token file have been read (options.h). Here
 * those who will serve are asked: listen.h whether the address could be had, store.h whether the
 * database could be opened or made. All as the user who asks. Nothing is made, changed or listened
 * on, so it can be asked beside the running server, and therefore whether the port is free is not
 * looked at.
 */
#ifndef CHANCATD_CHECK_H
#define CHANCATD_CHECK_H

#include "common/buf.h"
#include "common/error.h"
#include "server/options.h"

/* Appends a sentence (with its newline) about what would be served. Anything else than ERROR_NONE:
 * the first thing that is wrong. */
enum error_kind check_configuration(const struct server_options *o, struct buf *sentence,
                                    struct error *e);

#endif
