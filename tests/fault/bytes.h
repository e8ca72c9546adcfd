/* SPDX-License-Identifier: MIT */
/*
 * bytes: growing byte strings and views of bytes, for the fault server. The bytes may hold '\0'.
 * Running out of memory, or past BYTES_MAX, ends the program: it is a test tool.
 */
#ifndef FAULT_BYTES_H
#define FAULT_BYTES_H

#include <stdbool.h>
#include <stddef.h>

#define BYTES_MAX ((size_t)256 << 20)

struct bytes {
    char *data; /* NULL while size is 0 */
    size_t len;
    size_t size;
};

/* Bytes that belong to somebody else. */
struct view {
    const char *data;
    size_t len;
};

struct view view_of(const char *c_string);
struct view view_bytes(const struct bytes *b);
bool view_equal(struct view a, struct view b);

void bytes_add(struct bytes *b, const void *data, size_t len);
void bytes_add_view(struct bytes *b, struct view v);
void bytes_add_str(struct bytes *b, const char *c_string);
void bytes_addf(struct bytes *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void bytes_release(struct bytes *b);

/* Copies of bytes, with a '\0' after them; the caller frees. */
char *bytes_copy(struct view v);

/* malloc and realloc that do not fail. */
void *bytes_alloc(void *old, size_t size);

#endif
