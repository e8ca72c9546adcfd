/* SPDX-License-Identifier: MIT */
/*
 * line: one record of stdin turned into what is to be sent.
 *
 * A plain record is the content. With --json it is an object: `content`, optional `channel`
 * and `sender` (null counts as not there), other fields ignored; chancat's own output is valid
 * input. Bytes that are not UTF-8 and NUL become U+FFFD.
 */
#ifndef CHANCAT_LINE_H
#define CHANCAT_LINE_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/message.h"
#include "common/text.h"

/* A JSON line around 1 MiB of content that is all escapes (\uXXXX), and its other fields. */
#define LINE_JSON_MAX (6u * MESSAGE_CONTENT_MAX + 65536u)

struct line {
    struct span channel, sender, content; /* empty channel or sender: not named */
    bool replaced;                        /* something became U+FFFD */
    struct buf bytes;                     /* where the spans point */
    struct buf unescaped;                 /* a string of JSON in work */
};

void line_init(struct line *line);
void line_release(struct line *line);

/* Spans stay valid until the next call. ERROR_REFUSED: the record cannot be sent (the sentence says
 * why); ERROR_LOCAL: memory. Blank content is fine here. */
enum error_kind line_parse_plain(struct line *line, struct span record, struct error *e);

/* The same for --json. Fields that the command line names anyway are not looked at. */
enum error_kind line_parse_json(struct line *line, struct span record, bool want_channel,
                                bool want_sender, struct error *e);

#endif
