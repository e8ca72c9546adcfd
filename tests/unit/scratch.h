/* SPDX-License-Identifier: MIT */
/*
 * scratch: a temporary directory of a test, and files in it. Every function fails the test when it
 * cannot do what it says. Names are relative to the directory; one directory at a time.
 */
#ifndef CHANCAT_SCRATCH_H
#define CHANCAT_SCRATCH_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/text.h"

/* cmocka set-up and tear-down of one test: an empty directory, and all of it removed. */
int scratch_make(void **state);
int scratch_remove(void **state);

/* The whole path; valid until eight more were asked for. */
const char *scratch_path(const char *name);

void scratch_write(const char *name, struct span bytes);
void scratch_read(const char *name, struct buf *b); /* replaces what is in `b` */
bool scratch_has(const char *name);
void scratch_delete(const char *name);

/* How many names the directory has that contain `part` ("": all). ret_name (may be NULL): the
 * last of them, 256 bytes. */
int scratch_count(const char *directory, const char *part, char *ret_name);

/* No file can grow past this many bytes now, as on a full disk (-1: as before). */
void scratch_limit(long bytes);

#endif
