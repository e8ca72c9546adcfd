/* SPDX-License-Identifier: MIT */
/*
 * file: small files read whole, and the three standard descriptors made safe.
 */
#ifndef CHANCAT_FILE_H
#define CHANCAT_FILE_H

#include "common/buf.h"
#include "common/error.h"

/* Appends the whole file; ERROR_LOCAL names the path and the reason (also: larger
 * than the buffer's maximum). errno is kept for the caller. */
enum error_kind file_read(const char *path, struct buf *b, struct error *e);

/* The first line of a file with a secret in it, without its line end, appended to `b`: at least
 * one byte, printable ASCII without space. ERROR_LOCAL never shows the secret. */
enum error_kind file_read_token(const char *path, struct buf *b, struct error *e);

/* A descriptor 0, 1 or 2 that is closed would be taken by the next open: a socket as stdout. Each
 * is filled with /dev/null opened the wrong way round, so that using it still fails (EBADF).
 * Call first of all. */
void file_fill_standard_fds(void);

#endif
