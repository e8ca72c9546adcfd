/* SPDX-License-Identifier: MIT */
/*
 * outbox_dir: the directory of an outbox: making it, names in it, files that come into it whole
 * and durably, and cleaning up after the dead. Only the outbox includes this.
 */
#ifndef CHANCAT_OUTBOX_DIR_H
#define CHANCAT_OUTBOX_DIR_H

#include "client/outbox.h"

#define OUTBOX_NAME_MAX  100 /* bytes of the longest name in DIR/new and DIR/failed, with '\0' */
#define OUTBOX_PATH_SIZE (OUTBOX_PATH_MAX + 16 + OUTBOX_NAME_MAX)
#define OUTBOX_DIGITS    20

/* DIR, tmp/, new/ and failed/ as outbox_open() promises. ERROR_LOCAL. */
enum error_kind outbox_dir_make(const struct outbox *o, struct error *e);

/* DIR/part/name, or DIR/part with an empty name. */
void outbox_dir_path(char ret[OUTBOX_PATH_SIZE], const struct outbox *o, const char *part,
                     const char *name);

/* The name of a line, or of its try with the suffix ".try"; and back: the number that a name
 * begins with (above 0), and what follows it. NULL: it begins with none. */
void outbox_dir_name(char ret[OUTBOX_NAME_MAX], uint64_t number, const char *suffix);
const char *outbox_dir_number(const char *name, uint64_t *ret);

/* Calls `each` for every name in DIR/part, until it returns something else than ERROR_NONE. */
typedef enum error_kind outbox_each(void *context, const char *name, struct error *e);
enum error_kind outbox_dir_each(const struct outbox *o, const char *part, outbox_each *each,
                                void *context, struct error *e);

/*
 * Writes `bytes` to a file in tmp/ that the cleaner leaves alone, puts it on disk, has `put`
 * give it its place, and removes the name in tmp/ (unless `put` moved it). When `put`
 * tells through *ret_vanished that the file was gone, all is done anew, a few times.
 */
typedef enum error_kind outbox_put(void *context, const char *path, bool *ret_vanished,
                                   struct error *e);
enum error_kind outbox_dir_store(const struct outbox *o, struct span bytes, outbox_put *put,
                                 void *context, struct error *e);

/* The same for DIR/part/name, in place of what has that name, durably. ERROR_LOCAL. */
enum error_kind outbox_dir_replace(const struct outbox *o, const char *part, const char *name,
                                   struct span bytes, struct error *e);

/* Removes what dead writers left in tmp/, and each .try without a line. The lock is held. */
enum error_kind outbox_dir_clean(struct outbox *o, struct error *e);

#endif
