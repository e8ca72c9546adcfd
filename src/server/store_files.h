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

#include "common/error.h"

/* sqlite3_open_v2(). SQLite may be built to take a name with file: in front as a URI, whose
 * parameters can turn off what a store promises; here it is a name. */
int store_files_open(const char *where, int flags, sqlite3 **ret);

/* Can this be opened, or made, for writing by the user who asks? SQLite would open it all the same
 * and then refuse each message, say only that it cannot, or wait for the other end of a FIFO.
 * Follows symbolic links as SQLite does, as it
 * keeps the other files beside the last of them. ERROR_LOCAL names the file that is wrong. */
enum error_kind store_files_look(const char *where, struct error *e);

#endif
