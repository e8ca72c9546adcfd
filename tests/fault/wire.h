/* SPDX-License-Identifier: MIT */
/*
 * wire: one connection's bytes: reading requests, and sending replies with the faults that concern
 * bytes (cut, stalled, in drips).
 *
 * Every wait also watches `stop_fd`, which becomes readable when the program ends.
 */
#ifndef FAULT_WIRE_H
#define FAULT_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"

#define WIRE_HEAD_MAX ((size_t)64 << 10)
#define WIRE_BODY_MAX ((size_t)32 << 20)

/* Used by one thread only. */
struct wire {
    int fd;
    int stop_fd;
    int release_fd;   /* readable from the release on */
    struct bytes in;  /* read but not used yet, from `used` on */
    size_t used;      /* bytes of `in` that belong to requests already handled */
    bool chunked;     /* the reply's body is sent in chunks */
    int64_t sent;     /* bytes of this reply */
    int64_t cut_at;   /* end after that many; < 0: never */
    int64_t stall_at; /* pause after that many; < 0: never */
    int64_t stall_ms;
    int64_t drip; /* bytes a piece; 0: as they come */
};

/* A request as it came. The strings point into the wire's buffer until the next call. */
struct wire_request {
    char *method;
    char *target;
    char *authorization; /* NULL: none */
    bool form;           /* Content-Type says so */
    bool close;
    struct bytes body;
};

/* Reads a request with its body. The caller releases `body` in any case. False: the connection is
 * over, or the request was nonsense. */
bool wire_read(struct wire *w, struct wire_request *ret_request);

/* Forgets what the last reply was to suffer. */
void wire_reset(struct wire *w);

/* Sends. False: the connection is over, or the reply ends here. */
bool wire_send(struct wire *w, struct view data);

/* Sends a piece of the body, framed when `chunked`. */
bool wire_send_body(struct wire *w, struct view data);
bool wire_send_body_end(struct wire *w);

#define WIRE_HELD (-1)

/* Waits `ms`, or with WIRE_HELD until the release. False: the program ends. */
bool wire_pause(const struct wire *w, int64_t ms);

/* Waits until the peer has closed. */
void wire_hang(const struct wire *w);

/* Makes close() send RST instead of FIN. */
void wire_arm_reset(const struct wire *w);

#endif
