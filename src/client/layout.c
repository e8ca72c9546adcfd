/* SPDX-License-Identifier: MIT */
#include "client/layout.h"

#include <string.h>
#include <wchar.h>

#define VARIATION_EMOJI 0xFE0F  /* makes a character that is one column wide an emoji, two wide */
#define EMOJI_FROM      0x1F000 /* the C library may not know the newest */

static unsigned guess_width(uint32_t c)
{
    return c >= EMOJI_FROM && c < 0x20000 ? 2 : 1;
}

unsigned layout_width(uint32_t c)
{
    if (c < 0x7F)
        return 1;
    if (c == 0x200B || c == 0x200C || c == 0x200D || c == 0x2060 || c == 0xFEFF ||
        (c >= 0xFE00 && c <= 0xFE0F) || (c >= 0xE0000 && c <= 0xE0FFF))
        return 0;
    int width = wcwidth((wchar_t)c);
    return width < 0 ? guess_width(c) : width > 2 ? 2 : (unsigned)width;
}

unsigned layout_text_width(struct span text)
{
    unsigned width = 0;
    for (size_t i = 0; i < text.len;) {
        uint32_t c;
        size_t n = text_decode(text.data + i, text.len - i, &c);
        width += n ? layout_width(c) : 1;
        i += n ? n : 1;
    }
    return width;
}

/* The row ends at `at` in the buffer; what stands behind it begins the next one. */
static int break_row(struct layout *l, struct buf *b, size_t at, unsigned column)
{
    size_t rest = b->len - at, added = 1 + (size_t)l->indent;
    if (buf_reserve(b, added))
        return -1;
    memmove(b->data + at + added, b->data + at, rest);
    b->data[at] = '\n';
    memset(b->data + at + 1, ' ', l->indent);
    b->len += added;
    b->data[b->len] = '\0';
    l->at = l->indent + (l->at - column);
    l->break_at = 0;
    return 0;
}

/* Makes room in the row for a character so wide. */
static int make_room(struct layout *l, struct buf *b, unsigned width)
{
    if (l->columns == 0 || l->at + width <= l->columns)
        return 0;
    /* A word goes to the next row whole, unless that would leave most of this one empty. */
    if (l->break_at && l->break_column > l->columns / 2)
        return break_row(l, b, l->break_at, l->break_column);
    return break_row(l, b, b->len, l->at);
}

static int add_mark(struct layout *l, struct buf *b, struct span mark, uint32_t c)
{
    if (++l->marks > LAYOUT_MARKS_MAX)
        return 0;
    if (c == VARIATION_EMOJI && l->last == 1 && (l->columns == 0 || l->at < l->columns)) {
        l->at++;
        l->last = 2;
    }
    return buf_add(b, mark.data, mark.len);
}

static int add_character(struct layout *l, struct buf *b, struct span character, uint32_t c)
{
    unsigned width = layout_width(c);
    if (width == 0)
        return add_mark(l, b, character, c);
    bool full = l->columns && l->at + width > l->columns;
    l->marks = 0;
    l->last = width;
    if (full && c == ' ') /* stands for the end of the row */
        return break_row(l, b, b->len, l->at);
    if (make_room(l, b, width) || buf_add(b, character.data, character.len))
        return -1;
    l->at += width;
    if (c == ' ') {
        l->break_at = b->len;
        l->break_column = l->at;
    }
    return 0;
}

int layout_add(struct layout *l, struct buf *b, struct span text)
{
    for (size_t i = 0; i < text.len;) {
        uint32_t c;
        size_t n = text_decode(text.data + i, text.len - i, &c);
        if (n == 0 || text_is_unsafe(c)) { /* not made visible: must not be */
            c = '?';
            n = n ? n : 1;
            if (add_character(l, b, (struct span){"?", 1}, c))
                return -1;
        } else if (add_character(l, b, (struct span){text.data + i, n}, c)) {
            return -1;
        }
        i += n;
    }
    return 0;
}
