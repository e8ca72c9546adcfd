/* SPDX-License-Identifier: MIT */
#include "server/batch.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/flat.h"

/* Numbers in fields that nobody looks at may have any size. */
#define LOAD_FLAGS (JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL)

#define GROWTH 3u /* an invalid byte becomes U+FFFD, three bytes long */

void batch_init(struct batch *b)
{
    *b = (struct batch){0};
    buf_init(&b->text, GROWTH * BATCH_BODY_MAX);
}

void batch_release(struct batch *b)
{
    free(b->messages);
    buf_release(&b->text);
    batch_init(b);
}

size_t batch_bytes(const struct batch *b)
{
    return b->text.size + b->count * sizeof(*b->messages);
}

static size_t count_lines(struct span body)
{
    size_t count = body.len > 0;
    const char *at = body.data, *end = body.data + body.len;
    while (at < end && (at = memchr(at, '\n', (size_t)(end - at)))) {
        count++;
        at++;
    }
    return count;
}

/* Takes the next line off a body. */
static struct span next_line(struct span *body)
{
    const char *end = memchr(body->data, '\n', body->len);
    struct span line = {body->data, end ? (size_t)(end - body->data) : body->len};
    size_t used = line.len + (end != NULL);
    body->data += used;
    body->len -= used;
    return line;
}

static enum error_kind bad_json(const json_error_t *json_error, size_t number, struct error *e)
{
    /* What follows is a piece of the line, perhaps half a character. */
    const char *near = strstr(json_error->text, " near ");
    int len = (int)(near ? (size_t)(near - json_error->text) : strlen(json_error->text));
    if (len == 0) /* Jansson has nothing to say then */
        return error_set(e, ERROR_LOCAL, "no memory for a batch");
    return error_set(e, ERROR_BAD_DATA, "line %zu: not JSON: %.*s, at character %d", number, len,
                     json_error->text, json_error->column);
}

/* The object in a line; `scratch` is for a line that is not UTF-8. */
static enum error_kind load(struct span line, size_t number, struct buf *scratch, json_t **ret,
                            struct error *e)
{
    json_error_t json_error;
    if (text_without_json_space(line).len == 0)
        return error_set(e, ERROR_BAD_DATA, "line %zu: blank", number);
    if (text_valid_prefix(line.data, line.len) < line.len) {
        buf_clear(scratch);
        if (text_add_sanitized(scratch, line, false, NULL))
            return error_set(e, ERROR_LOCAL, "no memory for a batch");
        line = (struct span){scratch->data, scratch->len};
    }
    json_t *object = json_loadb(line.data, line.len, LOAD_FLAGS, &json_error);
    if (!object)
        return bad_json(&json_error, number, e);
    *ret = object;
    if (json_is_object(object))
        return ERROR_NONE;
    return error_set(e, ERROR_BAD_DATA, "line %zu: not a JSON object", number);
}

static enum error_kind take_field(struct batch *b, const json_t *object, const char *name,
                                  size_t number, struct span *ret, struct error *e)
{
    const json_t *value = json_object_get(object, name);
    if (!json_is_string(value))
        return error_set(e, ERROR_BAD_DATA, "line %zu: no string \"%s\"", number, name);
    struct span text =
        text_trim((struct span){json_string_value(value), json_string_length(value)});
    if (text.len == 0)
        return error_set(e, ERROR_BAD_DATA, "line %zu: \"%s\" is empty", number, name);
    size_t before = b->text.len;
    if (buf_add(&b->text, text.data, text.len))
        return error_set(e, ERROR_LOCAL, "no memory for a batch");
    *ret = (struct span){b->text.data + before, text.len};
    return ERROR_NONE;
}

/* The same three from an ordinary object, without a tree. False: nothing is changed, load() and
 * take_field() shall see to it, and say what is wrong if anything is. */
static bool add_ordinary(struct batch *b, struct span line)
{
    static const char *const names[] = {"channel", "sender", "content"};
    struct store_message *m = &b->messages[b->count];
    struct span *fields[] = {&m->channel, &m->sender, &m->content};
    struct flat object;
    size_t before = b->text.len, used = flat_read(&object, line);
    bool good = used > 0 && used == text_without_json_space(line).len;
    for (size_t i = 0; good && i < sizeof(fields) / sizeof(fields[0]); i++) {
        const struct flat_field *field = flat_find(&object, names[i]);
        size_t at = b->text.len;
        good = field && field->type == FLAT_STRING && flat_add_text(&b->text, field) == 0;
        if (good)
            *fields[i] = text_trim((struct span){b->text.data + at, b->text.len - at});
        good = good && fields[i]->len > 0;
    }
    if (good)
        b->count++;
    else
        b->text.len = before;
    return good;
}

static enum error_kind add_line(struct batch *b, struct span line, struct buf *scratch,
                                struct error *e)
{
    if (add_ordinary(b, line))
        return ERROR_NONE;
    json_t *object = NULL;
    struct store_message *m = &b->messages[b->count];
    size_t number = ++b->count;
    enum error_kind kind = load(line, number, scratch, &object, e);
    if (!kind)
        kind = take_field(b, object, "channel", number, &m->channel, e);
    if (!kind)
        kind = take_field(b, object, "sender", number, &m->sender, e);
    if (!kind)
        kind = take_field(b, object, "content", number, &m->content, e);
    json_decref(object);
    return kind;
}

/* All the memory there will be, at once: the spans could not follow a text that moves. */
static enum error_kind reserve(struct batch *b, struct span body, size_t lines, struct error *e)
{
    bool valid = text_valid_prefix(body.data, body.len) == body.len;
    b->messages = calloc(lines, sizeof(*b->messages));
    if (!b->messages || buf_reserve(&b->text, valid ? body.len : GROWTH * body.len))
        return error_set(e, ERROR_LOCAL, "no memory for a batch");
    return ERROR_NONE;
}

enum error_kind batch_parse(struct batch *b, struct span body, struct error *e)
{
    if (body.len > BATCH_BODY_MAX)
        return error_set(e, ERROR_REFUSED, BATCH_TOO_LARGE);
    body = text_without_json_space(body);
    size_t lines = count_lines(body);
    if (lines > BATCH_LINES_MAX)
        return error_set(e, ERROR_REFUSED, BATCH_TOO_LARGE);
    if (lines == 0)
        return error_set(e, ERROR_BAD_DATA, "line 1: no message");
    struct buf scratch;
    buf_init(&scratch, GROWTH * BATCH_BODY_MAX);
    enum error_kind kind = reserve(b, body, lines, e);
    while (!kind && b->count < lines)
        kind = add_line(b, next_line(&body), &scratch, e);
    buf_release(&scratch);
    if (kind)
        batch_release(b);
    return kind;
}
