/* SPDX-License-Identifier: MIT */
#include "client/scan.h"

#include <string.h>

#define KEEP_BYTES 65536

/* What one piece is scanned with. */
struct feed {
    scan_fn *fn;
    void *context;
};

void scan_init(struct scan *s)
{
    *s = (struct scan){.state = SCAN_START};
    buf_init(&s->partial, SCAN_ELEMENT_MAX);
}

void scan_release(struct scan *s)
{
    buf_release(&s->partial);
}

void scan_reset(struct scan *s)
{
    struct buf partial = s->partial;
    buf_shrink(&partial, KEEP_BYTES);
    *s = (struct scan){.state = SCAN_START, .partial = partial};
}

static struct span strip(struct span e)
{
    while (e.len && text_is_json_space(e.data[0]))
        e.data++, e.len--;
    while (e.len && text_is_json_space(e.data[e.len - 1]))
        e.len--;
    return e;
}

/* Keeps the part of an element that this piece ends with. */
static void keep(struct scan *s, const char *from, const char *to)
{
    if (!s->oversize && buf_add(&s->partial, from, (size_t)(to - from))) {
        size_t piece = (size_t)(to - from);
        s->no_memory |= piece <= s->partial.max_bytes - s->partial.len;
        s->oversize = true;
        if (s->partial.len < SCAN_HEAD_BYTES)
            buf_add(&s->partial, from, piece < SCAN_HEAD_BYTES ? piece : SCAN_HEAD_BYTES);
        if (s->partial.len > SCAN_HEAD_BYTES)
            s->partial.len = SCAN_HEAD_BYTES;
    }
}

/* The element ends at `to`. `last`: at the closing bracket, where nothing at all is no element
 * if nothing came before it. */
static bool emit(struct scan *s, const char *from, const char *to, bool last,
                 const struct feed *feed)
{
    struct span e = {from, (size_t)(to - from)};
    if (s->partial.len) {
        keep(s, from, to);
        e = (struct span){s->partial.data, s->partial.len};
    }
    e = strip(e);
    bool go_on = true;
    if (e.len || !last || s->any)
        go_on = feed->fn(feed->context, e, NULL);
    s->any = true;
    s->oversize = false;
    buf_shrink(&s->partial, KEEP_BYTES);
    return go_on;
}

/* Moves behind the string that `p` is in; returns `end` when it goes on in the next piece. */
static const char *skip_string(struct scan *s, const char *p, const char *end)
{
    while (p < end) {
        if (s->escaped) {
            s->escaped = false;
            p++;
            continue;
        }
        const char *quote = memchr(p, '"', (size_t)(end - p));
        const char *stop = quote ? quote : end;
        /* Escapes before the quote, looked at once each: hostile runs of '\\' stay linear. */
        const char *backslash;
        while ((backslash = memchr(p, '\\', (size_t)(stop - p))) && stop - backslash > 1)
            p = backslash + 2;
        if (backslash) {
            s->escaped = true; /* of the quote, or of the next piece's first byte */
            p = stop;
        } else if (quote) {
            s->in_string = false;
            return quote + 1;
        } else {
            return end;
        }
    }
    return end;
}

/* Bytes before the first element. Returns where to go on. */
static const char *scan_opening(struct scan *s, const char *p, const char *end)
{
    static const char null_text[] = "null";
    while (p < end && (s->state == SCAN_START || s->state == SCAN_NULL)) {
        if (s->state == SCAN_START && text_is_json_space(*p)) {
            p++;
        } else if (s->state == SCAN_START && *p == '[') {
            s->state = SCAN_ELEMENT;
            p++;
        } else if (*p == null_text[s->matched]) {
            s->state = null_text[++s->matched] ? SCAN_NULL : SCAN_END;
            p++;
        } else {
            s->state = SCAN_BROKEN;
        }
    }
    return p;
}

static const char *scan_closing(struct scan *s, const char *p, const char *end)
{
    while (p < end && text_is_json_space(*p))
        p++;
    if (p < end)
        s->state = SCAN_BROKEN;
    return end;
}

/* The byte behind an element, if that is what `c` is. */
static void close_element(struct scan *s, char c)
{
    if (c == ']')
        s->state = SCAN_END;
}

static bool is_between_elements(const struct scan *s)
{
    return s->partial.len == 0 && s->depth == 0 && !s->in_string && !s->oversize;
}

/* Elements that are ordinary, whole, and without space behind them, one after the other. Returns
 * where that ends: NULL when `fn` wanted to stop. */
static const char *scan_ordinary(struct scan *s, const char *p, const char *end,
                                 const struct feed *feed)
{
    while (p < end && s->state == SCAN_ELEMENT && is_between_elements(s)) {
        while (p < end && text_is_json_space(*p))
            p++;
        size_t n = flat_read(&s->flat, (struct span){p, (size_t)(end - p)});
        if (n == 0 || p + n == end || (p[n] != ',' && p[n] != ']'))
            break;
        close_element(s, p[n]);
        s->any = true;
        if (!feed->fn(feed->context, (struct span){p, n}, &s->flat))
            return NULL;
        p += n + 1;
    }
    return p;
}

bool scan_feed(struct scan *s, struct span piece, scan_fn *fn, void *context)
{
    const struct feed feed = {fn, context};
    const char *end = piece.data + piece.len;
    const char *p = scan_opening(s, piece.data, end);
    const char *start = p; /* of the element in work, within this piece */
    while (p < end && s->state == SCAN_ELEMENT) {
        if (p == start && !(start = p = scan_ordinary(s, p, end, &feed)))
            return false;
        if (p == end || s->state != SCAN_ELEMENT)
            break;
        if (s->in_string) {
            p = skip_string(s, p, end);
            continue;
        }
        char c = *p++;
        if (c == '"') {
            s->in_string = true;
        } else if (c == '{' || c == '[') {
            s->depth++;
        } else if (s->depth && (c == '}' || c == ']')) {
            s->depth--;
        } else if (s->depth == 0 && (c == ',' || c == ']')) {
            close_element(s, c);
            if (!emit(s, start, p - 1, c == ']', &feed))
                return false;
            start = p;
        }
    }
    if (s->state == SCAN_ELEMENT)
        keep(s, start, end);
    else if (s->state == SCAN_END)
        scan_closing(s, p, end);
    return s->state != SCAN_BROKEN;
}
