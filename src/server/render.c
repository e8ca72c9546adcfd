/* SPDX-License-Identifier: MIT */
#include "server/render.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#define ESCAPE_MAX  6    /* \u00XX */
#define CHUNK_BYTES 4096 /* room is made for so many bytes of text at once */

/* Writes what stands for a byte in a JSON string of the API; returns its length. One message can be
 * 10 MB of bytes that all need this, so it is no place for printf. */
static size_t put_escaped(char *to, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const struct {
        unsigned char byte, len;
        char text[ESCAPE_MAX];
    } escapes[] = {
        {'&', 5, "&amp;"}, {'<', 4, "&lt;"},   {'>', 4, "&gt;"},
        {'"', 5, "&#34;"}, {'\'', 5, "&#39;"}, {'\\', 2, "\\\\"},
        {'\n', 2, "\\n"},  {'\r', 2, "\\r"},   {'\t', 2, "\\t"},
    };
    for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
        if (escapes[i].byte == c) {
            memcpy(to, escapes[i].text, escapes[i].len);
            return escapes[i].len;
        }
    }
    memcpy(to, "\\u00", 4);
    to[4] = hex[c >> 4];
    to[5] = hex[c & 15];
    return ESCAPE_MAX;
}

static bool is_plain(unsigned char c)
{
    const uint64_t special = 0xffffffff | UINT64_C(1) << '"' | UINT64_C(1) << '&' |
                             UINT64_C(1) << '\'' | UINT64_C(1) << '<' | UINT64_C(1) << '>';
    return c < 64 ? !(special >> c & 1) : c != '\\';
}

static int add_text(struct buf *b, struct span text)
{
    while (text.len) {
        size_t n = text.len < CHUNK_BYTES ? text.len : CHUNK_BYTES;
        if (buf_reserve(b, n * ESCAPE_MAX))
            return -1;
        char *to = b->data + b->len;
        for (size_t i = 0; i < n; i++) {
            unsigned char c = (unsigned char)text.data[i];
            if (is_plain(c))
                *to++ = (char)c;
            else
                to += put_escaped(to, c);
        }
        b->len = (size_t)(to - b->data);
        b->data[b->len] = '\0';
        text.data += n;
        text.len -= n;
    }
    return 0;
}

/* Decimal, without printf. */
static int add_number(struct buf *b, int64_t number)
{
    char digits[20], *at = digits + sizeof(digits);
    uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do
        *--at = (char)('0' + left % 10);
    while (left /= 10);
    if (number < 0)
        *--at = '-';
    return buf_add(b, at, (size_t)(digits + sizeof(digits) - at));
}

/* Messages that stand together were mostly stored in the same second, so it is kept as text. */
static int add_time(struct buf *b, int64_t time_s)
{
    static _Thread_local struct {
        int64_t time_s;
        size_t len; /* 0: none is kept */
        char text[32];
    } kept;
    if (kept.len == 0 || kept.time_s != time_s) {
        time_t moment = (time_t)time_s;
        struct tm parts;
        kept.len = 0;
        if (gmtime_r(&moment, &parts))
            kept.len = strftime(kept.text, sizeof(kept.text), "%Y-%m-%dT%H:%M:%SZ", &parts);
        if (kept.len == 0)
            return -1;
        kept.time_s = time_s;
    }
    return buf_add(b, kept.text, kept.len);
}

#define ADD_LITERAL(b, text) buf_add(b, text, sizeof(text) - 1)

int render_message(struct buf *b, const struct store_message *m)
{
    size_t before = b->len;
    if (ADD_LITERAL(b, "{\"id\":") == 0 && add_number(b, m->id) == 0 &&
        ADD_LITERAL(b, ",\"channel\":\"") == 0 && add_text(b, m->channel) == 0 &&
        ADD_LITERAL(b, "\",\"sender\":\"") == 0 && add_text(b, m->sender) == 0 &&
        ADD_LITERAL(b, "\",\"content\":\"") == 0 && add_text(b, m->content) == 0 &&
        ADD_LITERAL(b, "\",\"time\":\"") == 0 && add_time(b, m->time_s) == 0 &&
        ADD_LITERAL(b, "\"}") == 0)
        return 0;
    b->len = before;
    return -1;
}

int render_messages(struct buf *b, const struct store_message *messages, size_t count)
{
    size_t before = b->len;
    bool good = buf_add_char(b, '[') == 0;
    for (size_t i = 0; good && i < count; i++)
        good = (i == 0 || buf_add_char(b, ',') == 0) && render_message(b, &messages[i]) == 0;
    if (good && buf_add_char(b, ']') == 0)
        return 0;
    b->len = before;
    return -1;
}

int render_ids(struct buf *b, const struct store_message *messages, size_t count)
{
    return buf_addf(b, "{\"first\":%" PRId64 ",\"last\":%" PRId64 ",\"count\":%zu}", messages[0].id,
                    messages[count - 1].id, count);
}

int render_error(struct buf *b, const char *text)
{
    if (buf_add_str(b, "{\"error\":") || text_add_json(b, span_of(text)))
        return -1;
    return buf_add_char(b, '}');
}
