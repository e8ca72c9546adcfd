/* SPDX-License-Identifier: MIT */
/*
 * copy: all of a database into another place, of the same kind or of the other.
 *
 * Messages keep their ids, times and every byte; idempotency keys keep what they stand for; and in
 * the target ids go on above the highest that there ever was in the source. The steps:
 *
 *   check    what is in the target must be the beginning of what is in the source: an earlier copy
 *            that was ended, or of an earlier state. Else nothing is changed.
 *   ids      new ones go on above those of the source, from now on
 *   copy     the messages behind it, in the order of their ids and in transactions
 *   keys     become those of the source, whatever they were
 *   verify   what was copied is read back from both sides
 *
 * So every message of both sides has been compared when it ends well: range by range, by count and
 * checksum. A copy that was ended at any moment, by kill -9, too, goes on when it is started again;
 * one of a source that has grown since brings the rest.
 *
 * Memory does not depend on the size of anything but the largest message. In the calling thread, of
 * a process that serves nothing. What is done is shown on a terminal (progress.h).
 */
#ifndef CHANCATD_COPY_H
#define CHANCATD_COPY_H

#include "common/error.h"

#define COPY_COMMIT_ROWS  10000 /* messages or bytes of texts after which there is a commit */
#define COPY_COMMIT_BYTES (16u << 20)
#define COPY_RANGE_ROWS   10000 /* messages that are compared at a time */

/* Places as store_open() takes them. ERROR_USAGE: the same place, or one in memory. ERROR_REFUSED:
 * the target holds other messages, and is as it was. ERROR_LOCAL: either side failed, or is not
 * there, or what was read back differs. ERROR_STOPPED: a signal came; it can be gone on with. */
enum error_kind copy_database(const char *from, const char *to, struct error *e);

#endif
