/* SPDX-License-Identifier: MIT */
/*
 * file: small files read whole or written durably, and the three standard descriptors made safe.
 *
 * Durable means: after the call returned, a crash of the machine does not take it back.
 */
#ifndef CHANCAT_FILE_H
#define CHANCAT_FILE_H

#include "common/buf.h"
#include "common/error.h"
#include "common/text.h"

/* Appends the whole file; ERROR_LOCAL names the path and the reason (also: larger
 * than the buffer's maximum). errno is kept for the caller. */
enum error_kind file_read(const char *path, struct buf *b, struct error *e);

/* As file_read() for files found in a place where anything may lie: no symbolic link is followed
 * and no FIFO waited for. ERROR_BAD_DATA: it is no regular file, or too large for `b`; ERROR_LOCAL:
 * it cannot be read this time (errno is kept; ENOENT: it is not there). */
enum error_kind file_read_regular(const char *path, struct buf *b, struct error *e);

/* The first line of a file with a secret in it, without its line end, appended to `b`: at least
 * one byte, printable ASCII without space. ERROR_LOCAL never shows the secret. */
enum error_kind file_read_token(const char *path, struct buf *b, struct error *e);

/* Makes `path`, which must not be there yet (mode 0600), holding `bytes`, on disk. On failure
 * nothing is left of it. ERROR_LOCAL names the path and the reason; errno is kept. */
enum error_kind file_write_new(const char *path, struct span bytes, struct error *e);

/* Writes everything. 0, or -1 with errno. Not on disk before fsync(). */
int file_write(int fd, struct span bytes);

/* Lets the system begin to put it on disk, so that the fsync() of several files waits less. */
void file_begin_sync(int fd);

/* Appends all of an open file, which is read from its beginning. ERROR_LOCAL. */
enum error_kind file_read_open(int fd, struct buf *b, struct error *e);

/* Appends the directory part of `path`: "." and "/" where it has none. 0, or -1 (buffer full). */
int file_add_directory(struct buf *b, const char *path);

/* Puts what was made, renamed or removed in a directory on disk. ERROR_LOCAL; errno is kept. */
enum error_kind file_sync_directory(const char *path, struct error *e);

/* Opens or makes the lock file `path` (mode 0600) and takes its exclusive flock(2) without
 * waiting: *ret_fd holds it until it is closed, or the process ends in any way. *ret_fd is -1
 * with ERROR_NONE when another one has it. ERROR_LOCAL; errno is kept. */
enum error_kind file_lock(const char *path, int *ret_fd, struct error *e);

/* A descriptor 0, 1 or 2 that is closed would be taken by the next open: a socket as stdout. Each
 * is filled with /dev/null opened the wrong way round, so that using it still fails (EBADF).
 * Call first of all. */
void file_fill_standard_fds(void);

#endif
