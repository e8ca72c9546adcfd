/* SPDX-License-Identifier: MIT */
/*
 * buf: bytes that grow up to a stated maximum.
 *
 * A buffer may hold any bytes, NUL included; `len` is the truth. After a
 * successful append `data[len]` is always '\0', so text can be handed to C
 * functions. Appending either succeeds whole or changes nothing and returns -1
 * (the maximum would be passed, or there is no memory): callers check it.
 *
 * Not safe for use by two threads at once. The owner calls buf_release().
 */
#ifndef CHANCAT_BUF_H
#define CHANCAT_BUF_H

#include <stdarg.h>
#include <stddef.h>

struct buf {
    char *data;       /* NULL until the first append */
    size_t len;       /* bytes in use, without the closing '\0' */
    size_t size;      /* bytes allocated */
    size_t max_bytes; /* `len` never grows past this */
};

/* Makes an empty buffer; allocates nothing. */
void buf_init(struct buf *b, size_t max_bytes);

/* Frees the bytes; the buffer is empty and usable again. NULL is allowed. */
void buf_release(struct buf *b);

/* Forgets the content, keeps the memory for the next use. */
void buf_clear(struct buf *b);

/* Forgets the content and gives memory above `keep_bytes` back. */
void buf_shrink(struct buf *b, size_t keep_bytes);

/* Makes room for `more` bytes behind `len`. 0, or -1. */
int buf_reserve(struct buf *b, size_t more);

/* Append bytes, one byte, a C string, formatted text. 0, or -1 with nothing changed. */
int buf_add(struct buf *b, const void *bytes, size_t len);
int buf_add_char(struct buf *b, char c);
int buf_add_str(struct buf *b, const char *s);
int buf_addf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
int buf_addv(struct buf *b, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

/* Removes the first `n` bytes (n <= len). */
void buf_consume(struct buf *b, size_t n);

#endif
