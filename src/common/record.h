/* SPDX-License-Identifier: MIT */
/*
 * record: the one line that begins each file we keep: a version, fields with single spaces
 * between them, and a checksum of 16 hexadecimal digits:
 *
 *     VERSION FIELD ... CHECKSUM
 *
 * The checksum is hash_add over the line up to and with the space before it, and over all bytes
 * after the line. Fields may be empty and hold neither space nor newline.
 */
#ifndef CHANCAT_RECORD_H
#define CHANCAT_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/text.h"

/* Ends the line that `b` holds (last byte: the space before the checksum). `sum` is its hash,
 * gone on over the bytes that will follow. 0, or -1 (buffer full). */
int record_end(struct buf *b, uint64_t sum);

/* Reads the line at the start of `file` and checks all of it. Exactly `count` fields between
 * version and checksum are put into `fields`, what follows the line into *ret_rest; they point
 * into `file`. NULL, or what is wrong, as "it ...". */
const char *record_read(struct span file, const char *version, struct span *fields, size_t count,
                        struct span *ret_rest);

/* 16 lower-case hexadecimal digits; decimal from 0 without sign or zeros in front. */
bool record_hex(struct span field, uint64_t *ret);
bool record_decimal(struct span field, int64_t *ret);

#endif
