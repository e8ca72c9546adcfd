/* SPDX-License-Identifier: MIT */
/*
 * pg_schema: the tables of the PostgreSQL store, in a schema of their own, "chancat".
 *
 *   message      channel, sender and content as bytes (a text of PostgreSQL cannot hold U+0000).
 *                channel_key is hash_add() of the channel's name: an index on names would not take
 *                long ones, and it is what a channel is locked by. Two channels may share a key, so
 *                every question names the channel, too.
 *   append_key   idempotency keys: what was stored, under which ids (8 bytes each, big-endian)
 *   message_id   the sequence of the ids; a cached one would draw ids that become visible out of
 *                order, so it must not be one
 *   readable     the messages as people want to see them, for nobody but them
 *   version      one row: the version of all this
 *
 * Many servers may start at once: the schema is made and brought up to date under a lock. A role
 * that may not make anything can use one that is there and up to date.
 */
#ifndef CHANCATD_PG_SCHEMA_H
#define CHANCATD_PG_SCHEMA_H

#include <stdint.h>

#include "server/pg_link.h"

#define PG_SCHEMA_VERSION 1

/* Makes the tables or those that an earlier version lacks, all or nothing, and looks whether the
 * database keeps what it acknowledges (else a warning). ERROR_LOCAL: also when they are a later
 * version's or the sequence is cached. */
enum error_kind pg_schema_create(struct pg_link *link, int64_t deadline, struct error *e);

/* Could pg_schema_create() do without making anything that cannot be made? Changes nothing.
 * ERROR_LOCAL. */
enum error_kind pg_schema_look(struct pg_link *link, int64_t deadline, struct error *e);

#endif
