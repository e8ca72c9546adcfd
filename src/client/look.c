/* SPDX-License-Identifier: MIT */
#include "client/look.h"

#include <stdio.h>
#include <string.h>

#include "client/layout.h"
#include "common/utc.h"

#define TIME_COLUMNS 6 /* "14:05 " */
#define NAME_MAX_    4096u
#define ELLIPSIS     "\xE2\x80\xA6"
#define DIM_ON       "\033[2m"
#define DIM_OFF      "\033[22m"
#define NARROW       30u /* columns below which rows are indented less */

static int day_of(const struct tm *t)
{
    return (t->tm_year + 1900) * 10000 + (t->tm_mon + 1) * 100 + t->tm_mday;
}

void look_init(struct look *l, time_t now)
{
    struct tm local = {0};
    *l = (struct look){0};
    if (localtime_r(&now, &local))
        l->day = day_of(&local);
    buf_init(&l->name, NAME_MAX_ * 8);
    buf_init(&l->text, LOOK_TEXT_MAX * 8);
}

void look_release(struct look *l)
{
    buf_release(&l->name);
    buf_release(&l->text);
}

/* --- time ------------------------------------------------------------------------------------- */

static bool local_time(struct span time, struct tm *ret)
{
    int64_t seconds;
    if (utc_seconds(time, &seconds))
        return false;
    time_t t = (time_t)seconds;
    return localtime_r(&t, ret) != NULL;
}

/* --- names ------------------------------------------------------------------------------------ */

/* Takes room, or none, without leaving a trace that can be seen. */
static bool is_invisible(uint32_t c)
{
    return c == 0xAD || c == 0x034F || c == 0x115F || c == 0x1160 || c == 0x17B4 || c == 0x17B5 ||
           (c >= 0x180B && c <= 0x180F) || (c >= 0x2000 && c <= 0x200F) || c == 0xA0 ||
           c == 0x202F || (c >= 0x205F && c <= 0x206F) || c == 0x3000 || c == 0x3164 ||
           (c >= 0xFE00 && c <= 0xFE0F) || c == 0xFEFF || c == 0xFFA0 ||
           (c >= 0xFFF0 && c <= 0xFFFB) || c == 0x2800 || (c >= 0x1D173 && c <= 0x1D17A) ||
           (c >= 0xE0000 && c <= 0xE0FFF);
}

/* The first bytes of valid UTF-8, whole characters. */
static struct span cut(struct span text, size_t max)
{
    if (text.len <= max)
        return text;
    while (max > 0 && ((unsigned char)text.data[max] & 0xC0) == 0x80)
        max--;
    return (struct span){text.data, max};
}

static bool ends_a_name(struct span behind)
{
    return behind.len == 0 || behind.data[0] == ' ';
}

int look_add_name(struct span name, unsigned columns, struct buf *b)
{
    unsigned width = 0, marks = 0;
    for (size_t i = 0; i < name.len;) {
        uint32_t c;
        char shown[16];
        size_t n = text_decode(name.data + i, name.len - i, &c);
        if (n == 0)
            return -1;
        struct span behind = {name.data + i + n, name.len - i - n};
        if (is_invisible(c) || (c == ':' && ends_a_name(behind)))
            snprintf(shown, sizeof(shown), c > 0xFFFF ? "\\U%08X" : "\\u%04X", (unsigned)c);
        else
            snprintf(shown, sizeof(shown), "%.*s", (int)n, name.data + i);
        i += n;
        unsigned w = layout_text_width(span_of(shown));
        marks = w ? 0 : marks + 1;
        if (marks > LAYOUT_MARKS_MAX)
            continue;
        bool last = i == name.len;
        if (width + w > columns || (!last && width + w == columns))
            return buf_add_str(b, ELLIPSIS);
        if (buf_add_str(b, shown))
            return -1;
        width += w;
    }
    return 0;
}

bool look_is_plain_name(struct span name)
{
    for (size_t i = 0; i < name.len;) {
        uint32_t c;
        size_t n = text_decode(name.data + i, name.len - i, &c);
        if (n == 0 || text_is_unsafe(c) || is_invisible(c) || c == '&' || c == ':')
            return false;
        i += n;
    }
    return name.len > 0;
}

/* --- rows ------------------------------------------------------------------------------------- */

static struct layout rows(const struct look *l, unsigned indent)
{
    bool narrow = l->columns && l->columns < NARROW;
    return (struct layout){.columns = l->columns > 4 ? l->columns : 0,
                           .indent = narrow ? 2 : indent};
}

/* So much of a received text as can be shown, in one line and without HTML escapes. */
static int prepare(struct buf *to, struct span received, size_t max)
{
    struct span some = cut(received, max);
    if (some.len < received.len) { /* not through the middle of an escape */
        const char *amp = some.len > 5 ? memchr(some.data + some.len - 5, '&', 5) : NULL;
        if (amp)
            some.len = (size_t)(amp - some.data);
    }
    buf_clear(to);
    return text_add_visible_html_unescaped(to, some);
}

static int add_date(struct look *l, const struct tm *t, struct buf *b)
{
    char date[64];
    if (day_of(t) == l->day)
        return 0;
    if (strftime(date, sizeof(date), "-- %a %e %b %Y --\n", t) == 0)
        return -1;
    l->day = day_of(t);
    return buf_add_str(b, date);
}

static int add_time(struct look *l, struct layout *row, struct span time, struct buf *b)
{
    struct tm local;
    char clock[16] = "--:-- ";
    if (local_time(time, &local)) {
        if (add_date(l, &local, b))
            return -1;
        snprintf(clock, sizeof(clock), "%02d:%02d ", local.tm_hour, local.tm_min);
    }
    return layout_add(row, b, span_of(clock));
}

static int add_sender(struct look *l, struct layout *row, const struct message *m, struct buf *b)
{
    unsigned columns = LOOK_NAME_COLUMNS;
    if (l->columns && l->columns / 2 < columns)
        columns = l->columns / 2;
    if (prepare(&l->text, m->sender, NAME_MAX_ / 8))
        return -1;
    buf_clear(&l->name);
    if (look_add_name((struct span){l->text.data, l->text.len}, columns, &l->name))
        return -1;
    return layout_add(row, b, (struct span){l->name.data, l->name.len}) ||
           layout_add(row, b, span_of(": "));
}

static int add_content(struct look *l, struct layout *row, struct span content, struct buf *b)
{
    if (prepare(&l->text, content, LOOK_TEXT_MAX))
        return -1;
    struct span all = {l->text.data, l->text.len}, some = cut(all, LOOK_TEXT_MAX);
    if (layout_add(row, b, some))
        return -1;
    if (some.len == all.len && content.len <= LOOK_TEXT_MAX)
        return 0;
    char more[64];
    snprintf(more, sizeof(more), ELLIPSIS " (%zu bytes)", content.len);
    return layout_add(row, b, span_of(more));
}

int look_add_message(struct look *l, const struct message *m, struct buf *b)
{
    size_t before = b->len;
    struct layout row = rows(l, TIME_COLUMNS);
    if (add_time(l, &row, m->time, b) || add_sender(l, &row, m, b) ||
        add_content(l, &row, m->content, b) || buf_add_char(b, '\n')) {
        b->len = before;
        return -1;
    }
    return 0;
}

int look_add_notice(struct look *l, struct span notice, bool dim, struct buf *b)
{
    size_t before = b->len;
    struct layout row = rows(l, 2);
    struct buf visible;
    buf_init(&visible, SIZE_MAX / 8);
    bool failed = text_add_visible(&visible, notice) || (dim && buf_add_str(b, DIM_ON)) ||
                  layout_add(&row, b, (struct span){visible.data, visible.len}) ||
                  (dim && buf_add_str(b, DIM_OFF)) || buf_add_char(b, '\n');
    buf_release(&visible);
    if (failed)
        b->len = before;
    return failed ? -1 : 0;
}
