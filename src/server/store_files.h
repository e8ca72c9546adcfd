/* SPDX-License-Identifier: MIT */
/*
 * store_files: the file of an SQLite database and those that SQLite keeps beside it (-wal, -shm,
 * -journal), seen from the file system; a part of store_sqlite.c, and of what looks at its database
 * from outside (store_check.c, store_backup.c).
 *
 * A name is the name of a file whatever it looks like, ":memory:" alone excepted. No state; any
 * thread.
 */
#ifndef CHANCATD_STORE_FILES_H
#define CHANCATD_STORE_FILES_H

#include <sqlite3.h>
#include <stdbool.h>
#include <sys/types.h>

#include "common/error.h"

/* sqlite3_open_v2(). SQLite may be built to take a name with file: in front as a URI, whose
 * parameters can turn off what a store promises; here it is a name. */
int store_files_open(const char *where, int flags, sqlite3 **ret);

/* Can this be opened, or made, for writing by the user who asks? SQLite would open it all the same
 * and then refuse each message, say only that it cannot, or wait for the other end of a FIFO.
 * Follows symbolic links as SQLite does, as it keeps the other files beside the last of them.
 * ERROR_LOCAL names the file that is wrong. */
enum error_kind store_files_look(const char *where, struct error *e);

/* Which file stood under the name when it was opened. */
struct store_place {
    char *where; /* NULL: no file, or none that could be looked at */
    dev_t device;
    ino_t inode;
};

void store_place_take(struct store_place *place, const char *where);
void store_place_release(struct store_place *place);

/* False: the name has been removed or belongs to another file now, so what is written will not be
 * found again. */
bool store_place_holds(const struct store_place *place);

#endif
