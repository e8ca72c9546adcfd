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

int form_add_decoded(struct buf *b, struct span s)
{
    size_t before = b->len;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            int high = i + 2 < s.len ? hex_value(s.data[i + 1]) : -1;
            int low = i + 2 < s.len ? hex_value(s.data[i + 2]) : -1;
            if (high < 0 || low < 0) {
                b->len = before;
                return 0;
            }
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (buf_add_char(b, c)) {
            b->len = before;
            return -1;
        }
    }
    return 1;
}

/* Does the encoded key say `key`? Keys are short, so a small buffer is enough. */
static bool key_matches(struct span encoded, const char *key)
{
    size_t len = strlen(key);
    if (encoded.len < len || encoded.len > 3 * len)
        return false; /* without work: a body can be five million keys */
    struct buf decoded;
    buf_init(&decoded, 3 * len);
    bool same = form_add_decoded(&decoded, encoded) == 1 &&
                span_equal((struct span){decoded.data, decoded.len}, span_of(key));
    buf_release(&decoded);
    return same;
}

int form_find(struct span encoded, const char *key, struct buf *b)
{
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
        if (!key_matches(name, key))
            continue;
        if (!equals)
            return 1;
        int r = form_add_decoded(b, (struct span){equals + 1, len - name.len - 1});
        if (r != 0)
            return r;
    }
    return 0;
}
