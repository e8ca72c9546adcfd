/* SPDX-License-Identifier: MIT */
#include "common/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_FIRST_BYTES 256

void buf_init(struct buf *b, size_t max_bytes)
{
    *b = (struct buf){.max_bytes = max_bytes};
}

void buf_release(struct buf *b)
{
    if (!b)
        return;
    free(b->data);
    buf_init(b, b->max_bytes);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    if (b->data)
        b->data[0] = '\0';
}

void buf_shrink(struct buf *b, size_t keep_bytes)
{
    if (b->size > keep_bytes)
        buf_release(b);
    else
        buf_clear(b);
}

int buf_reserve(struct buf *b, size_t more)
{
    if (b->len > b->max_bytes || more > b->max_bytes - b->len)
        return -1;
    size_t needed = b->len + more + 1;
    if (needed <= b->size)
        return 0;
    /* Doubling keeps appending linear; the maximum (plus '\0') caps the last step. */
    size_t size = b->size ? b->size : BUF_FIRST_BYTES;
    while (size < needed)
        size = size > SIZE_MAX / 2 ? needed : size * 2;
    if (size - 1 > b->max_bytes)
        size = b->max_bytes + 1;
    char *data = realloc(b->data, size);
    if (!data)
        return -1;
    b->data = data;
    b->size = size;
    b->data[b->len] = '\0';
    return 0;
}

int buf_add(struct buf *b, const void *bytes, size_t len)
{
    if (buf_reserve(b, len))
        return -1;
    if (len)
        memcpy(b->data + b->len, bytes, len);
    b->len += len;
    b->data[b->len] = '\0';
    return 0;
}

int buf_add_char(struct buf *b, char c)
{
    return buf_add(b, &c, 1);
}

int buf_add_str(struct buf *b, const char *s)
{
    return buf_add(b, s, strlen(s));
}

int buf_addf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int r = buf_addv(b, format, args);
    va_end(args);
    return r;
}

int buf_addv(struct buf *b, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (len < 0 || buf_reserve(b, (size_t)len))
        return -1;
    vsnprintf(b->data + b->len, (size_t)len + 1, format, args);
    b->len += (size_t)len;
    return 0;
}

void buf_consume(struct buf *b, size_t n)
{
    if (n == 0)
        return;
    b->len -= n;
    memmove(b->data, b->data + n, b->len + 1);
}
