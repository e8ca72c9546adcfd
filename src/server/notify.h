/* SPDX-License-Identifier: MIT */
/*
 * notify: tells the service manager that the server is ready or stops, as sd_notify(3) describes.
 *
 * The whole protocol is one datagram of text to the Unix socket named by NOTIFY_SOCKET; systemd
 * documents it as stable and open to other implementations. Twenty lines here are less than
 * libsystemd would cost: a library with its own libraries in a server that speaks to the network, a
 * build with and without it to test, and nothing on systems without systemd.
 *
 * Without NOTIFY_SOCKET nothing happens. No state; any thread.
 */
#ifndef CHANCATD_NOTIFY_H
#define CHANCATD_NOTIFY_H

#include "common/error.h"

#define NOTIFY_READY    "READY=1"
#define NOTIFY_STOPPING "STOPPING=1"

/* ERROR_LOCAL: whoever waits for it could not be told. */
enum error_kind notify_send(const char *state, struct error *e);

#endif
