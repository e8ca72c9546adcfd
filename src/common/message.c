/* SPDX-License-Identifier: MIT */
#include "common/message.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/hash.h"
#include "common/json_text.h"
#include "common/number.h"

#define PARSE_FLAGS (JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES)

static bool take_string(const json_t *fields, const char *name, struct span *ret)
{
    const json_t *value = json_object_get(fields, name);
    if (!json_is_string(value))
        return false;
    *ret = (struct span){json_string_value(value), json_string_length(value)};
    return true;
}

enum error_kind message_take(struct message *m, json_t *value, struct error *e)
{
    struct message taken = {.fields = value};
    const json_t *id = json_object_get(value, "id");
    *m = (struct message){0};
    if (!json_is_object(value))
        return error_set(e, ERROR_BAD_DATA, "not a JSON object");
    if (!json_is_integer(id) || json_integer_value(id) <= 0)
        return error_set(e, ERROR_BAD_DATA, "no id above 0");
    if (!take_string(value, "sender", &taken.sender) ||
        !take_string(value, "content", &taken.content))
        return error_set(e, ERROR_BAD_DATA, "no text in sender or content");
    taken.id = json_integer_value(id);
    json_incref(value);
    *m = taken;
    return ERROR_NONE;
}

enum error_kind message_parse(struct message *m, struct span element, struct error *e)
{
    *m = (struct message){0};
    if (element.len == 0)
        return error_set(e, ERROR_BAD_DATA, "an empty or oversized element");
    size_t used;
    json_t *value;
    enum error_kind kind = json_text_parse(element, PARSE_FLAGS, &value, &used, e);
    if (kind)
        return kind;
    /* Without its own end check Jansson tells where it stopped. */
    kind = used == element.len
               ? message_take(m, value, e)
               : error_set(e, ERROR_BAD_DATA, "more than one value between two commas");
    json_decref(value);
    return kind;
}

void message_release(struct message *m)
{
    if (!m)
        return;
    json_decref(m->fields);
    *m = (struct message){0};
}

/* Days from 1970-01-01, by the civil calendar. */
static int64_t days_from_date(int64_t year, int month, int day)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    int64_t y = year - 1;
    int64_t days = y * 365 + y / 4 - y / 100 + y / 400 - 719162;
    return days + before[month - 1] + (month > 2 && leap) + day - 1;
}

static bool read_offset(const char *text, int64_t *ret_seconds)
{
    int hours, minutes, used = 0;
    if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0) {
        *ret_seconds = 0;
        return true;
    }
    if ((text[0] != '+' && text[0] != '-') || strlen(text) != 6 ||
        sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 || used != 5 || hours > 23 ||
        minutes > 59)
        return false;
    *ret_seconds = (text[0] == '-' ? -60 : 60) * ((int64_t)hours * 60 + minutes);
    return true;
}

int message_time_utc(struct span time, char ret[32])
{
    char text[64];
    if (time.len >= sizeof(text))
        return -1;
    memcpy(text, time.data, time.len);
    text[time.len] = '\0';
    int year, month, day, hour, minute, second, used = 0;
    char t;
    if (sscanf(text, "%4d-%2d-%2d%c%2d:%2d:%2d%n", &year, &month, &day, &t, &hour, &minute, &second,
               &used) != 7 ||
        used != 19 || year < 1 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 ||
        minute > 59 || second > 60 || hour < 0 || minute < 0 || second < 0)
        return -1;
    const char *rest = text + used;
    if (*rest == '.')
        rest += 1 + strspn(rest + 1, "0123456789");
    int64_t offset;
    if (!read_offset(rest, &offset))
        return -1;
    int64_t moment = days_from_date(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    time_t utc = (time_t)(moment - offset);
    struct tm parts;
    if (!gmtime_r(&utc, &parts) || parts.tm_year < 1 - 1900 || parts.tm_year > 9999 - 1900)
        return -1;
    /* not strftime: its %Y does not pad, and year 1 is Go's zero time */
    snprintf(ret, 32, "%04d-%02d-%02dT%02d:%02d:%02dZ", (parts.tm_year + 1900) % 10000,
             (parts.tm_mon + 1) % 100, parts.tm_mday % 100, parts.tm_hour % 100, parts.tm_min % 100,
             parts.tm_sec % 100);
    return 0;
}

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

static int add_unescaped_json(struct span escaped, struct buf *b)
{
    if (!memchr(escaped.data, '&', escaped.len))
        return text_add_json(b, escaped);
    struct buf plain;
    buf_init(&plain, escaped.len);
    int r = text_add_html_unescaped(&plain, escaped);
    if (!r)
        r = text_add_json(b, (struct span){plain.data, plain.len});
    buf_release(&plain);
    return r;
}

static int add_field(const char *name, const json_t *value, struct buf *b)
{
    if (!json_is_string(value))
        return add_value(value, b);
    struct span text = {json_string_value(value), json_string_length(value)};
    char utc[32];
    if (strcmp(name, "time") == 0 && message_time_utc(text, utc) == 0)
        return text_add_json(b, span_of(utc));
    if (strcmp(name, "content") == 0 || strcmp(name, "sender") == 0 || strcmp(name, "channel") == 0)
        return add_unescaped_json(text, b);
    return text_add_json(b, text);
}

int message_add_json(const struct message *m, struct buf *b)
{
    const char *name;
    json_t *value;
    size_t before = b->len;
    bool first = true;
    json_object_foreach(m->fields, name, value)
    {
        if (buf_add_char(b, first ? '{' : ',') || text_add_json(b, span_of(name)) ||
            buf_add_char(b, ':') || add_field(name, value, b))
            goto fail;
        first = false;
    }
    if (buf_add_str(b, "}\n") == 0)
        return 0;
fail:
    b->len = before; /* never half a line */
    return -1;
}

static int add_unescaped_visible(struct span escaped, struct buf *b)
{
    struct buf plain;
    buf_init(&plain, escaped.len);
    int r = text_add_html_unescaped(&plain, escaped);
    if (!r)
        r = text_add_visible(b, (struct span){plain.data, plain.len});
    buf_release(&plain);
    return r;
}

int message_add_text(const struct message *m, struct buf *b)
{
    size_t before = b->len;
    if (add_unescaped_visible(m->sender, b) || buf_add_str(b, ": ") ||
        add_unescaped_visible(m->content, b) || buf_add_char(b, '\n')) {
        b->len = before;
        return -1;
    }
    return 0;
}

struct message message_share(const struct message *m)
{
    struct message shared = *m;
    json_incref(shared.fields);
    return shared;
}

struct message_mark message_mark_of(const struct message *m)
{
    char id[24], utc[32];
    const json_t *value = json_object_get(m->fields, "time");
    struct span time = {"", 0};
    if (json_is_string(value))
        time = (struct span){json_string_value(value), json_string_length(value)};
    if (message_time_utc(time, utc) == 0)
        time = span_of(utc);
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
