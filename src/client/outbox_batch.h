/* SPDX-License-Identifier: MIT */
/*
 * outbox_batch: lines of an outbox that go as one request, and what is remembered of that.
 *
 * A server stores a batch whole or not at all, under one key. So once it may have got it, its lines
 * must not go under other keys, in other batches or alone, until it is known what became of it;
 * and whoever goes on after a crash must send exactly the same lines under the same key. A record
 * says so; it is on disk before the first byte of the batch leaves:
 *
 *   DIR/batch-FIRST-LAST     the numbers of its first and last line, 20 digits each
 *   DIR/stored-FIRST-LAST    the same file, when it is known that the batch is stored
 *
 *     chancat-batch-1 KEY SERVER WATERMARK ATTEMPTS FIRST-TRY KEYED STATE DONE COUNT CHECKSUM
 *     NUMBER KEY               of each of the COUNT lines, in order
 *
 * The first KEY is the batch's, the others tell its lines from later ones that got their numbers.
 * There is one record at a time for each server. Whoever holds the lock writes it anew as a whole
 * (tmp/, rename) or gives it its other name, and puts that on disk. Its life:
 *
 *   batch-, STATE 0   It may be stored. Whoever sends next sends it again, before all else.
 *   stored-           It is. Only now its lines are removed, new/ is put on disk, and the record
 *                     goes. Whoever finds it like this goes on with that. (A name takes no room,
 *                     so that this can be done on a full disk.)
 *   STATE 1 or 2      Its key cannot settle it (too old; the server keeps none any more; a line
 *                     was taken away, so that it cannot be sent again as it was). Each of its
 *                     lines is one that was tried, with the record's WATERMARK, and goes alone
 *                     (deliver.h). 2: and must never be sent again.
 *                     So many as DONE have been dealt with, and WATERMARK has moved past the
 *                     message of each, so that equal lines find different messages. Both move in
 *                     one step, before the line is removed: when that did not happen any more,
 *                     the DONE-th line is removed by whoever finds it.
 *
 * When nothing of it has left, or the server has refused it, the record is removed, durably, and
 * its lines are as before. Nothing is sent in between.
 *
 * A record that is damaged says that all lines with numbers from FIRST to LAST may be stored. None
 * of them is sent; they go to failed/. No batch is so large, and nothing is lost or doubled by it.
 *
 * chancat before batches takes a directory with a record for no outbox and does not use it; so it
 * cannot send its lines a second time; one that opened it earlier and is still running could, so
 * the older program must end first. What it has left behind has no records, and is fine.
 *
 * The lock of the outbox is held for all of this.
 */
#ifndef CHANCAT_OUTBOX_BATCH_H
#define CHANCAT_OUTBOX_BATCH_H

#include "client/batch.h"
#include "client/outbox.h"

enum outbox_batch_state {
    OUTBOX_BATCH_WHOLE,
    OUTBOX_BATCH_APART,
    OUTBOX_BATCH_ANSWERED /* apart, and one try got an answer that was not ours */
};

struct outbox_batch {
    uint64_t first, last; /* numbers; first 0: there is no batch */
    char key[KEY_LEN + 1];
    struct outbox_try try;
    enum outbox_batch_state state;
    bool stored;
    size_t done;
    struct buf server;
    struct buf members; /* struct outbox_member, ascending */
};

struct outbox_member {
    uint64_t number;
    char key[KEY_LEN + 1];
};

void outbox_batch_init(struct outbox_batch *b);
void outbox_batch_release(struct outbox_batch *b);

/* There is no batch. */
void outbox_batch_clear(struct outbox_batch *b);

/* A new one for this server, with a key and no lines. ERROR_LOCAL: no random numbers, memory. */
enum error_kind outbox_batch_begin(struct outbox_batch *b, struct span server, struct error *e);

/* Adds a line that outbox_next() has given out. False: BATCH_LINES_MAX are in it already, or the
 * number is above INT64_MAX. */
bool outbox_batch_add(struct outbox_batch *b, const struct outbox_line *line);

size_t outbox_batch_count(const struct outbox_batch *b);
const struct outbox_member *outbox_batch_at(const struct outbox_batch *b, size_t i);

/* Which one of its lines this is; outbox_batch_count(): none. */
size_t outbox_batch_find(const struct outbox_batch *b, const struct outbox_line *line);

/*
 * The batch for this server whose record somebody left behind; b->first is 0 when there is none.
 * What others, for whatever server, had left to do after the end of a batch is done here.
 *
 *   ERROR_BAD_DATA  the record is damaged: b->first and b->last say what may be stored, e why.
 *                   The caller sets that aside, and calls outbox_batch_forget().
 */
enum error_kind outbox_batch_load(struct outbox *o, struct span server, struct outbox_batch *b,
                                  struct error *e);

/* Makes the record durable as *b is now. ERROR_LOCAL: it is there as it was, or as it is now. */
enum error_kind outbox_batch_record(struct outbox *o, const struct outbox_batch *b,
                                    struct error *e);

/* Removes the record durably: its lines are as before. ERROR_LOCAL: nothing must be sent. */
enum error_kind outbox_batch_forget(struct outbox *o, struct outbox_batch *b, struct error *e);

/* It is stored: removes its lines, and then the record. ERROR_LOCAL: the next
 * outbox_batch_load() goes on with it. */
enum error_kind outbox_batch_stored(struct outbox *o, struct outbox_batch *b, struct error *e);

/* It is apart, and line `i` has been dealt with; id > 0: it is stored with this id and is to be
 * removed. After the last one the record goes, too. ERROR_LOCAL as above. */
enum error_kind outbox_batch_next(struct outbox *o, struct outbox_batch *b, size_t i, int64_t id,
                                  struct error *e);

/* It is apart: when none of its lines waits any more, the record goes. ERROR_LOCAL as above. */
enum error_kind outbox_batch_end(struct outbox *o, struct outbox_batch *b, struct error *e);

#endif
