/* SPDX-License-Identifier: MIT */
#include "client/line.h"

#include "common/flat.h"
#include "common/json_text.h"

/* Numbers in fields that nobody looks at may have any size. */
#define LOAD_FLAGS (JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL)

#define BYTES_MAX (3u * LINE_JSON_MAX) /* each byte may become U+FFFD, three bytes long */

void line_init(struct line *line)
{
    *line = (struct line){0};
    buf_init(&line->bytes, BYTES_MAX);
    buf_init(&line->unescaped, LINE_JSON_MAX);
}

void line_release(struct line *line)
{
    buf_release(&line->bytes);
    buf_release(&line->unescaped);
}

static void start(struct line *line)
{
    struct buf bytes = line->bytes, unescaped = line->unescaped;
    buf_shrink(&bytes, MESSAGE_CONTENT_MAX);
    buf_shrink(&unescaped, MESSAGE_CONTENT_MAX);
    *line = (struct line){.bytes = bytes, .unescaped = unescaped};
}

enum error_kind line_parse_plain(struct line *line, struct span record, struct error *e)
{
    start(line);
    if (text_add_sanitized(&line->bytes, record, true, &line->replaced))
        return error_set(e, ERROR_LOCAL, "no memory for a line");
    line->content = (struct span){line->bytes.data, line->bytes.len};
    return ERROR_NONE;
}

/* A JSON record: ordinary (flat.h), and then `tree` is NULL, or not. */
struct record {
    struct flat flat;
    json_t *tree;
};

/* The object in the record; bytes that are not UTF-8 do not spoil it. */
static enum error_kind load(struct line *line, struct span bytes, struct record *ret,
                            struct error *e)
{
    ret->tree = NULL;
    if (bytes.len > 0 && flat_read(&ret->flat, bytes) == bytes.len)
        return ERROR_NONE;
    if (text_add_sanitized(&line->bytes, bytes, false, &line->replaced))
        return error_set(e, ERROR_LOCAL, "no memory for a line");
    enum error_kind kind = json_text_parse((struct span){line->bytes.data, line->bytes.len},
                                           LOAD_FLAGS, &ret->tree, NULL, e);
    buf_clear(&line->bytes);
    if (kind)
        return kind == ERROR_BAD_DATA ? error_rekind(e, ERROR_REFUSED) : kind;
    if (json_is_object(ret->tree))
        return ERROR_NONE;
    json_decref(ret->tree);
    return error_set(e, ERROR_REFUSED, "not a JSON object");
}

/* The text of a field; its data is NULL when there is none, or null. */
static enum error_kind find_flat(struct line *line, const struct flat *f, const char *name,
                                 struct span *ret, struct error *e)
{
    const struct flat_field *field = flat_find(f, name);
    *ret = (struct span){0};
    if (!field || (field->type == FLAT_WORD && field->raw.data[0] == 'n'))
        return ERROR_NONE;
    if (field->type != FLAT_STRING)
        return error_set(e, ERROR_REFUSED, "\"%s\" is not a string", name);
    buf_clear(&line->unescaped);
    if (field->escaped && buf_reserve(&line->unescaped, field->raw.len))
        return error_set(e, ERROR_LOCAL, "no memory for a line");
    *ret = flat_text(&line->unescaped, field);
    return ERROR_NONE;
}

/* The same. */
static enum error_kind find_in_tree(const json_t *tree, const char *name, struct span *ret,
                                    struct error *e)
{
    const json_t *value = json_object_get(tree, name);
    *ret = (struct span){0};
    if (!value || json_is_null(value))
        return ERROR_NONE;
    if (!json_is_string(value))
        return error_set(e, ERROR_REFUSED, "\"%s\" is not a string", name);
    *ret = (struct span){json_string_value(value), json_string_length(value)};
    return ERROR_NONE;
}

/* Where a field lies in line->bytes; offsets, since the bytes may move. */
struct place {
    bool found;
    size_t at, len;
};

static enum error_kind take_field(struct line *line, const struct record *record, const char *name,
                                  size_t max_bytes, struct place *ret, struct error *e)
{
    struct span text;
    bool replaced;
    enum error_kind kind = record->tree ? find_in_tree(record->tree, name, &text, e)
                                        : find_flat(line, &record->flat, name, &text, e);
    *ret = (struct place){text.data != NULL, line->bytes.len, 0};
    if (kind || !ret->found)
        return kind;
    if (text.len > max_bytes)
        return error_set(e, ERROR_REFUSED, "\"%s\" is longer than %zu bytes", name, max_bytes);
    if (text_add_sanitized(&line->bytes, text, true, &replaced))
        return error_set(e, ERROR_LOCAL, "no memory for a line");
    line->replaced |= replaced;
    ret->len = line->bytes.len - ret->at;
    return ERROR_NONE;
}

enum error_kind line_parse_json(struct line *line, struct span record, bool want_channel,
                                bool want_sender, struct error *e)
{
    struct record fields;
    struct place channel = {0}, sender = {0}, content = {0};
    start(line);
    enum error_kind kind = load(line, record, &fields, e);
    if (kind)
        return kind;
    kind = take_field(line, &fields, "content", MESSAGE_CONTENT_MAX, &content, e);
    if (!content.found && kind != ERROR_LOCAL)
        kind = error_set(e, ERROR_REFUSED, "it has no text in \"content\"");
    if (!kind && want_channel)
        kind = take_field(line, &fields, "channel", MESSAGE_NAME_MAX, &channel, e);
    if (!kind && want_sender)
        kind = take_field(line, &fields, "sender", MESSAGE_NAME_MAX, &sender, e);
    json_decref(fields.tree);
    if (kind)
        return kind;
    const char *bytes = line->bytes.data ? line->bytes.data : "";
    line->content = (struct span){bytes + content.at, content.len};
    line->channel = (struct span){bytes + channel.at, channel.len};
    line->sender = (struct span){bytes + sender.at, sender.len};
    return ERROR_NONE;
}
