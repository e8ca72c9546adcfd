/* SPDX-License-Identifier: MIT */
#include "gotext.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Decodes '+' and %XX. False: a bad escape. */
static bool form_decode(struct view text, struct bytes *out)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '%') {
            if (text.len - i < 3)
                return false;
            int high = hex_value(text.data[i + 1]);
            int low = hex_value(text.data[i + 2]);
            if (high < 0 || low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+') {
            c = ' ';
        }
        bytes_add(out, &c, 1);
    }
    return true;
}

static bool pair_value(struct view pair, const char *name, struct bytes *value)
{
    if (pair.len == 0 || memchr(pair.data, ';', pair.len))
        return false;
    const char *equals = memchr(pair.data, '=', pair.len);
    size_t key_len = equals ? (size_t)(equals - pair.data) : pair.len;
    struct view rest = {pair.data + pair.len, 0};
    if (equals)
        rest = (struct view){equals + 1, pair.len - key_len - 1};
    struct bytes key = {0}, decoded = {0};
    bool found = form_decode((struct view){pair.data, key_len}, &key) &&
                 view_equal(view_bytes(&key), view_of(name)) && form_decode(rest, &decoded);
    if (found)
        bytes_add_view(value, view_bytes(&decoded));
    bytes_release(&key);
    bytes_release(&decoded);
    return found;
}

bool gotext_form_value(struct view form, const char *name, struct bytes *value)
{
    size_t start = 0;
    while (start < form.len) {
        const char *end = memchr(form.data + start, '&', form.len - start);
        size_t len = end ? (size_t)(end - form.data) - start : form.len - start;
        if (pair_value((struct view){form.data + start, len}, name, value))
            return true;
        start += len + 1;
    }
    return false;
}

/* One character's length (1..4) and value; an invalid byte: 1 and UINT32_MAX. */
static size_t decode(struct view text, uint32_t *ret_code)
{
    const unsigned char *p = (const unsigned char *)text.data;
    static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    *ret_code = UINT32_MAX;
    if (len == 0 || p[0] > 0xf4 || len > text.len)
        return 1;
    uint32_t code = len == 1 ? p[0] : p[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 1;
        code = code << 6 | (p[i] & 0x3f);
    }
    if (code < smallest[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 1;
    *ret_code = code;
    return len;
}

static bool is_space(uint32_t c)
{
    return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

struct view gotext_trim(struct view text)
{
    size_t start = 0, end = 0;
    bool begun = false;
    for (size_t i = 0; i < text.len;) {
        uint32_t code;
        size_t n = decode((struct view){text.data + i, text.len - i}, &code);
        if (!is_space(code)) {
            if (!begun)
                start = i;
            begun = true;
            end = i + n;
        }
        i += n;
    }
    return (struct view){text.data + start, end - start};
}

void gotext_add_html(struct bytes *b, struct view text)
{
    for (size_t i = 0; i < text.len; i++) {
        switch (text.data[i]) {
        case '&':
            bytes_add_str(b, "&amp;");
            break;
        case '<':
            bytes_add_str(b, "&lt;");
            break;
        case '>':
            bytes_add_str(b, "&gt;");
            break;
        case '"':
            bytes_add_str(b, "&#34;");
            break;
        case '\'':
            bytes_add_str(b, "&#39;");
            break;
        default:
            bytes_add(b, text.data + i, 1);
        }
    }
}

static void add_json_char(struct bytes *b, uint32_t code, const char *raw, size_t len)
{
    if (code == UINT32_MAX)
        bytes_add_str(b, "\\ufffd");
    else if (code == '"' || code == '\\')
        bytes_addf(b, "\\%c", (char)code);
    else if (code == '\n')
        bytes_add_str(b, "\\n");
    else if (code == '\r')
        bytes_add_str(b, "\\r");
    else if (code == '\t')
        bytes_add_str(b, "\\t");
    else if (code < 0x20 || code == '&' || code == '<' || code == '>' || code == 0x2028 ||
             code == 0x2029)
        bytes_addf(b, "\\u%04x", (unsigned)code);
    else
        bytes_add(b, raw, len);
}

void gotext_add_json(struct bytes *b, struct view text)
{
    bytes_add_str(b, "\"");
    for (size_t i = 0; i < text.len;) {
        uint32_t code;
        size_t n = decode((struct view){text.data + i, text.len - i}, &code);
        add_json_char(b, code, text.data + i, n);
        i += n;
    }
    bytes_add_str(b, "\"");
}

/* [+-] digits [. digits] [e [+-] digits], at least one digit before the exponent. */
static bool looks_like_number(const char *s)
{
    size_t i = s[0] == '+' || s[0] == '-' ? 1 : 0, digits = 0;
    for (; isdigit((unsigned char)s[i]); i++)
        digits++;
    if (s[i] == '.')
        i++;
    for (; isdigit((unsigned char)s[i]); i++)
        digits++;
    if (digits == 0)
        return false;
    if (s[i] == 'e' || s[i] == 'E') {
        i++;
        if (s[i] == '+' || s[i] == '-')
            i++;
        if (!isdigit((unsigned char)s[i]))
            return false;
        while (isdigit((unsigned char)s[i]))
            i++;
    }
    return s[i] == '\0';
}

void gotext_add_folded(struct bytes *b, struct view name)
{
    char number[64];
    if (name.len >= sizeof(number)) {
        bytes_add_view(b, name);
        return;
    }
    memcpy(number, name.data, name.len);
    number[name.len] = '\0';
    if (strlen(number) != name.len || !looks_like_number(number)) {
        bytes_add_view(b, name);
        return;
    }
    double value = strtod(number, NULL);
    if (!isfinite(value))
        bytes_add_view(b, name);
    else if (value >= -9e15 && value <= 9e15 && (double)(int64_t)value == value)
        bytes_addf(b, "%lld", (long long)value);
    else
        bytes_addf(b, "%.15g", value);
}

bool gotext_int64(struct view text, int64_t absent, int64_t *ret_value)
{
    struct view trimmed = gotext_trim(text);
    if (trimmed.len == 0) {
        *ret_value = absent;
        return true;
    }
    char number[32], *end;
    if (trimmed.len >= sizeof(number) || isspace((unsigned char)trimmed.data[0]))
        return false;
    memcpy(number, trimmed.data, trimmed.len);
    number[trimmed.len] = '\0';
    errno = 0;
    long long value = strtoll(number, &end, 10);
    if (errno || end != number + trimmed.len)
        return false;
    *ret_value = value;
    return true;
}
