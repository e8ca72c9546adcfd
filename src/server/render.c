/* SPDX-License-Identifier: MIT */
#include "server/render.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* What stands for a byte in a JSON string of the API; NULL: the byte itself. `room` holds \u00XX.
 */
static const char *escape_of(unsigned char c, char room[7])
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&#34;";
    case '\'':
        return "&#39;";
    case '\\':
        return "\\\\";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        if (c >= 0x20)
            return NULL;
        snprintf(room, 7, "\\u%04x", (unsigned)c);
        return room;
    }
}

static int add_text(struct buf *b, struct span text)
{
    char room[7];
    size_t start = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *escape = escape_of((unsigned char)text.data[i], room);
        if (!escape)
            continue;
        if (buf_add(b, text.data + start, i - start) || buf_add_str(b, escape))
            return -1;
        start = i + 1;
    }
    return text.len > start ? buf_add(b, text.data + start, text.len - start) : 0;
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

int render_error(struct buf *b, const char *text)
{
    if (buf_add_str(b, "{\"error\":") || text_add_json(b, span_of(text)))
        return -1;
    return buf_add_char(b, '}');
}
