/* SPDX-License-Identifier: MIT */
/*
 * ledger: what writers were told and what followers saw, and what is wrong with it.
 *
 * A message is known by its writer and its number, which is counted from 1 for each writer. The
 * memory for it stays until the program ends, 8 bytes for each follower and some more; without
 * memory the program ends. One thread.
 */
#ifndef CROWD_LEDGER_H
#define CROWD_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fate {
    FATE_UNKNOWN, /* no answer, or one that does not tell */
    FATE_STORED,  /* acknowledged */
    FATE_REFUSED, /* "Nothing was stored" */
};

struct entry {
    int64_t id; /* that was acknowledged */
    unsigned channel;
    enum fate fate;
};

struct ledger {
    size_t writers, followers, channels;
    struct column {
        struct entry *entries;
        int64_t **seen; /* of each follower: the id under which it saw the message, or 0 */
        size_t count, size;
    } * columns;
    int64_t *last;  /* of each follower and channel: the last id that it saw */
    int64_t *acked; /* of each channel: the highest id that was acknowledged */
    long stored;    /* how many messages were acknowledged */
    long doubled, disordered, strange;
};

struct verdict {
    long acked;      /* messages that were acknowledged */
    long missed;     /* stored and not seen, summed over the followers, as are the next three */
    long doubled;    /* seen again */
    long disordered; /* seen behind a higher id, or acknowledged under a lower id than before */
    long strange;    /* not sent, seen under another id than acknowledged, or seen though refused */
    long open;       /* neither acknowledged nor refused ... */
    long open_seen;  /* ... and stored, as a follower saw */
};

void ledger_init(struct ledger *l, size_t writers, size_t followers, size_t channels);

/* The writer is going to send a message. Returns its number. */
size_t ledger_add(struct ledger *l, size_t writer, unsigned channel);
void ledger_acknowledge(struct ledger *l, size_t writer, size_t number, int64_t id);
void ledger_refuse(struct ledger *l, size_t writer, size_t number);

void ledger_see(struct ledger *l, size_t follower, unsigned channel, int64_t id, size_t writer,
                size_t number);

int64_t ledger_last(const struct ledger *l, size_t follower, unsigned channel);

/* Has every follower come as far as what was acknowledged? */
bool ledger_is_caught_up(const struct ledger *l);

struct verdict ledger_judge(const struct ledger *l);

#endif
