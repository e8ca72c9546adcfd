/* SPDX-License-Identifier: MIT */
/*
 * outbox_file: the two file formats of the outbox (outbox.h describes them): text made from a
 * line or a try, and read back with everything checked. Only the outbox includes this.
 */
#ifndef CHANCAT_OUTBOX_FILE_H
#define CHANCAT_OUTBOX_FILE_H

#include "client/outbox.h"

#define OUTBOX_HEADER_MAX 16384u /* bytes of a line's header */
#define OUTBOX_FILE_MAX   (OUTBOX_HEADER_MAX + 3 * OUTBOX_TEXT_MAX)
#define OUTBOX_TRY_MAX    256u /* bytes of a .try file */

/* Appends the file of `line` (its key, server, channel, sender and content). ERROR_BAD_DATA: it
 * would not be taken back: too long, or no UTF-8. ERROR_LOCAL: memory. */
enum error_kind outbox_file_make(struct buf *b, const struct outbox_line *line, struct error *e);

/* Fills in key and spans from line->bytes. ERROR_BAD_DATA: e says what is wrong, as "it ...". */
enum error_kind outbox_file_parse(struct outbox_line *line, struct error *e);

/* The key in the file `path`, without looking at the rest. ERROR_BAD_DATA: there is no such file,
 * or none that a key can be seen in. ERROR_LOCAL: it cannot be read this time. */
enum error_kind outbox_file_key(const char *path, char ret[KEY_LEN + 1], struct error *e);

/* Is `path` the line with this key, and not one that came later? ERROR_LOCAL: nobody knows. */
enum error_kind outbox_file_holds(const char *path, const char *key, bool *ret, struct error *e);

/* Removes it if it is. ERROR_LOCAL. */
enum error_kind outbox_file_unlink(const char *path, const char *key, struct error *e);

/* Can this be a key? */
bool outbox_file_is_key(struct span s);

/* WATERMARK, ATTEMPTS, FIRST-TRY and KEYED of a record. False: they are not. */
bool outbox_try_read(const struct span fields[4], struct outbox_try *ret);

/* The file of a .try made, and read back. What belongs to a line with another key says that this
 * one is untried; what is damaged says that it was tried and nothing else is known. 0, or -1
 * (buffer full). */
int outbox_try_make(struct buf *b, const struct outbox_line *line);
void outbox_try_parse(struct span file, struct outbox_line *line);

/* What is taken for granted when there is a .try that cannot be understood, and when there is none.
 */
extern const struct outbox_try outbox_try_unknown, outbox_try_none;

#endif
