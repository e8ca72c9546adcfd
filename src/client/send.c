/* SPDX-License-Identifier: MIT */
#include "client/send.h"

#include <inttypes.h>
#include <stdio.h>

#include "client/courier.h"
#include "client/drain.h"
#include "client/line.h"
#include "client/outbox.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/stop.h"

struct sending {
    struct session *s;
    struct tally *tally;
    struct courier courier;
    struct outbox outbox; /* with --outbox, as `drain` */
    struct drain drain;
    struct line line;
    bool warned_replaced;
    bool over;
};

/* The line is not stored and will not be; the run goes on. */
static void refuse(struct sending *g, const char *why)
{
    log_error("line %" PRId64 " is refused: %s", g->s->input->line, why);
    g->tally->lines_refused++;
    tally_add(g->tally, ERROR_REFUSED);
}

/* The run ends with this line; it is `unknown` whether it is stored, or it is not. */
static void give_up(struct sending *g, enum error_kind kind, bool unknown, const struct error *e)
{
    log_error("line %" PRId64 " %s: %s", g->s->input->line,
              unknown ? "may or may not be stored" : "is not sent", e->text);
    g->tally->lines_unknown += unknown;
    g->tally->lines_unsent += !unknown;
    tally_add(g->tally, kind);
    g->over = true;
}

/* To the server at once; its fate is known afterwards. */
static void send_now(struct sending *g, struct span channel, struct span sender)
{
    struct error e;
    char label[32], key[OUTBOX_KEY_LEN + 1];
    snprintf(label, sizeof(label), "line %" PRId64, g->s->input->line);
    struct parcel p = {.label = label,
                       .channel = channel,
                       .sender = sender,
                       .content = g->line.content,
                       .key = key,
                       .watermark = -1};
    enum error_kind kind = outbox_make_key(key, &e);
    if (!kind)
        kind = courier_take(&g->courier, &p, &e);
    if (kind == ERROR_REFUSED)
        refuse(g, e.text);
    else if (kind)
        give_up(g, kind, kind == ERROR_UNKNOWN || (kind == ERROR_LOCAL && p.attempts > 0), &e);
}

/* Into the outbox, and from there to the server. */
static void send_durably(struct sending *g, struct span channel, struct span sender)
{
    struct error e;
    uint64_t number;
    char key[OUTBOX_KEY_LEN + 1];
    enum error_kind kind =
        outbox_add(&g->outbox, g->drain.server, channel, sender, g->line.content, key, &number, &e);
    if (kind) {
        give_up(g, kind, false, &e);
        return;
    }
    drain_note(&g->drain, number, key);
    drain_run(&g->drain);
}

static void post(struct sending *g, struct span channel, struct span sender)
{
    if (g->s->options->outbox)
        send_durably(g, channel, sender);
    else
        send_now(g, channel, sender);
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
        give_up(g, kind, false, &e);
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
    int64_t again_at = g->s->options->outbox ? drain_again_at(&g->drain) : CLOCK_NEVER;
    switch (input_next(g->s->input, again_at, &record, &e)) {
    case INPUT_RECORD:
        send_record(g, record);
        break;
    case INPUT_TOO_LONG:
        refuse(g, "it is longer than 1 MiB");
        break;
    case INPUT_LATER:
        drain_run(&g->drain);
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

static bool start(struct sending *g, struct session *s, struct tally *tally)
{
    struct error e;
    *g = (struct sending){.s = s, .tally = tally, .outbox = {.lock_fd = -1}};
    courier_init(&g->courier, s, tally);
    line_init(&g->line);
    if (!s->options->outbox)
        return true;
    if (outbox_open(&g->outbox, s->options->outbox, &e)) {
        log_error("%s", e.text);
        tally_add(tally, ERROR_LOCAL);
        return false;
    }
    if (drain_init(&g->drain, &g->courier, &g->outbox, &e)) {
        log_error("%s", e.text);
        tally_add(tally, ERROR_LOCAL);
        return false;
    }
    return true;
}

static void finish(struct sending *g)
{
    struct session *s = g->s;
    const struct tally *tally = g->tally;
    if (s->options->outbox) {
        drain_release(&g->drain);
        outbox_close(&g->outbox);
    }
    line_release(&g->line);
    courier_release(&g->courier);
    atomic_store(&s->failed, tally->local || tally->unknown || tally->unreachable);
    atomic_store(&s->sending_done, true);
    if (s->poll_http)
        http_wake(s->poll_http);
}

void send_run(struct session *s, struct tally *tally)
{
    struct sending g;
    bool good = start(&g, s, tally);
    while (good && !g.over && !stop_signal())
        take_next(&g);
    tally->lines_unsent += input_count_rest(s->input);
    if (good && s->options->outbox)
        drain_finish(&g.drain, false);
    finish(&g);
}

void send_flush(struct session *s, struct tally *tally)
{
    struct sending g;
    if (start(&g, s, tally))
        drain_finish(&g.drain, true);
    finish(&g);
}
