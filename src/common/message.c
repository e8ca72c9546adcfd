/* SPDX-License-Identifier: MIT */
#include "common/message.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "common/json_text.h"
#include "common/number.h"
#include "common/utc.h"

#define KEEP_BYTES  65536
#define PARSE_FLAGS (JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES)

static void empty(struct message *m)
{
    struct buf text = m->text;
    json_decref(m->fields);
    m->fields = NULL;
    m->flat = NULL;
    m->id = 0;
    m->json = m->sender = m->content = m->time = (struct span){"", 0};
    text.max_bytes = SIZE_MAX / 2; /* no string is longer than its element */
    buf_shrink(&text, KEEP_BYTES);
    m->text = text;
}

static enum error_kind no_id(struct error *e)
{
    return error_set(e, ERROR_BAD_DATA, "no id above 0");
}

static enum error_kind no_text(struct error *e)
{
    return error_set(e, ERROR_BAD_DATA, "no text in sender or content");
}

/* --- from ordinary JSON ----------------------------------------------------------------------- */

static const struct flat_field *find_string(const struct flat *f, const char *name)
{
    const struct flat_field *field = flat_find(f, name);
    return field && field->type == FLAT_STRING ? field : NULL;
}

static enum error_kind take_flat(struct message *m, struct span element, const struct flat *f,
                                 struct error *e)
{
    const struct flat_field *id = flat_find(f, "id"), *sender = find_string(f, "sender"),
                            *content = find_string(f, "content"), *time = find_string(f, "time");
    if (!id || id->type != FLAT_INTEGER || id->integer <= 0)
        return no_id(e);
    if (!sender || !content)
        return no_text(e);
    bool escaped = sender->escaped || content->escaped || (time && time->escaped);
    if (escaped && buf_reserve(&m->text, element.len)) /* at once: the spans must stay */
        return error_set(e, ERROR_LOCAL, "no memory for a message");
    m->id = id->integer;
    m->json = element;
    m->flat = f;
    m->sender = flat_text(&m->text, sender);
    m->content = flat_text(&m->text, content);
    if (time)
        m->time = flat_text(&m->text, time);
    return ERROR_NONE;
}

/* --- from any JSON ---------------------------------------------------------------------------- */

static bool take_string(const json_t *fields, const char *name, struct span *ret)
{
    const json_t *value = json_object_get(fields, name);
    if (!json_is_string(value))
        return false;
    *ret = (struct span){json_string_value(value), json_string_length(value)};
    return true;
}

/* *m shares `value`. */
static enum error_kind take_tree(struct message *m, struct span element, json_t *value,
                                 struct error *e)
{
    const json_t *id = json_object_get(value, "id");
    struct span sender, content;
    if (!json_is_object(value))
        return error_set(e, ERROR_BAD_DATA, "not a JSON object");
    if (!json_is_integer(id) || json_integer_value(id) <= 0)
        return no_id(e);
    if (!take_string(value, "sender", &sender) || !take_string(value, "content", &content))
        return no_text(e);
    m->id = json_integer_value(id);
    m->json = element;
    m->sender = sender;
    m->content = content;
    take_string(value, "time", &m->time);
    m->fields = json_incref(value);
    return ERROR_NONE;
}

static enum error_kind parse_tree(struct message *m, struct span element, struct error *e)
{
    size_t used;
    json_t *value;
    enum error_kind kind = json_text_parse(element, PARSE_FLAGS, &value, &used, e);
    if (kind)
        return kind;
    /* Without its own end check Jansson tells where it stopped. */
    kind = used == element.len
               ? take_tree(m, element, value, e)
               : error_set(e, ERROR_BAD_DATA, "more than one value between two commas");
    json_decref(value);
    return kind;
}

enum error_kind message_parse(struct message *m, struct span element, const struct flat *flat,
                              struct error *e)
{
    empty(m);
    if (element.len == 0)
        return error_set(e, ERROR_BAD_DATA, "an empty or oversized element");
    if (!flat && flat_read(&m->own, element) == element.len)
        flat = &m->own;
    return flat ? take_flat(m, element, flat, e) : parse_tree(m, element, e);
}

void message_release(struct message *m)
{
    json_decref(m->fields);
    buf_release(&m->text);
    *m = (struct message){0};
}

/* --- to a line -------------------------------------------------------------------------------- */

/* A real number with as few digits as keep its value. */
static int add_real(double value, struct buf *b)
{
    for (size_t precision = 15; precision <= 17; precision++) {
        char text[64];
        json_t *real = json_real(value);
        size_t n = real ? json_dumpb(real, text, sizeof(text) - 1,
                                     JSON_ENCODE_ANY | JSON_REAL_PRECISION(precision))
                        : 0;
        json_decref(real);
        if (n == 0 || n >= sizeof(text))
            return -1;
        text[n] = '\0';
        if (precision == 17 || strtod(text, NULL) == value)
            return buf_add(b, text, n);
    }
    return -1;
}

static int add_value(const json_t *value, struct buf *b);

static int add_members(json_t *object, struct buf *b)
{
    const char *name;
    json_t *value;
    bool first = true;
    json_object_foreach(object, name, value)
    {
        if ((!first && buf_add_char(b, ',')) || text_add_json(b, span_of(name)) ||
            buf_add_char(b, ':') || add_value(value, b))
            return -1;
        first = false;
    }
    return 0;
}

static int add_value(const json_t *value, struct buf *b)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        return text_add_json(b, (struct span){json_string_value(value), json_string_length(value)});
    case JSON_INTEGER:
        return buf_addf(b, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    case JSON_REAL:
        return add_real(json_real_value(value), b);
    case JSON_TRUE:
        return buf_add_str(b, "true");
    case JSON_FALSE:
        return buf_add_str(b, "false");
    case JSON_NULL:
        return buf_add_str(b, "null");
    case JSON_OBJECT:
        if (buf_add_char(b, '{') || add_members((json_t *)(uintptr_t)value, b))
            return -1;
        return buf_add_char(b, '}');
    case JSON_ARRAY:
        if (buf_add_char(b, '['))
            return -1;
        for (size_t i = 0; i < json_array_size(value); i++) {
            if ((i && buf_add_char(b, ',')) || add_value(json_array_get(value, i), b))
                return -1;
        }
        return buf_add_char(b, ']');
    }
    return -1;
}

static int add_string(const char *name, struct span text, struct buf *b)
{
    char utc[UTC_LEN + 1];
    if (strcmp(name, "time") == 0 && utc_from_rfc3339(text, utc) == 0)
        return text_add_json(b, (struct span){utc, UTC_LEN});
    if (strcmp(name, "content") == 0 || strcmp(name, "sender") == 0 || strcmp(name, "channel") == 0)
        return text_add_json_html_unescaped(b, text);
    return text_add_json(b, text);
}

static int add_tree(const json_t *fields, struct buf *b)
{
    const char *name;
    json_t *value;
    bool first = true;
    json_object_foreach((json_t *)(uintptr_t)fields, name, value)
    {
        struct span text = {json_string_value(value), json_string_length(value)};
        if (buf_add_char(b, first ? '{' : ',') || text_add_json(b, span_of(name)) ||
            buf_add_char(b, ':') ||
            (json_is_string(value) ? add_string(name, text, b) : add_value(value, b)))
            return -1;
        first = false;
    }
    return buf_add_str(b, "}\n");
}

static bool is_named(const struct flat_field *field, const char *name)
{
    return span_equal(field->name, span_of(name));
}

static int add_flat_string(const struct message *m, const struct flat_field *field, struct buf *b)
{
    if (is_named(field, "time"))
        return add_string("time", m->time, b);
    if (is_named(field, "content"))
        return add_string("content", m->content, b);
    if (is_named(field, "sender"))
        return add_string("sender", m->sender, b);
    struct buf text;
    buf_init(&text, field->raw.len);
    int r = flat_add_text(&text, field);
    if (!r)
        r = add_string(is_named(field, "channel") ? "channel" : "",
                       (struct span){text.data, text.len}, b);
    buf_release(&text);
    return r;
}

static int add_flat(const struct message *m, struct buf *b)
{
    for (size_t i = 0; i < m->flat->count; i++) {
        const struct flat_field *field = &m->flat->fields[i];
        if (buf_add_char(b, i == 0 ? '{' : ',') || text_add_json(b, field->name) ||
            buf_add_char(b, ':') ||
            (field->type == FLAT_STRING ? add_flat_string(m, field, b)
                                        : buf_add(b, field->raw.data, field->raw.len)))
            return -1;
    }
    return buf_add_str(b, "}\n");
}

/* Is the JSON line just what was received? Of most messages it is. */
static bool is_line(const struct message *m)
{
    return m->flat && m->flat->plain && utc_is_canonical(m->time) &&
           !memchr(m->json.data, '&', m->json.len);
}

int message_add_json(const struct message *m, struct buf *b)
{
    size_t before = b->len;
    int r;
    if (is_line(m))
        r = buf_add(b, m->json.data, m->json.len) || buf_add_char(b, '\n') ? -1 : 0;
    else
        r = m->flat ? add_flat(m, b) : add_tree(m->fields, b);
    if (r)
        b->len = before; /* never half a line */
    return r;
}

int message_add_text(const struct message *m, struct buf *b)
{
    size_t before = b->len;
    if (text_add_visible_html_unescaped(b, m->sender) || buf_add_str(b, ": ") ||
        text_add_visible_html_unescaped(b, m->content) || buf_add_char(b, '\n')) {
        b->len = before;
        return -1;
    }
    return 0;
}

struct message_mark message_mark_of(const struct message *m)
{
    char id[24], utc[UTC_LEN + 1];
    struct span time = m->time;
    if (utc_from_rfc3339(time, utc) == 0)
        time = (struct span){utc, UTC_LEN};
    snprintf(id, sizeof(id), "%" PRId64, m->id);
    uint64_t h = hash_add_field(HASH_START, span_of(id));
    h = hash_add_field(h, m->sender);
    h = hash_add_field(h, m->content);
    h = hash_add_field(h, time);
    return (struct message_mark){m->id, h ? h : 1};
}

bool message_is_ours(const struct message *m, struct span sender, struct span content)
{
    return text_is_html_escaped(m->sender, text_trim(sender)) &&
           text_is_html_escaped(m->content, text_trim(content));
}

int64_t message_guess_id(struct span element)
{
    static const char start[] = "{\"id\":";
    size_t at = sizeof(start) - 1;
    if (element.len < at || memcmp(element.data, start, at) != 0)
        return 0;
    size_t end = at;
    while (end < element.len && element.data[end] >= '0' && element.data[end] <= '9')
        end++;
    int64_t id;
    if (end == element.len || element.data[end] != ',' ||
        number_parse(element.data + at, end - at, &id))
        return 0;
    return id;
}
