/* SPDX-License-Identifier: MIT */
#include "client/send.h"

#include <inttypes.h>

#include "client/backoff.h"
#include "client/channel.h"
#include "client/line.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/stop.h"

#define RECEIPT_MAX (4u * SCAN_ELEMENT_MAX)

struct sending {
    struct session *s;
    struct tally *tally;
    struct channel channel;
    struct backoff backoff;
    struct line line;
    struct buf receipt;
    bool warned_replaced;
    bool receipts_over; /* nobody can read them any more */
    bool over;
};

/* The line is not stored and will not be; the run goes on. */
static void refuse(struct sending *g, const char *why)
{
    log_error("line %" PRId64 " is refused: %s", g->s->input->line, why);
    g->tally->lines_refused++;
    tally_add(g->tally, ERROR_REFUSED);
}

/* The run ends with this line. */
static void give_up(struct sending *g, enum error_kind kind, int64_t *lines, const struct error *e)
{
    bool unknown = kind == ERROR_UNKNOWN;
    log_error("line %" PRId64 " %s: %s", g->s->input->line,
              unknown ? "may or may not be stored" : "is not sent", e->text);
    ++*lines;
    tally_add(g->tally, kind);
    g->over = true;
}

static void print_receipt(struct sending *g, const struct message *stored)
{
    struct error e;
    if (g->receipts_over)
        return;
    if (message_add_json(stored, &g->receipt)) {
        log_error("no memory for a receipt");
        tally_add(g->tally, ERROR_LOCAL);
        return;
    }
    enum output_result r = output_write(g->s->output, &g->receipt, NULL, &e);
    if (r == OUTPUT_FAILED) {
        log_error("%s", e.text);
        tally_add(g->tally, ERROR_LOCAL);
    }
    if (r == OUTPUT_GONE || r == OUTPUT_FAILED) {
        g->receipts_over = true;
        input_stop(g->s->input); /* what was read is still delivered */
    }
}

static enum error_kind post_once(struct sending *g, struct span channel, struct span sender,
                                 int64_t *ret_retry_after_ms, struct error *e)
{
    struct session *s = g->s;
    struct message stored = {0};
    if (s->options->no_echo)
        echo_begin(&s->echo, sender, g->line.content);
    enum error_kind kind =
        channel_post(&g->channel, channel, sender, g->line.content, &stored, ret_retry_after_ms, e);
    if (s->options->no_echo)
        echo_end(&s->echo, stored.id);
    atomic_fetch_add(&s->posts, 1);
    if (atomic_load(&s->pausing))
        http_wake(s->poll_http);
    if (kind == ERROR_NONE && s->options->receipts)
        print_receipt(g, &stored);
    message_release(&stored);
    return kind;
}

/* Waits before another try. False: a signal came. */
static bool wait_for_retry(struct sending *g, int64_t pause_ms)
{
    int64_t deadline = clock_deadline(pause_ms);
    while (!stop_signal() && clock_left_ms(deadline) != 0)
        http_wait(g->s->post_http, deadline, -1);
    return !stop_signal();
}

/* Posts the line in work until its fate is known. */
static void post(struct sending *g, struct span channel, struct span sender)
{
    for (;;) {
        struct error e;
        int64_t retry_after_ms, pause_ms;
        enum error_kind kind = post_once(g, channel, sender, &retry_after_ms, &e);
        switch (kind) {
        case ERROR_NONE:
            backoff_reset(&g->backoff);
            return;
        case ERROR_REFUSED:
            backoff_reset(&g->backoff);
            refuse(g, e.text);
            return;
        case ERROR_UNREACHABLE:
            break;
        case ERROR_UNKNOWN:
            give_up(g, kind, &g->tally->lines_unknown, &e);
            return;
        default:
            give_up(g, kind, &g->tally->lines_unsent, &e);
            return;
        }
        if (stop_signal() || !backoff_next(&g->backoff, retry_after_ms, &pause_ms)) {
            give_up(g, stop_signal() ? ERROR_STOPPED : kind, &g->tally->lines_unsent, &e);
            return;
        }
        if (g->backoff.failures == 1)
            log_warn("line %" PRId64 ": %s; trying again", g->s->input->line, e.text);
        else
            log_info("line %" PRId64 ": %s; next try in %.1f s", g->s->input->line, e.text,
                     (double)pause_ms / 1000);
        if (!wait_for_retry(g, pause_ms)) {
            give_up(g, ERROR_STOPPED, &g->tally->lines_unsent, &e);
            return;
        }
    }
}

/* What the command line names wins over what the line names. */
static struct span choose(bool given, struct span ours, struct span lines)
{
    return given || text_trim(lines).len == 0 ? ours : lines;
}

static bool parse(struct sending *g, struct span record)
{
    struct error e;
    const struct options *o = g->s->options;
    enum error_kind kind =
        o->json ? line_parse_json(&g->line, record, !o->channel, !o->sender_named, &e)
                : line_parse_plain(&g->line, record, &e);
    if (kind == ERROR_REFUSED)
        refuse(g, e.text);
    else if (kind)
        give_up(g, kind, &g->tally->lines_unsent, &e);
    else if (g->line.replaced && !g->warned_replaced) {
        g->warned_replaced = true;
        log_warn("line %" PRId64 ": bytes that are not UTF-8, or NUL, are sent as U+FFFD",
                 g->s->input->line);
    }
    return kind == ERROR_NONE;
}

static void send_record(struct sending *g, struct span record)
{
    struct session *s = g->s;
    const struct options *o = s->options;
    if (text_trim(record).len == 0) {
        if (o->terminal)
            log_warn("Nothing sent!");
        return;
    }
    if (!parse(g, record))
        return;
    struct span channel = choose(o->channel != NULL, s->channel, g->line.channel);
    struct span sender = choose(o->sender_named, s->sender, g->line.sender);
    if (text_trim(channel).len == 0)
        refuse(g, "it names no channel, and the command line names none either");
    else if (text_trim(g->line.content).len == 0)
        refuse(g, "the content is empty");
    else
        post(g, channel, sender);
}

static void take_next(struct sending *g)
{
    struct error e;
    struct span record;
    switch (input_next(g->s->input, &record, &e)) {
    case INPUT_RECORD:
        send_record(g, record);
        break;
    case INPUT_TOO_LONG:
        refuse(g, "it is longer than 1 MiB");
        break;
    case INPUT_FAILED:
        log_error("%s", e.text);
        tally_add(g->tally, ERROR_LOCAL);
        g->over = true;
        break;
    case INPUT_STOPPED:
    case INPUT_END:
        g->over = true;
        break;
    }
}

void send_run(struct session *s, struct tally *tally)
{
    struct sending g = {.s = s, .tally = tally};
    channel_init(&g.channel, s->post_http, s->channel);
    backoff_init(&g.backoff, s->options->retry_for_ms);
    line_init(&g.line);
    buf_init(&g.receipt, RECEIPT_MAX);
    while (!g.over && !stop_signal())
        take_next(&g);
    tally->lines_unsent += input_count_rest(s->input);
    buf_release(&g.receipt);
    line_release(&g.line);
    channel_release(&g.channel);
    atomic_store(&s->failed, tally->local || tally->unknown || tally->unreachable);
    atomic_store(&s->sending_done, true);
    if (s->poll_http)
        http_wake(s->poll_http);
}
