/* SPDX-License-Identifier: MIT */
#include "server/body.h"

void body_init(struct body *b, atomic_size_t *total)
{
    *b = (struct body){.total = total};
    buf_init(&b->bytes, API_BODY_MAX);
}

void body_release(struct body *b)
{
    atomic_fetch_sub(b->total, b->held);
    b->held = 0;
    buf_release(&b->bytes);
}

bool body_is_refused(struct body *b, bool authorized, unsigned long long length, bool asks)
{
    if (!authorized)
        b->discard = true; /* api_begin() will say so */
    else if (length > b->limit.bytes)
        b->refused = 413;
    if (b->refused)
        b->discard = true;
    return b->discard && (asks || length > BODY_DISCARD_MAX);
}

static void give_up(struct body *b, int status)
{
    b->refused = status;
    b->discard = true;
    body_release(b);
}

void body_take(struct body *b, const char *bytes, size_t len)
{
    if (b->discard)
        return;
    if (b->held + len > b->limit.bytes) {
        give_up(b, 413);
        return;
    }
    b->held += len;
    if (atomic_fetch_add(b->total, len) + len > BODY_TOTAL_MAX || buf_add(&b->bytes, bytes, len))
        give_up(b, 429);
}

void body_check_total(struct body *b)
{
    if (atomic_load(b->total) > BODY_TOTAL_MAX)
        b->refused = 429;
}

void body_recount(struct body *b, size_t others)
{
    size_t now = b->bytes.size + others;
    atomic_fetch_add(b->total, now - b->held); /* modulo: it may be less */
    b->held = now;
}

const char *body_sentence(const struct body *b)
{
    if (b->refused == 400)
        return "The header says twice where the body ends";
    return b->refused == 413 ? b->limit.text : "Too much at once";
}

struct span body_text(const struct body *b)
{
    return (struct span){b->bytes.data ? b->bytes.data : "", b->bytes.len};
}
