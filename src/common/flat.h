/* SPDX-License-Identifier: MIT */
/*
 * flat: reads the JSON objects that chat consists of without making a tree of them.
 *
 * An *ordinary* object has at most FLAT_FIELDS_MAX fields, each a string, a whole number of at most
 * 18 digits, true, false or null; its names are printable ASCII without escapes, and no two are the
 * same; its strings are valid UTF-8 without half a surrogate pair. An ordinary object is good JSON,
 * and Jansson reads the same values from it. Whatever is not ordinary may be good or bad JSON:
 * the caller asks Jansson (json_text.h), which is some ten times slower.
 *
 * Nothing is copied: spans point into the text that was read. No memory, no locks.
 */
#ifndef CHANCAT_FLAT_H
#define CHANCAT_FLAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/text.h"

#define FLAT_FIELDS_MAX 8

enum flat_type {
    FLAT_STRING,
    FLAT_INTEGER,
    FLAT_WORD /* true, false, null */
};

struct flat_field {
    struct span name;
    struct span raw; /* as it is written; of a string what is between the quotes */
    enum flat_type type;
    bool escaped;    /* a string with escapes in it: flat_add_text() undoes them, else raw is it */
    bool plain;      /* a string of printable ASCII without escapes */
    int64_t integer; /* the value of a FLAT_INTEGER */
};

struct flat {
    struct flat_field fields[FLAT_FIELDS_MAX];
    size_t count;
    bool plain; /* all strings are, and there is no white space between anything */
};

/* Reads the object at the start of `text`, from its first byte. Returns how many bytes it has, 0:
 * it is not ordinary, or not all of it is there. */
size_t flat_read(struct flat *f, struct span text);

/* The field of that name; NULL: there is none. */
const struct flat_field *flat_find(const struct flat *f, const char *name);

/* Appends the text of a string. 0, or -1 with nothing changed. */
int flat_add_text(struct buf *b, const struct flat_field *field);

/* The text of a string: where it lies or, when there are escapes, undone behind what `b` holds,
 * which must have room for raw.len bytes (buf_reserve()), so that its bytes stay where they are. */
struct span flat_text(struct buf *b, const struct flat_field *field);

#endif
