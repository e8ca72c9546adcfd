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

/* DIR/part/name; either may be empty. */
void outbox_dir_path(char ret[OUTBOX_PATH_SIZE], const struct outbox *o, const char *part,
                     const char *name);

/* The name of a line, or of its try with the suffix ".try"; and back: the number that a name
 * begins with (above 0), and what follows it. NULL: it begins with none. */
void outbox_dir_name(char ret[OUTBOX_NAME_MAX], uint64_t number, const char *suffix);
const char *outbox_dir_number(const char *name, uint64_t *ret);

/* DIR/new/N with `suffix`. */
void outbox_dir_line_path(char ret[OUTBOX_PATH_SIZE], const struct outbox *o, uint64_t number,
                          const char *suffix);

/* The name of the record of a batch (outbox_batch.h) in DIR, and back. False: it is none. */
void outbox_dir_batch_name(char ret[OUTBOX_NAME_MAX], bool stored, uint64_t first, uint64_t last);
bool outbox_dir_batch(const char *name, bool *ret_stored, uint64_t *ret_first, uint64_t *ret_last);

/* Puts what was made or removed in DIR/part on disk. ERROR_LOCAL. */
enum error_kind outbox_dir_sync(const struct outbox *o, const char *part, struct error *e);

/* Calls `each` for every name in DIR/part, until it returns something else than ERROR_NONE. */
typedef enum error_kind outbox_each(void *context, const char *name, struct error *e);
enum error_kind outbox_dir_each(const struct outbox *o, const char *part, outbox_each *each,
                                void *context, struct error *e);

/*
 * A file comes into the outbox in four steps: it is written in tmp/, where the cleaner leaves it
 * alone; put on disk; given its place by `put`, which may tell through *ret_vanished that the
 * file was gone; and its name in tmp/ is removed, if `put` has not moved it. ERROR_LOCAL, or what
 * `put` returns. On failure outbox_dir_write() leaves nothing behind, else the caller drops it.
 */
typedef enum error_kind outbox_put(void *context, const char *path, bool *ret_vanished,
                                   struct error *e);
enum error_kind outbox_dir_write(const struct outbox *o, struct span bytes,
                                 struct outbox_temporary *ret, struct error *e);
enum error_kind outbox_dir_finish(const struct outbox *o, const struct outbox_temporary *t,
                                  struct error *e);
enum error_kind outbox_dir_place(const struct outbox *o, const struct outbox_temporary *t,
                                 outbox_put *put, void *context, bool *ret_vanished,
                                 struct error *e);
void outbox_dir_drop(const struct outbox *o, struct outbox_temporary *t);

/* All four; anew, a few times, when the file was gone. */
enum error_kind outbox_dir_store(const struct outbox *o, struct span bytes, outbox_put *put,
                                 void *context, struct error *e);

/* The same for DIR/part/name, in place of what has that name, durably. ERROR_LOCAL. */
enum error_kind outbox_dir_replace(const struct outbox *o, const char *part, const char *name,
                                   struct span bytes, struct error *e);

/* Removes what dead writers left in tmp/, and each .try without a line. The lock is held. */
enum error_kind outbox_dir_clean(struct outbox *o, struct error *e);

#endif
