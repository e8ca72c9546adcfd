/* SPDX-License-Identifier: MIT */
/*
 * pg_append: a group of appends as one transaction on PostgreSQL, in two round trips.
 *
 *   1  begin; lock the channels; draw the ids; look for the keys
 *   2  insert messages and keys; commit
 *
 * Ids of a channel must become visible in their order, or a follower that asks for what is above
 * its cursor misses messages for good. A sequence alone does not give that: whoever drew the lower
 * id may commit later. So each channel has a lock, taken before an id is drawn and held until the
 * commit has ended. Channels are locked in the order of their keys, so that no two transactions
 * wait for each other; one with more than PG_LOCKS_MAX channels locks all there are at once.
 *
 * When the connection is lost during the commit, nobody has said how it ended. The locks tell: who
 * gets them knows that the transaction has ended, and whether the messages are there. So the next
 * try finds out first, whoever the server is by then, and stores only what is not stored.
 *
 * The age of a key and the time of a message go by the clock of the database, which all servers
 * share. One thread at a time.
 */
#ifndef CHANCATD_PG_APPEND_H
#define CHANCATD_PG_APPEND_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "server/pg_link.h"
#include "server/store.h"

#define PG_LOCKS_MAX 64

/* "channels" in ASCII: the advisory lock that all have who store, shared; who has it exclusively
 * has all channels for himself. */
#define PG_ALL_CHANNELS "7163082334259211379"

/* What a channel is stored and locked under. */
int64_t pg_channel_key(struct span channel);

struct pg_append {
    struct pg_link link;
    /* arrays of what goes in, made for each try */
    struct buf locks, keys, ids, channels, senders, contents, names, fingerprints, key_ids, packed;
    /* a message of the try of which nobody knows how it ended; NULL: there is none */
    const struct store_message *doubt;
};

void pg_append_init(struct pg_append *p);
void pg_append_release(struct pg_append *p);

/* Tries to store a group, with a new connection if there is none. Waits for locks until `deadline`
 * and then for the commit, for STORE_WAIT_MAX_MS at most.
 *   ERROR_NONE         committed; what each append came to is in it
 *   ERROR_UNREACHABLE  certainly not stored
 *   ERROR_UNKNOWN      call again with the same group, and it may become known
 */
enum error_kind pg_append_group(struct pg_append *p, const char *uri, struct store_append *group,
                                int64_t deadline, struct error *e);

#endif
