/* SPDX-License-Identifier: MIT */
#include "common/form.h"

#include <stdbool.h>
#include <string.h>

int form_add_encoded(struct buf *b, struct span value)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_' || c == '.' || c == '~';
        int r;
        if (plain)
            r = buf_add_char(b, (char)c);
        else if (c == ' ')
            r = buf_add_char(b, '+');
        else
            r = buf_add(b, (char[]){'%', hex[c >> 4], hex[c & 15]}, 3);
        if (r)
            return -1;
    }
    return 0;
}

int form_add_pair(struct buf *b, const char *key, struct span value)
{
    if (b->len && b->data[b->len - 1] != '?' && buf_add_char(b, '&'))
        return -1;
    return buf_addf(b, "%s=", key) || form_add_encoded(b, value) ? -1 : 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The byte that the escape at `at` stands for, -1: it is broken. */
static int escaped_byte(struct span s, size_t at)
{
    int high = at + 2 < s.len ? hex_value(s.data[at + 1]) : -1;
    int low = at + 2 < s.len ? hex_value(s.data[at + 2]) : -1;
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

int form_add_decoded(struct buf *b, struct span s)
{
    size_t len = s.len;
    for (const char *at = s.data; (at = memchr(at, '%', (size_t)(s.data + s.len - at))); at++) {
        if (escaped_byte(s, (size_t)(at - s.data)) < 0)
            return 0;
        len -= 2;
    }
    if (buf_reserve(b, len))
        return -1;
    char *to = b->data + b->len;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            c = (char)escaped_byte(s, i);
            i += 2;
        }
        *to++ = c;
    }
    b->len += len;
    *to = '\0';
    return 1;
}

/* Does the encoded key say `key`? Keys are short, so a small buffer is enough. */
static bool key_matches(struct span encoded, struct span key)
{
    if (encoded.len < key.len || encoded.len > 3 * key.len)
        return false; /* without work: a body can be five million keys */
    if (span_equal(encoded, key))
        return true; /* decoding changes no letter */
    struct buf decoded;
    buf_init(&decoded, 3 * key.len);
    bool same = form_add_decoded(&decoded, encoded) == 1 &&
                span_equal((struct span){decoded.data, decoded.len}, key);
    buf_release(&decoded);
    return same;
}

int form_find(struct span encoded, const char *key, struct buf *b)
{
    struct span wanted = span_of(key);
    while (encoded.len) {
        const char *amp = memchr(encoded.data, '&', encoded.len);
        size_t len = amp ? (size_t)(amp - encoded.data) : encoded.len;
        struct span pair = {encoded.data, len};
        encoded.data += amp ? len + 1 : len;
        encoded.len -= amp ? len + 1 : len;
        if (len == 0 || memchr(pair.data, ';', len))
            continue;
        const char *equals = memchr(pair.data, '=', len);
        struct span name = {pair.data, equals ? (size_t)(equals - pair.data) : len};
        if (!key_matches(name, wanted))
            continue;
        if (!equals)
            return 1;
        int r = form_add_decoded(b, (struct span){equals + 1, len - name.len - 1});
        if (r != 0)
            return r;
    }
    return 0;
}
