/* SPDX-License-Identifier: MIT */
/*
 * talk: one connection to a server on 127.0.0.1 that may end at any time: a request, then its
 * reply, one after the other.
 *
 * Requests are short, so sending does not wait. Replies come through epoll, whose events carry the
 * pointer that was given to talk_init().
 */
#ifndef CROWD_TALK_H
#define CROWD_TALK_H

#include <stdbool.h>
#include <stddef.h>

struct talk {
    int epoll, fd; /* fd -1: not connected */
    void *owner;
    char *in; /* what has come of the reply, with a '\0' behind it */
    size_t len, size;
};

enum talk_state {
    TALK_PART,  /* the reply is not complete */
    TALK_REPLY, /* it is: talk_status(), talk_body() */
    TALK_LOST,  /* the connection has ended; what became of the request is not known */
};

void talk_init(struct talk *t, int epoll, void *owner);

/* Connects if it has to. False: it could not be sent, or not all of it. */
bool talk_send(struct talk *t, int port, const char *request, size_t len);

/* Takes what has come. */
enum talk_state talk_receive(struct talk *t);

/* Of the whole reply, which stays until the next request. */
int talk_status(const struct talk *t);
const char *talk_body(const struct talk *t);

void talk_close(struct talk *t);

#endif
