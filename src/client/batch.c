/* SPDX-License-Identifier: MIT */
#include "client/batch.h"

struct place {
    int64_t number;
    size_t at, channel_len, sender_len, content_len;
};

void batch_init(struct batch *b)
{
    buf_init(&b->body, BATCH_BYTES_MAX);
    buf_init(&b->texts, BATCH_BYTES_MAX);
    buf_init(&b->places, BATCH_LINES_MAX * sizeof(struct place));
}

void batch_release(struct batch *b)
{
    buf_release(&b->body);
    buf_release(&b->texts);
    buf_release(&b->places);
}

void batch_clear(struct batch *b)
{
    buf_clear(&b->body);
    buf_clear(&b->texts);
    buf_clear(&b->places);
}

size_t batch_count(const struct batch *b)
{
    return b->places.len / sizeof(struct place);
}

struct batch_line batch_at(const struct batch *b, size_t i)
{
    const struct place *p = (const struct place *)(const void *)b->places.data + i;
    const char *text = b->texts.data + p->at;
    return (struct batch_line){
        .number = p->number,
        .channel = {text, p->channel_len},
        .sender = {text + p->channel_len, p->sender_len},
        .content = {text + p->channel_len + p->sender_len, p->content_len},
    };
}

static bool add_object(struct buf *b, const struct batch_line *line)
{
    return buf_add_str(b, "{\"channel\":") == 0 && text_add_json(b, line->channel) == 0 &&
           buf_add_str(b, ",\"sender\":") == 0 && text_add_json(b, line->sender) == 0 &&
           buf_add_str(b, ",\"content\":") == 0 && text_add_json(b, line->content) == 0 &&
           buf_add_str(b, "}\n") == 0;
}

bool batch_add(struct batch *b, const struct batch_line *line)
{
    size_t body_len = b->body.len, texts_len = b->texts.len;
    struct place place = {line->number, texts_len, line->channel.len, line->sender.len,
                          line->content.len};
    if (add_object(&b->body, line) &&
        buf_add(&b->texts, line->channel.data, line->channel.len) == 0 &&
        buf_add(&b->texts, line->sender.data, line->sender.len) == 0 &&
        buf_add(&b->texts, line->content.data, line->content.len) == 0 &&
        buf_add(&b->places, &place, sizeof(place)) == 0)
        return true;
    b->body.len = body_len;
    b->texts.len = texts_len;
    return false;
}
