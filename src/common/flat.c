/* SPDX-License-Identifier: MIT */
#include "common/flat.h"

#include <string.h>

#define DIGITS_MAX 18u /* so many always fit into int64_t */

static const char *skip_space(const char *p, const char *end, bool *plain)
{
    while (p < end && text_is_json_space(*p)) {
        *plain = false;
        p++;
    }
    return p;
}

/* The value of four hexadecimal digits, -1: they are none. */
static int32_t hex4(const char *p)
{
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* Length of the escape at `p` (a backslash), 0: it is none that is ordinary. */
static size_t escape_len(const char *p, const char *end)
{
    if (end - p < 2)
        return 0;
    if (p[1] != 'u')
        return memchr("\"\\/bfnrt", p[1], 8) ? 2 : 0;
    if (end - p < 6)
        return 0;
    int32_t c = hex4(p + 2);
    return c < 0 || (c >= 0xD800 && c <= 0xDFFF) ? 0 : 6;
}

/* Reads from behind the opening quote to the closing one. NULL: not ordinary. */
static const char *read_string(struct flat_field *field, const char *p, const char *end)
{
    const char *start = p;
    field->type = FLAT_STRING;
    field->plain = true;
    field->escaped = false;
    for (;;) {
        p += text_plain_prefix(p, (size_t)(end - p));
        if (p == end)
            return NULL;
        if (*p == '"') {
            field->raw = (struct span){start, (size_t)(p - start)};
            return p + 1;
        }
        uint32_t c;
        size_t n = *p == '\\' ? escape_len(p, end) : text_decode(p, (size_t)(end - p), &c);
        if (n == 0 || (unsigned char)*p < 0x20)
            return NULL;
        field->escaped |= *p == '\\';
        field->plain = false;
        p += n;
    }
}

static const char *read_integer(struct flat_field *field, const char *p, const char *end)
{
    const char *start = p;
    bool negative = *p == '-';
    int64_t value = 0;
    p += negative;
    const char *digits = p;
    while (p < end && *p >= '0' && *p <= '9' && (size_t)(p - digits) < DIGITS_MAX)
        value = value * 10 + (*p++ - '0');
    /* More digits, a fraction or an exponent are met by the caller, who wants a comma there. */
    if (p == digits || (*digits == '0' && (negative || p - digits > 1)))
        return NULL;
    field->type = FLAT_INTEGER;
    field->raw = (struct span){start, (size_t)(p - start)};
    field->integer = negative ? -value : value;
    return p;
}

static const char *read_word(struct flat_field *field, const char *p, const char *end)
{
    static const struct span words[] = {{"true", 4}, {"false", 5}, {"null", 4}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t n = words[i].len;
        if ((size_t)(end - p) >= n && memcmp(p, words[i].data, n) == 0) {
            field->type = FLAT_WORD;
            field->raw = (struct span){p, n};
            return p + n;
        }
    }
    return NULL;
}

static const char *read_value(struct flat *f, struct flat_field *field, const char *p,
                              const char *end)
{
    if (p == end)
        return NULL;
    if (*p != '"')
        return *p == '-' || (*p >= '0' && *p <= '9') ? read_integer(field, p, end)
                                                     : read_word(field, p, end);
    p = read_string(field, p + 1, end);
    f->plain &= field->plain;
    return p;
}

/* `"name":` and the space around it. */
static const char *read_name(struct flat *f, struct flat_field *field, const char *p,
                             const char *end)
{
    if (p == end || *p++ != '"')
        return NULL;
    size_t n = text_plain_prefix(p, (size_t)(end - p));
    field->name = (struct span){p, n};
    p += n;
    if (p == end || *p++ != '"')
        return NULL;
    for (size_t i = 0; i < f->count; i++) {
        if (span_equal(f->fields[i].name, field->name))
            return NULL;
    }
    p = skip_space(p, end, &f->plain);
    return p < end && *p == ':' ? skip_space(p + 1, end, &f->plain) : NULL;
}

/* A field and the space behind it. */
static const char *read_field(struct flat *f, const char *p, const char *end)
{
    if (f->count == FLAT_FIELDS_MAX)
        return NULL;
    struct flat_field *field = &f->fields[f->count];
    p = read_name(f, field, skip_space(p, end, &f->plain), end);
    if (p)
        p = read_value(f, field, p, end);
    f->count++;
    return p ? skip_space(p, end, &f->plain) : NULL;
}

size_t flat_read(struct flat *f, struct span text)
{
    const char *p = text.data, *end = p + text.len;
    f->count = 0;
    f->plain = true;
    if (text.len < 2 || *p != '{')
        return 0;
    do
        p = read_field(f, p + 1, end);
    while (p && p < end && *p == ',');
    return p && p < end && *p == '}' ? (size_t)(p + 1 - text.data) : 0;
}

const struct flat_field *flat_find(const struct flat *f, const char *name)
{
    struct span wanted = span_of(name);
    for (size_t i = 0; i < f->count; i++) {
        if (span_equal(f->fields[i].name, wanted))
            return &f->fields[i];
    }
    return NULL;
}

/* Writes what the escape at `p` stands for; returns the bytes written. They are fewer than the
 * escape has. */
static size_t put_unescaped(char *to, const char *p)
{
    static const char from[] = "\"\\/bfnrt", plain[] = "\"\\/\b\f\n\r\t";
    if (p[1] != 'u') {
        *to = plain[(const char *)memchr(from, p[1], sizeof(from)) - from];
        return 1;
    }
    return text_encode((uint32_t)hex4(p + 2), to);
}

struct span flat_text(struct buf *b, const struct flat_field *field)
{
    if (!field->escaped)
        return field->raw;
    const char *p = field->raw.data, *end = p + field->raw.len;
    char *start = b->data + b->len, *to = start;
    while (p < end) {
        const char *escape = memchr(p, '\\', (size_t)(end - p));
        size_t n = (size_t)((escape ? escape : end) - p);
        memcpy(to, p, n);
        to += n;
        p += n;
        if (escape) {
            to += put_unescaped(to, p);
            p += p[1] == 'u' ? 6 : 2;
        }
    }
    size_t len = (size_t)(to - start);
    b->len += len;
    b->data[b->len] = '\0';
    return (struct span){start, len};
}

int flat_add_text(struct buf *b, const struct flat_field *field)
{
    if (!field->escaped)
        return buf_add(b, field->raw.data, field->raw.len);
    if (buf_reserve(b, field->raw.len))
        return -1;
    flat_text(b, field);
    return 0;
}
