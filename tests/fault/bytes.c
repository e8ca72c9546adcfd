/* SPDX-License-Identifier: MIT */
#include "bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct view view_of(const char *c_string)
{
    return (struct view){c_string, strlen(c_string)};
}

struct view view_bytes(const struct bytes *b)
{
    return (struct view){b->data ? b->data : "", b->len};
}

bool view_equal(struct view a, struct view b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

void *bytes_alloc(void *old, size_t size)
{
    void *p = realloc(old, size);
    if (!p) {
        fputs("faultd: no memory\n", stderr);
        abort();
    }
    return p;
}

static void reserve(struct bytes *b, size_t more)
{
    if (more > BYTES_MAX - b->len) {
        fputs("faultd: too many bytes\n", stderr);
        abort();
    }
    if (b->size - b->len > more)
        return;
    size_t size = b->size ? b->size : 256;
    while (size - b->len <= more)
        size *= 2;
    b->data = bytes_alloc(b->data, size);
    b->size = size;
}

void bytes_add(struct bytes *b, const void *data, size_t len)
{
    if (len == 0)
        return;
    reserve(b, len);
    memcpy(b->data + b->len, data, len);
    b->len += len;
}

void bytes_add_view(struct bytes *b, struct view v)
{
    bytes_add(b, v.data, v.len);
}

void bytes_add_str(struct bytes *b, const char *c_string)
{
    bytes_add(b, c_string, strlen(c_string));
}

void bytes_addf(struct bytes *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0)
        abort();
    reserve(b, (size_t)n + 1);
    va_start(args, format);
    vsnprintf(b->data + b->len, (size_t)n + 1, format, args);
    va_end(args);
    b->len += (size_t)n;
}

void bytes_release(struct bytes *b)
{
    free(b->data);
    *b = (struct bytes){NULL, 0, 0};
}

char *bytes_copy(struct view v)
{
    char *copy = bytes_alloc(NULL, v.len + 1);
    if (v.len)
        memcpy(copy, v.data, v.len);
    copy[v.len] = '\0';
    return copy;
}
