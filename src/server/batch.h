/* SPDX-License-Identifier: MIT */
/*
 * batch: the body of POST /batch, newline-delimited JSON, as messages to store.
 *
 * Each line is one JSON object with the strings "channel", "sender" and "content"; other fields
 * are ignored, whole numbers of 300 digits among them. The rules for the three are those of /send:
 * bytes that are not UTF-8 become U+FFFD each, Unicode space is trimmed at both ends, and then none
 * may be empty; U+0000 (as \u0000) is kept. What is ambiguous or cannot be text is refused: a name
 * given twice, half a surrogate pair. Lines end with \n or \r\n, the last one with or without;
 * blank lines may stand at the end only, and they do not count.
 *
 * Memory: 6 bytes at most for each byte of the body (2 when all of it is UTF-8), never more than
 * 3 MiB, and a struct store_message for each line. While a line is read its JSON tree is there,
 * too, at most about 100 bytes for each byte of that line, and gone before the next line is read.
 *
 * A line that is an ordinary object (flat.h) is read without a tree; Jansson reads what is not, and
 * says what is wrong with it. The results are the same.
 *
 * A batch belongs to one thread at a time. Jansson is used by no other part of the server.
 */
#ifndef CHANCATD_BATCH_H
#define CHANCATD_BATCH_H

#include <stddef.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/text.h"
#include "server/store.h"

#define BATCH_LINES_MAX 1000
#define BATCH_BODY_MAX  1048576u /* bytes */
#define BATCH_TYPE      "application/x-ndjson"
#define BATCH_TOO_LARGE "A batch is at most 1,000 lines and 1 MiB"

struct batch {
    struct store_message *messages; /* owned; their spans point into `text` */
    size_t count;
    struct buf text;
};

/* Makes an empty batch; allocates nothing. */
void batch_init(struct batch *b);

/* Frees everything; the batch is empty and usable again. */
void batch_release(struct batch *b);

/* Fills an empty batch from a body, which is not needed afterwards. With anything but ERROR_NONE
 * the batch stays empty, and the sentence (ASCII) is for the client:
 *   ERROR_BAD_DATA  "line N: ...", the first bad line, counted from 1; also when there is no line
 *   ERROR_REFUSED   more lines or more bytes than a batch may have
 *   ERROR_LOCAL     no memory */
enum error_kind batch_parse(struct batch *b, struct span body, struct error *e);

/* Bytes allocated. */
size_t batch_bytes(const struct batch *b);

#endif
