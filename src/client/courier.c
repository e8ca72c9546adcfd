/* SPDX-License-Identifier: MIT */
#include "client/courier.h"

#include "client/scan.h"
#include "common/log.h"

#define RECEIPT_MAX (4u * SCAN_ELEMENT_MAX)

/* From here on the poll loop may meet it. */
static void expect_echo(struct courier *c, const struct parcel *p)
{
    struct echo *echo = &c->s->echo;
    if (!c->s->options->no_echo)
        return;
    if (c->apart && !p->batch) /* the lines of the batch are expected already; others are not */
        echo_also(echo, p->sender, p->content);
    else if (p->batch)
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
    c->deliver.full = s->options->receipts;
    c->deliver.before_try = before_try;
    c->deliver.context = c;
    c->deliver.give_up_at = &s->give_up_at;
    buf_init(&c->receipt, RECEIPT_MAX);
}

void courier_release(struct courier *c)
{
    deliver_release(&c->deliver);
    message_release(&c->message);
    buf_release(&c->receipt);
}

static bool add_receipt(void *context, struct span element, const struct flat *flat)
{
    struct courier *c = context;
    return message_parse(&c->message, element, flat, NULL) == ERROR_NONE &&
           message_add_json(&c->message, &c->receipt) == 0;
}

/* `stored`: a message or, of a batch, an array of them. */
static bool add_receipts(struct courier *c, const struct parcel *p, const struct stored *stored)
{
    struct scan scan;
    if (!p->batch)
        return add_receipt(c, stored->json, NULL);
    scan_init(&scan);
    bool good = scan_feed(&scan, stored->json, add_receipt, c);
    scan_release(&scan);
    return good;
}

static void print_receipts(struct courier *c, const struct parcel *p, const struct stored *stored)
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
    enum output_result r = output_write_whole(c->s->output, &c->receipt, &e);
    if (r == OUTPUT_FAILED) {
        log_error("%s", e.text);
        tally_add(c->tally, ERROR_LOCAL);
    }
    if (r == OUTPUT_STOPPED)
        log_error("%s: stored, but nobody read all receipts in time", p->label);
    if (r == OUTPUT_GONE || r == OUTPUT_FAILED) {
        c->receipts_over = true;
        if (c->s->input)
            input_stop(c->s->input); /* what was read is still delivered */
    }
}

static bool own_element(void *context, struct span element, const struct flat *flat)
{
    struct courier *c = context;
    if (message_parse(&c->message, element, flat, NULL))
        return false;
    echo_own(&c->s->echo, c->message.id, c->message.id);
    return true;
}

/* The ids of a batch; when there are gaps between them, they are in the reply. */
static void own_batch(struct courier *c, const struct parcel *p, const struct stored *stored)
{
    struct scan scan;
    if (stored->last - stored->first + 1 == (int64_t)batch_count(p->batch)) {
        echo_own(&c->s->echo, stored->first, stored->last);
        return;
    }
    scan_init(&scan);
    (void)scan_feed(&scan, stored->json, own_element, c);
    scan_release(&scan);
}

/* Which ids are ours. Nothing is stored: their ids are 0. */
static void tell_echo(struct courier *c, const struct parcel *p, const struct stored *stored)
{
    struct echo *echo = &c->s->echo;
    c->apart |= p->apart && p->attempts > 0;
    if (stored->last > 0 && p->batch)
        own_batch(c, p, stored);
    else if (stored->last > 0)
        echo_own(echo, stored->first, stored->last);
    if (!c->apart)
        echo_end(echo);
}

void courier_apart_done(struct courier *c)
{
    if (c->apart)
        echo_end(&c->s->echo);
    c->apart = false;
}

enum error_kind courier_take(struct courier *c, struct parcel *p, struct error *e)
{
    struct session *s = c->s;
    struct stored stored = {0};
    if (p->attempts > 0) /* there may be no other try */
        expect_echo(c, p);
    enum error_kind kind = deliver(&c->deliver, p, &stored, e);
    if (kind)
        stored = (struct stored){0};
    if (s->options->no_echo)
        tell_echo(c, p, &stored);
    atomic_fetch_add(&s->posts, 1);
    if (atomic_load(&s->pausing))
        http_wake(s->poll_http);
    if (kind == ERROR_NONE && s->options->receipts)
        print_receipts(c, p, &stored);
    return kind;
}

void courier_while_waiting(struct courier *c, void (*work)(void *context), void *context)
{
    c->deliver.channel.on_sent = work;
    c->deliver.channel.sent_context = context;
}

bool courier_can_batch(const struct courier *c)
{
    return c->deliver.channel.can_batch;
}
