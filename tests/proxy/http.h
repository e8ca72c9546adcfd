/* SPDX-License-Identifier: MIT */
/*
 * http: HTTP/1.1 messages as they are: read whole from a socket and never changed, for the fault
 * proxy. Bodies by Content-Length, in chunks, or (replies) up to the end of the connection.
 *
 * Limits: HTTP_HEAD_MAX bytes of head; more than BYTES_MAX bytes in all end the program.
 */
#ifndef PROXY_HTTP_H
#define PROXY_HTTP_H

#include <stdbool.h>

#include "fault/bytes.h"

#define HTTP_HEAD_MAX ((size_t)64 << 10)

/* A connection, used by one thread. The owner closes fd and releases `in`. */
struct http_peer {
    int fd;
    struct bytes in; /* read, but not part of a message yet */
};

/* A message as it came. Whoever declared it releases `raw`. */
struct http_message {
    struct bytes raw; /* with a '\0' behind it */
    size_t head_len;  /* bytes of raw before the body */
    bool last;        /* the connection is not to be used after it */
};

/* Reads one request. False: the connection is over, or what came is no request. */
bool http_read_request(struct http_peer *peer, struct http_message *ret);

/* Reads one reply, passing over 1xx; `no_body`: it is a reply to HEAD. False: no whole reply. */
bool http_read_reply(struct http_peer *peer, bool no_body, struct http_message *ret);

/* The status of a reply, 0 when it is none. */
int http_status(const struct http_message *reply);

/* Is it a request with this method; for exactly this target? */
bool http_has_method(const struct http_message *request, const char *method);
bool http_has_target(const struct http_message *request, const char *target);

/* Sends everything. False: the connection is over. */
bool http_send(int fd, struct view data);

#endif
