/* SPDX-License-Identifier: MIT */
/*
 * access_log: one line on stderr for each request that has ended, with -v:
 *
 *   chancatd: 127.0.0.1:51234 200 214 bytes 3 ms GET /get?channel=ops&last=7
 *
 * Who asked, the status, the bytes of the reply's body, the milliseconds from the end of the
 * request's head to the end of the reply, what was asked. `cut` behind the status: the client did
 * not get all of the reply; status 0: none. What strangers chose stands last, so that it cannot be
 * taken for another part, and is made visible by the log module, which also says how long a slow
 * stderr holds the caller up.
 *
 * Of the parameters in the target only those that are numbers and names are shown (channel, last,
 * before, count, limit, wait); the value of any other is shown as *, for it may be a secret or
 * somebody's message, and so is all that stands before an @ or behind a = in the path, where a
 * client of a proxy or one with a mistake has a name and password or a parameter. Headers and
 * bodies are not shown at all.
 *
 * Requests that the HTTP library itself refuses (not HTTP, a head that is too large) do not come
 * here; it says so in lines of its own.
 *
 * No state; a struct access belongs to the request's thread.
 */
#ifndef CHANCATD_ACCESS_LOG_H
#define CHANCATD_ACCESS_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/buf.h"

#define ACCESS_TARGET_MAX 1000 /* bytes of a target that are shown */

/* From the beginning of a request until its end. Zeroed: nothing will be said. */
struct access {
    bool wanted;
    char method[16]; /* cut to that */
    int64_t began_ms;
};

struct access_end {
    const struct sockaddr *peer; /* NULL: unknown */
    const char *target;
    int status; /* 0: there was no answer */
    int64_t bytes;
    bool cut;
};

void access_begin(struct access *a, const char *method);
void access_end(const struct access *a, const struct access_end *end);

/* Appends the target without secrets. 0, or -1 (buffer full). */
int access_add_target(struct buf *b, const char *target);

#endif
