/* SPDX-License-Identifier: MIT */
#include "client/line.h"

#include "common/json.h"

/* Numbers in fields that nobody looks at may have any size. */
#define LOAD_FLAGS (JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL)

#define BYTES_MAX (3u * LINE_JSON_MAX) /* each byte may become U+FFFD, three bytes long */

void line_init(struct line *line)
{
    *line = (struct line){0};
    buf_init(&line->bytes, BYTES_MAX);
}

void line_release(struct line *line)
{
    buf_release(&line->bytes);
}

static void start(struct line *line)
{
    struct buf bytes = line->bytes;
    buf_shrink(&bytes, MESSAGE_CONTENT_MAX);
    *line = (struct line){.bytes = bytes};
}

enum error_kind line_parse_plain(struct line *line, struct span record, struct error *e)
{
    start(line);
    if (text_add_sanitized(&line->bytes, record, true, &line->replaced))
        return error_set(e, ERROR_LOCAL, "no memory for a line");
    line->content = (struct span){line->bytes.data, line->bytes.len};
    return ERROR_NONE;
}

/* Where a field lies in line->bytes; offsets, since the bytes may move. */
struct place {
    size_t at, len;
};

static enum error_kind take_field(struct line *line, const json_t *object, const char *name,
                                  struct place *ret, struct error *e)
{
    const json_t *value = json_object_get(object, name);
    *ret = (struct place){line->bytes.len, 0};
    if (!value || json_is_null(value))
        return ERROR_NONE;
    if (!json_is_string(value))
        return error_set(e, ERROR_REFUSED, "\"%s\" is not a string", name);
    struct span text = {json_string_value(value), json_string_length(value)};
    if (text.len > MESSAGE_CONTENT_MAX)
        return error_set(e, ERROR_REFUSED, "\"%s\" is longer than %u bytes", name,
                         MESSAGE_CONTENT_MAX);
    bool replaced;
    if (text_add_sanitized(&line->bytes, text, true, &replaced))
        return error_set(e, ERROR_LOCAL, "no memory for a line");
    line->replaced |= replaced;
    ret->len = line->bytes.len - ret->at;
    return ERROR_NONE;
}

/* The object in the record; bytes that are not UTF-8 do not spoil it. */
static enum error_kind load(struct line *line, struct span record, json_t **ret, struct error *e)
{
    json_error_t json_error;
    if (text_add_sanitized(&line->bytes, record, false, &line->replaced))
        return error_set(e, ERROR_LOCAL, "no memory for a line");
    bool no_memory;
    json_t *object = json_parse((struct span){line->bytes.data, line->bytes.len}, LOAD_FLAGS,
                                &json_error, &no_memory);
    buf_clear(&line->bytes);
    if (no_memory)
        return error_set(e, ERROR_LOCAL, "no memory for a line");
    if (json_is_object(object)) {
        *ret = object;
        return ERROR_NONE;
    }
    if (object)
        error_set(e, ERROR_REFUSED, "not a JSON object");
    else
        error_set(e, ERROR_REFUSED, "not JSON: %s", json_error.text);
    json_decref(object);
    return ERROR_REFUSED;
}

enum error_kind line_parse_json(struct line *line, struct span record, bool want_channel,
                                bool want_sender, struct error *e)
{
    json_t *object = NULL;
    struct place channel = {0}, sender = {0}, content = {0};
    start(line);
    enum error_kind kind = load(line, record, &object, e);
    if (kind)
        return kind;
    if (!json_is_string(json_object_get(object, "content")))
        kind = error_set(e, ERROR_REFUSED, "it has no text in \"content\"");
    if (!kind)
        kind = take_field(line, object, "content", &content, e);
    if (!kind && want_channel)
        kind = take_field(line, object, "channel", &channel, e);
    if (!kind && want_sender)
        kind = take_field(line, object, "sender", &sender, e);
    json_decref(object);
    if (kind)
        return kind;
    const char *bytes = line->bytes.data ? line->bytes.data : "";
    line->content = (struct span){bytes + content.at, content.len};
    line->channel = (struct span){bytes + channel.at, channel.len};
    line->sender = (struct span){bytes + sender.at, sender.len};
    return ERROR_NONE;
}
