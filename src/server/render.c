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
    return c >= 0x20 && c != '&' && c != '<' && c != '>' && c != '"' && c != '\'' && c != '\\';
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

static int add_member(struct buf *b, const char *name, struct span text)
{
    return buf_addf(b, ",\"%s\":\"", name) || add_text(b, text) || buf_add_char(b, '"') ? -1 : 0;
}

int render_message(struct buf *b, const struct store_message *m)
{
    size_t before = b->len;
    char utc[32];
    time_t moment = (time_t)m->time_s;
    struct tm parts;
    if (!gmtime_r(&moment, &parts) || strftime(utc, sizeof(utc), "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        return -1;
    if (buf_addf(b, "{\"id\":%" PRId64, m->id) == 0 && add_member(b, "channel", m->channel) == 0 &&
        add_member(b, "sender", m->sender) == 0 && add_member(b, "content", m->content) == 0 &&
        buf_addf(b, ",\"time\":\"%s\"}", utc) == 0)
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

int render_error(struct buf *b, const char *text)
{
    if (buf_add_str(b, "{\"error\":") || text_add_json(b, span_of(text)))
        return -1;
    return buf_add_char(b, '}');
}
