/* SPDX-License-Identifier: MIT */
#include "client/courier.h"

#include "common/log.h"

#define RECEIPT_MAX (4u * SCAN_ELEMENT_MAX)

/* From here on the poll loop may meet it. */
static void expect_echo(struct courier *c, const struct parcel *p)
{
    struct echo *echo = &c->s->echo;
    if (!c->s->options->no_echo || c->apart)
        return;
    if (p->batch)
        echo_begin_batch(echo, p->batch, p->watermark);
    else
        echo_begin(echo, p->sender, p->content, p->watermark);
}

static enum error_kind before_try(void *context, const struct parcel *p, struct error *e)
{
    struct courier *c = context;
    expect_echo(c, p);
    return c->before_try ? c->before_try(c->context, p, e) : ERROR_NONE;
}

void courier_init(struct courier *c, struct session *s, struct tally *tally)
{
    *c = (struct courier){.s = s, .tally = tally};
    deliver_init(&c->deliver, s->post_http, s->options->settle_ms, s->options->retry_for_ms);
    c->deliver.before_try = before_try;
    c->deliver.context = c;
    c->deliver.give_up_at = &s->give_up_at;
    buf_init(&c->receipt, RECEIPT_MAX);
}

void courier_release(struct courier *c)
{
    deliver_release(&c->deliver);
    buf_release(&c->receipt);
}

static bool add_receipts(struct courier *c, const struct parcel *p, const struct message *stored)
{
    if (!p->batch)
        return message_add_json(stored, &c->receipt) == 0;
    for (size_t i = 0; i < json_array_size(stored->fields); i++) {
        struct message m;
        if (message_take(&m, json_array_get(stored->fields, i), NULL))
            return false;
        bool good = message_add_json(&m, &c->receipt) == 0;
        message_release(&m);
        if (!good)
            return false;
    }
    return true;
}

static void print_receipts(struct courier *c, const struct parcel *p, const struct message *stored)
{
    struct error e;
    if (c->receipts_over)
        return;
    if (!add_receipts(c, p, stored)) {
        buf_clear(&c->receipt);
        log_error("no memory for a receipt");
        tally_add(c->tally, ERROR_LOCAL);
        return;
    }
    enum output_result r = output_write(c->s->output, &c->receipt, NULL, &e);
    if (r == OUTPUT_FAILED) {
        log_error("%s", e.text);
        tally_add(c->tally, ERROR_LOCAL);
    }
    if (r == OUTPUT_GONE || r == OUTPUT_FAILED) {
        c->receipts_over = true;
        if (c->s->input)
            input_stop(c->s->input); /* what was read is still delivered */
    }
}

/* Which ids are ours; a batch has as many as lines. */
static void tell_echo(struct courier *c, const struct parcel *p, const struct message *stored)
{
    struct echo *echo = &c->s->echo;
    c->apart |= p->apart && p->attempts > 0;
    for (size_t i = 0; p->batch && i < json_array_size(stored->fields); i++)
        echo_own(echo,
                 json_integer_value(json_object_get(json_array_get(stored->fields, i), "id")));
    if (c->apart && stored->id > 0)
        echo_own(echo, stored->id);
    else if (!c->apart)
        echo_end(echo, p->batch ? 0 : stored->id);
}

void courier_apart_done(struct courier *c)
{
    if (c->apart)
        echo_end(&c->s->echo, 0);
    c->apart = false;
}

enum error_kind courier_take(struct courier *c, struct parcel *p, struct error *e)
{
    struct session *s = c->s;
    struct message stored = {0};
    if (p->attempts > 0) /* there may be no other try */
        expect_echo(c, p);
    enum error_kind kind = deliver(&c->deliver, p, &stored, e);
    if (s->options->no_echo)
        tell_echo(c, p, &stored);
    atomic_fetch_add(&s->posts, 1);
    if (atomic_load(&s->pausing))
        http_wake(s->poll_http);
    if (kind == ERROR_NONE && s->options->receipts)
        print_receipts(c, p, &stored);
    message_release(&stored);
    return kind;
}

bool courier_can_batch(const struct courier *c)
{
    return c->deliver.channel.can_batch;
}
