/* SPDX-License-Identifier: MIT */
/*
 * backup: a copy of the database in a file of its own, whether a server has it open or not.
 *
 * The copy holds what was acknowledged when it began, whole transactions only, and is a database
 * that a server can be started on. It appears under its name when it is complete and on disk, and
 * never in place of another file: it is made as FILE.XXXXXX beside it (mode 0600; left behind only
 * by kill -9), and gets its name after an fsync(2).
 *
 * It costs the server's writer no lock, only the disk's time. What is stored meanwhile stays in the
 * write-ahead log until the copy is done, so the log grows by that.
 *
 * In the calling thread, of a process that serves nothing.
 */
#ifndef CHANCATD_BACKUP_H
#define CHANCATD_BACKUP_H

#include "common/error.h"

/* ERROR_USAGE: a database in memory. ERROR_LOCAL: there is no such database, `file` exists, the
 * disk is full ... ERROR_STOPPED: a signal came. Then nothing is left. */
enum error_kind backup_write(const char *database, const char *file, struct error *e);

#endif
