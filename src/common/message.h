/* SPDX-License-Identifier: MIT */
/*
 * message: one chat message as the API has it, and the line it becomes.
 *
 * {"id":int64,"channel":str,"sender":str,"content":str,"time":RFC 3339} (design section 2).
 * `id` (above 0), `sender` and `content` must be there; other fields are kept as they
 * come. What is ordinary JSON (flat.h), and so nearly all, is used where it lies; for the rest
 * there is Jansson's tree. A struct message belongs to one thread.
 */
#ifndef CHANCAT_MESSAGE_H
#define CHANCAT_MESSAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/flat.h"
#include "common/text.h"

/* What a message we send may be at most; the original takes bodies of 10 MB. */
#define MESSAGE_CONTENT_MAX (1024u * 1024)
/* A channel's or sender's name: so that a message fits into what we take of a reply, escaped. */
#define MESSAGE_NAME_MAX 65536u

/* All zero: empty. */
struct message {
    int64_t id;       /* 0: empty */
    struct span json; /* what it was read from; not owned, and must stay as long as the message */
    struct span sender, content; /* as received: HTML-escaped */
    struct span time;            /* as received; empty: it has no such text */
    /* message.c's: */
    const struct flat *flat; /* the fields of ordinary JSON, else NULL; `own`, or not owned */
    struct flat own;
    struct buf text; /* owned: strings with escapes, undone */
    json_t *fields;  /* owned: of JSON that is not ordinary, else NULL */
};

/* A message as it is remembered: enough to tell whether a server still has the same one. */
struct message_mark {
    int64_t id;           /* 0: no message */
    uint64_t fingerprint; /* 0: only the id is known */
};

/* Parses one element into *m, which is empty or holds another message, whose memory is used again.
 * `flat`: what flat_read() made of it, must stay like the element; NULL: it was not tried.
 * Duplicate names, numbers above int64, lone surrogates and anything behind the object are errors;
 * U+0000 is fine. ERROR_BAD_DATA or, when memory ran out, ERROR_LOCAL, with *m empty. */
enum error_kind message_parse(struct message *m, struct span element, const struct flat *flat,
                              struct error *e);

/* Frees what message_parse made, and empties it. */
void message_release(struct message *m);

/* Over id, sender, content and time (as UTC, so that its form does not matter); unknown fields
 * do not count. Never 0. */
struct message_mark message_mark_of(const struct message *m);

/* Appends one JSON line: names in the order received, the five HTML escapes undone once in channel,
 * sender and content, `time` as UTC with whole seconds and Z, unsafe characters escaped. 0, or -1.
 */
int message_add_json(const struct message *m, struct buf *b);

/* Appends `sender: content` as one line for a person. 0, or -1. */
int message_add_text(const struct message *m, struct buf *b);

/* Is this what the server makes of our sender and content (trimmed, then HTML-escaped)? Ours must
 * be valid UTF-8. Never compares channels: the original folds them. */
bool message_is_ours(const struct message *m, struct span sender, struct span content);

/* What is left of an element that cannot be parsed: its id, if it starts with
 * {"id":NUMBER as every server so far writes it; else 0. */
int64_t message_guess_id(struct span element);

#endif
