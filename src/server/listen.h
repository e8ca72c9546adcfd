/* SPDX-License-Identifier: MIT */
/*
 * listen: the address a server listens on, from text to socket.
 *
 * HOST:PORT, [IPv6]:PORT or unix:PATH. Port 0 picks a free one. A Unix socket that nobody
 * listens on any more is replaced; anything else in its place is an error.
 *
 * Or a socket that listens already, passed by the service manager as sd_listen_fds(3) describes:
 * descriptor 3, when LISTEN_PID is this process; then LISTEN_FDS must be 1. It stays the manager's:
 * it is not shut down and its path not removed, so clients that come while the server is restarted
 * wait.
 */
#ifndef CHANCATD_LISTEN_H
#define CHANCATD_LISTEN_H

#include <stdbool.h>

#include "common/error.h"

#define LISTEN_BACKLOG 1024

struct listener {
    int fd;         /* -1: none */
    char url[300];  /* where clients find it: http://HOST:PORT or unix:PATH */
    char path[108]; /* of a Unix socket that was made here, else empty */
    bool inherited; /* others listen on it, too, or will */
};

/* ERROR_USAGE: not an address. ERROR_LOCAL: it cannot be had. */
enum error_kind listen_open(struct listener *l, const char *address, struct error *e);

/* Takes the socket that was passed. `fd` stays -1 when none was. ERROR_USAGE: more than one, or
 * none that a stream server can listen on, or what was said about it is not to be understood: to
 * serve somewhere else then would be found out late. */
enum error_kind listen_inherit(struct listener *l, struct error *e);

/* Could it be had, but for others who have it now? The name is known, the address one of this
 * machine and the port not forbidden; the path of a Unix socket can be made, or is one that can be
 * replaced. Nothing is made. Errors as above. */
enum error_kind listen_check(const char *address, struct error *e);

/* Closes the socket unless `fd` is -1 (it was given away) and removes the path. Call it while the
 * socket still listens: a dead one may be replaced by another server at any time. */
void listen_close(struct listener *l);

#endif
