/* SPDX-License-Identifier: MIT */
/*
 * store: the fault server's messages, in memory, under a lock of its own (a leaf).
 *
 * A message is kept as the bytes of its JSON element. A synthetic backlog is only a count;
 * its elements are made when they are read, so a million of them cost nothing to hold.
 */
#ifndef FAULT_STORE_H
#define FAULT_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"

struct store;

/* What one reply holds: ids after < id <= upto of one channel. */
struct store_look {
    struct view channel; /* folded; must stay valid */
    int64_t after;
    int64_t upto;
    bool begun; /* an element was given out */
};

struct store *store_new(void);
void store_free(struct store *s);

/* Stores a message. The three texts are trimmed already; `channel` is the name as it came. Appends
 * the reply to /send. Returns the id. */
int64_t store_add(struct store *s, struct view channel, struct view sender, struct view content,
                  struct bytes *reply);

/* Stores raw bytes as the next element; every "@ID@" in it becomes its id. Returns the id. */
int64_t store_put(struct store *s, struct view channel, struct view element);

/* Adds `count` synthetic messages; channel "*": to every channel. */
void store_fill(struct store *s, struct view channel, int64_t count);

/* Forgets everything; ids begin at 1 again. */
void store_truncate(struct store *s);

int64_t store_last_id(struct store *s);

/* The id after which the newest `count` messages with id < before begin; count < 0: all. */
int64_t store_past(struct store *s, struct view channel, int64_t count, int64_t before);

/* Appends the next elements, each after '[' or ',', until `enough` bytes are there. False: that
 * was all. */
bool store_next(struct store *s, struct store_look *look, struct bytes *chunk, size_t enough);

#endif
