/* SPDX-License-Identifier: MIT */
#include "common/text.h"

#include <string.h>

#include "common/hash.h"

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

struct span span_of(const char *c_string)
{
    return (struct span){c_string, strlen(c_string)};
}

bool span_equal(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

struct span text_without_json_space(struct span text)
{
    while (text.len && text_is_json_space(text.data[text.len - 1]))
        text.len--;
    return text;
}

size_t text_decode(const char *text, size_t len, uint32_t *ret_codepoint)
{
    const unsigned char *s = (const unsigned char *)text;
    if (s[0] < 0x80) {
        *ret_codepoint = s[0];
        return 1;
    }
    size_t need;
    uint32_t c, least;
    if (s[0] >= 0xC2 && s[0] <= 0xDF) {
        need = 2, c = s[0] & 0x1Fu, least = 0x80;
    } else if ((s[0] & 0xF0) == 0xE0) {
        need = 3, c = s[0] & 0x0Fu, least = 0x800;
    } else if (s[0] >= 0xF0 && s[0] <= 0xF4) {
        need = 4, c = s[0] & 0x07u, least = 0x10000;
    } else {
        return 0;
    }
    if (len < need)
        return 0;
    for (size_t i = 1; i < need; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3Fu);
    }
    if (c < least || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
        return 0;
    *ret_codepoint = c;
    return need;
}

size_t text_encode(uint32_t c, char *to)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xC0 | c >> 6);
        to[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    to[0] = (char)(0xE0 | c >> 12);
    to[1] = (char)(0x80 | (c >> 6 & 0x3F));
    to[2] = (char)(0x80 | (c & 0x3F));
    return 3;
}

/* Eight bytes at a time, since all text passes here. In each of the words made below a high bit is
 * set if a byte is special; which one may be wrong (of a carry), whether there is one is not. */
#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))
#define HIGH_BITS  EACH(0x80)

static uint64_t load8(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return word;
}

static uint64_t zero_bytes(uint64_t word)
{
    return (word - EACH(0x01)) & ~word & HIGH_BITS;
}

static bool is_plain_word(uint64_t word)
{
    uint64_t below_space = (word - EACH(0x20)) & ~word;
    uint64_t del_or_above = word | (word + EACH(0x01));
    return ((below_space | del_or_above) & HIGH_BITS) == 0 &&
           (zero_bytes(word ^ EACH('"')) | zero_bytes(word ^ EACH('\\'))) == 0;
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

size_t text_plain_prefix(const char *text, size_t len)
{
    size_t i = 0;
    while (len - i >= 8 && is_plain_word(load8(text + i)))
        i += 8;
    while (i < len && is_plain((unsigned char)text[i]))
        i++;
    return i;
}

size_t text_valid_prefix(const char *text, size_t len)
{
    size_t i = 0;
    while (i < len) {
        while (len - i >= 8 && (load8(text + i) & HIGH_BITS) == 0)
            i += 8;
        if (i == len)
            break;
        uint32_t c;
        size_t n = text_decode(text + i, len - i, &c);
        if (n == 0)
            break;
        i += n;
    }
    return i;
}

int text_add_sanitized(struct buf *b, struct span text, bool replace_nul, bool *ret_changed)
{
    bool changed = false;
    size_t i = 0;
    while (i < text.len) {
        size_t good = text_valid_prefix(text.data + i, text.len - i);
        const char *nul = replace_nul ? memchr(text.data + i, '\0', good) : NULL;
        if (nul)
            good = (size_t)(nul - (text.data + i));
        if (buf_add(b, text.data + i, good))
            return -1;
        i += good;
        if (i == text.len)
            break;
        if (buf_add_str(b, REPLACEMENT))
            return -1;
        changed = true;
        i++;
    }
    if (ret_changed)
        *ret_changed = changed;
    return 0;
}

static bool is_space(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000;
}

/* Length of the last character; text.len > 0. */
static size_t decode_last(struct span text, uint32_t *ret_codepoint)
{
    for (size_t n = 1; n <= 4 && n <= text.len; n++) {
        if (text_decode(text.data + text.len - n, n, ret_codepoint) == n)
            return n;
    }
    return 0;
}

struct span text_trim(struct span text)
{
    uint32_t c;
    size_t n;
    while (text.len && (n = text_decode(text.data, text.len, &c)) != 0 && is_space(c)) {
        text.data += n;
        text.len -= n;
    }
    while (text.len && (n = decode_last(text, &c)) != 0 && is_space(c))
        text.len -= n;
    return text;
}

/* The server's escapes: Go's html.EscapeString. */
static const struct {
    char plain;
    const char *escaped;
} html_escapes[] = {
    {'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&#34;"}, {'\'', "&#39;"},
};

#define HTML_ESCAPES (sizeof(html_escapes) / sizeof(html_escapes[0]))

/* What becomes of one byte. */
static struct span html_escape(const char *byte)
{
    size_t k = 0;
    while (k < HTML_ESCAPES && html_escapes[k].plain != *byte)
        k++;
    return k < HTML_ESCAPES ? span_of(html_escapes[k].escaped) : (struct span){byte, 1};
}

uint64_t text_hash_html_escaped(uint64_t h, struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        h = hash_add(h, html_escape(text.data + i));
    return h;
}

bool text_is_html_escaped(struct span escaped, struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        struct span one = html_escape(text.data + i);
        if (escaped.len < one.len || memcmp(escaped.data, one.data, one.len) != 0)
            return false;
        escaped.data += one.len;
        escaped.len -= one.len;
    }
    return escaped.len == 0;
}

/* What text starts with: a run without `&`, or what an escape, or else a lone `&`, stands for.
 * Takes it off. */
static struct span next_unescaped(struct span *text)
{
    const char *amp = memchr(text->data, '&', text->len);
    struct span run = {text->data, amp ? (size_t)(amp - text->data) : text->len};
    size_t used = run.len;
    if (run.len == 0) {
        run.len = used = 1;
        for (size_t k = 0; k < HTML_ESCAPES; k++) {
            size_t n = strlen(html_escapes[k].escaped);
            if (text->len >= n && memcmp(text->data, html_escapes[k].escaped, n) == 0) {
                run.data = &html_escapes[k].plain;
                used = n;
                break;
            }
        }
    }
    text->data += used;
    text->len -= used;
    return run;
}

bool text_is_unsafe(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x061C || c == 0x200E || c == 0x200F ||
           (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

static int add_unsafe(struct buf *b, uint32_t c)
{
    switch (c) {
    case '\n':
        return buf_add(b, "\\n", 2);
    case '\r':
        return buf_add(b, "\\r", 2);
    case '\t':
        return buf_add(b, "\\t", 2);
    case '\b':
        return buf_add(b, "\\b", 2);
    case '\f':
        return buf_add(b, "\\f", 2);
    default: /* everything unsafe is within the BMP */
        return buf_addf(b, "\\u%04x", (unsigned)c);
    }
}

int text_add_visible(struct buf *b, struct span text)
{
    for (size_t i = 0; i < text.len;) {
        size_t plain = text_plain_prefix(text.data + i, text.len - i);
        if (buf_add(b, text.data + i, plain))
            return -1;
        i += plain;
        if (i == text.len)
            break;
        uint32_t c;
        size_t n = text_decode(text.data + i, text.len - i, &c);
        int r;
        if (n == 0)
            r = buf_add_str(b, REPLACEMENT), n = 1;
        else if (text_is_unsafe(c))
            r = add_unsafe(b, c);
        else
            r = buf_add(b, text.data + i, n);
        if (r)
            return -1;
        i += n;
    }
    return 0;
}

int text_add_visible_html_unescaped(struct buf *b, struct span text)
{
    while (text.len) {
        if (text_add_visible(b, next_unescaped(&text)))
            return -1;
    }
    return 0;
}

/* What stands between the quotes of a JSON string. */
static int add_json_run(struct buf *b, struct span text)
{
    size_t start = 0, i = 0;
    for (;;) {
        i += text_plain_prefix(text.data + i, text.len - i);
        if (i == text.len)
            break;
        uint32_t c;
        size_t n = text_decode(text.data + i, text.len - i, &c);
        if (n == 0)
            return -1;
        if (c != '"' && c != '\\' && !text_is_unsafe(c)) {
            i += n;
            continue;
        }
        if (buf_add(b, text.data + start, i - start))
            return -1;
        if (text_is_unsafe(c) ? add_unsafe(b, c)
                              : (buf_add_char(b, '\\') || buf_add_char(b, (char)c)))
            return -1;
        i += n;
        start = i;
    }
    return buf_add(b, text.data + start, text.len - start);
}

int text_add_json(struct buf *b, struct span text)
{
    return buf_reserve(b, text.len + 2) || buf_add_char(b, '"') || add_json_run(b, text) ||
                   buf_add_char(b, '"')
               ? -1
               : 0;
}

int text_add_json_html_unescaped(struct buf *b, struct span text)
{
    if (buf_reserve(b, text.len + 2) || buf_add_char(b, '"'))
        return -1;
    while (text.len) {
        if (add_json_run(b, next_unescaped(&text)))
            return -1;
    }
    return buf_add_char(b, '"');
}
