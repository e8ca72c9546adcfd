/* SPDX-License-Identifier: MIT */
#include "client/send.h"

#include <inttypes.h>
#include <stdio.h>

#include "client/batch.h"
#include "client/courier.h"
#include "client/drain.h"
#include "client/key.h"
#include "client/line.h"
#include "client/outbox.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/stop.h"

/* A deadline that has passed. */
#define AT_ONCE     0
#define KEEPING_MS  20   /* between two looks whether lines may leave the outbox now */
#define SKIPPED_MAX 1000 /* blank and refused records within a batch */

struct sending {
    struct session *s;
    struct tally *tally;
    struct courier courier;
    struct outbox outbox; /* with --outbox, as `drain` */
    struct drain drain;
    int64_t put[OUTBOX_GROUP_MAX]; /* the numbers of the lines that are put into it together */
    struct line line;
    struct batch batch;   /* lines that go together */
    struct batch waiting; /* those that go next, gathered while these are on their way */
    bool held_over;       /* `line` and these did not fit into it any more */
    bool line_travels;    /* `line` itself is on its way, so there can be no next one */
    struct span channel, sender;
    int64_t number;
    bool warned_replaced;
    bool ended; /* no line will come from stdin any more */
    bool over;  /* nothing will be sent any more */
};

/* The line is not stored and will not be; the run goes on. */
static void refuse(struct sending *g, int64_t number, const char *why)
{
    log_error("line %" PRId64 " is refused: %s", number, why);
    g->tally->lines_refused++;
    tally_add(g->tally, ERROR_REFUSED);
}

/* The run ends with this line; it is `unknown` whether it is stored, or it is not. */
static void give_up(struct sending *g, int64_t number, enum error_kind kind, bool unknown,
                    const struct error *e)
{
    log_error("line %" PRId64 " %s: %s", number,
              unknown ? "may or may not be stored" : "is not sent", e->text);
    g->tally->lines_unknown += unknown;
    g->tally->lines_unsent += !unknown;
    tally_add(g->tally, kind);
    g->over = true;
}

/* To the server at once; its fate is known afterwards. `tried`: as part of a batch that may be
 * stored (NULL: no). The id of its message, 0: there is none. */
static int64_t send_now(struct sending *g, const struct batch_line *line,
                        const struct parcel *tried)
{
    struct error e;
    char label[32], key[KEY_LEN + 1];
    snprintf(label, sizeof(label), "line %" PRId64, line->number);
    struct parcel p;
    enum error_kind kind = parcel_begin(&p, label, line->channel, key, &e);
    p.sender = line->sender;
    p.content = line->content;
    if (tried) {
        p.watermark = tried->watermark;
        p.attempts = tried->attempts;
        p.first_s = tried->first_s;
        p.ended_ms = tried->ended_ms;
        p.answered = tried->answered;
    }
    if (!kind)
        kind = courier_take(&g->courier, &p, &e);
    if (kind == ERROR_REFUSED)
        refuse(g, line->number, e.text);
    else if (kind)
        give_up(g, line->number, kind, parcel_is_unknown(&p, kind), &e);
    return kind ? 0 : p.id;
}

/* The lines of a batch that cannot go together, one by one. The watermark moves on with them, so
 * that equal lines find different messages. */
static void send_apart(struct sending *g, struct parcel *batch)
{
    size_t count = batch_count(&g->batch), i;
    for (i = 0; i < count && !g->over && !stop_signal(); i++) {
        struct batch_line line = batch_at(&g->batch, i);
        int64_t id = send_now(g, &line, batch->attempts ? batch : NULL);
        if (id > batch->watermark && batch->watermark >= 0)
            batch->watermark = id;
    }
    courier_apart_done(&g->courier);
    if (batch->attempts)
        g->tally->lines_unknown += (int64_t)(count - i);
    else
        g->tally->lines_unsent += (int64_t)(count - i);
}

static void send_batch(struct sending *g)
{
    struct error e;
    char label[64], key[KEY_LEN + 1];
    size_t count = batch_count(&g->batch);
    struct batch_line first = batch_at(&g->batch, 0), last = batch_at(&g->batch, count - 1);
    if (count == 1) {
        send_now(g, &first, NULL);
        return;
    }
    snprintf(label, sizeof(label), "lines %" PRId64 " to %" PRId64, first.number, last.number);
    struct parcel p;
    enum error_kind kind = parcel_begin(&p, label, first.channel, key, &e);
    p.batch = &g->batch;
    if (!kind)
        kind = courier_take(&g->courier, &p, &e);
    if (p.apart) {
        log_info("%s: %s; sending them one by one", label, e.text);
        send_apart(g, &p);
    } else if (kind) {
        bool unknown = parcel_is_unknown(&p, kind);
        log_error("%s %s: %s", label, unknown ? "may or may not be stored" : "are not sent",
                  e.text);
        *(unknown ? &g->tally->lines_unknown : &g->tally->lines_unsent) += (int64_t)count;
        tally_add(g->tally, kind);
        g->over = true;
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
        refuse(g, g->s->input->line, e.text);
    else if (kind)
        give_up(g, g->s->input->line, kind, false, &e);
    else if (g->line.replaced && !g->warned_replaced) {
        g->warned_replaced = true;
        log_warn("line %" PRId64 ": bytes that are not UTF-8, or NUL, are sent as U+FFFD",
                 g->s->input->line);
    }
    return kind == ERROR_NONE;
}

/* Makes a record the line in work. False: there is nothing to send. */
static bool take_record(struct sending *g, struct span record)
{
    struct session *s = g->s;
    const struct options *o = s->options;
    if (text_trim(record).len == 0)
        return false;
    if (!parse(g, record))
        return false;
    g->number = s->input->line;
    g->channel = choose(o->channel != NULL, s->channel, g->line.channel);
    g->sender = choose(o->sender_named, s->sender, g->line.sender);
    if (text_trim(g->channel).len == 0)
        refuse(g, g->number, "it names no channel, and the command line names none either");
    else if (text_trim(g->line.content).len == 0)
        refuse(g, g->number, "the content is empty");
    else
        return true;
    return false;
}

/* The next line, waited for until `deadline`. False: there is none now; AT_ONCE also when many
 * records came that are no line to send, since those that were taken before must not wait. */
static bool take_line(struct sending *g, int64_t deadline)
{
    unsigned skipped = 0;
    struct error e;
    struct span record;
    while (!g->over && !g->ended) {
        switch (input_next(g->s->input, deadline, &record, &e)) {
        case INPUT_RECORD:
            if (take_record(g, record))
                return true;
            break;
        case INPUT_TOO_LONG:
            refuse(g, g->s->input->line, "it is longer than 1 MiB");
            break;
        case INPUT_LATER:
            return false;
        case INPUT_FAILED:
            log_error("%s", e.text);
            tally_add(g->tally, ERROR_LOCAL);
            g->ended = true;
            break;
        case INPUT_STOPPED:
        case INPUT_END:
            g->ended = true;
            break;
        }
        if (deadline == AT_ONCE && ++skipped >= SKIPPED_MAX)
            return false;
    }
    return false;
}

/* What was put into the outbox is accepted, as far as it can be. */
static void commit(struct sending *g)
{
    struct error e;
    uint64_t number;
    char key[KEY_LEN + 1];
    size_t count = g->outbox.group_count, accepted;
    enum error_kind kind = outbox_commit(&g->outbox, &accepted, key, &number, &e);
    if (accepted > 0)
        drain_note(&g->drain, number, key);
    if (kind) {
        give_up(g, g->put[accepted], kind, false, &e);
        g->tally->lines_unsent += (int64_t)(count - accepted) - 1;
    }
}

/* The line in work; a group for which there is no room (open files, say) is committed early. */
static void put(struct sending *g)
{
    struct error e;
    struct outbox *o = &g->outbox;
    enum error_kind kind;
    bool again;
    do {
        kind = outbox_put_line(o, g->drain.server, g->channel, g->sender, g->line.content, &e);
        again = kind && o->group_count > 0;
        if (!kind)
            g->put[o->group_count - 1] = g->number;
        if (kind || o->group_count == OUTBOX_GROUP_MAX)
            commit(g);
    } while (again && !g->over);
    if (kind && !g->over)
        give_up(g, g->number, kind, false, &e);
    else if (kind)
        g->tally->lines_unsent++;
}

static void drain(struct sending *g)
{
    if (!atomic_load(&g->s->keeping))
        drain_run(&g->drain);
}

/* When to call it though no line has come. */
static int64_t drain_at(const struct sending *g)
{
    if (!g->s->options->outbox)
        return CLOCK_NEVER;
    return atomic_load(&g->s->keeping) ? clock_deadline(KEEPING_MS) : drain_again_at(&g->drain);
}

/* The line in work and those that wait behind it go into the outbox, and from there to the server:
 * nothing is waited for. */
static void send_durably(struct sending *g)
{
    size_t lines = 0, bytes = 0;
    do {
        put(g);
        lines++;
        bytes += g->line.content.len;
    } while (!g->over && lines < BATCH_LINES_MAX && bytes < BATCH_BYTES_MAX &&
             take_line(g, AT_ONCE));
    commit(g);
    drain(g);
}

static struct batch_line line_in_work(const struct sending *g)
{
    return (struct batch_line){g->number, g->channel, g->sender, g->line.content};
}

/* As many lines as there are and fit: nothing is waited for. Also called while a batch is on its
 * way, so that the next one is ready when it has arrived. */
static void gather(void *context)
{
    struct sending *g = context;
    if (g->line_travels || !courier_can_batch(&g->courier))
        return;
    while (g->held_over || take_line(g, AT_ONCE)) {
        struct batch_line line = line_in_work(g);
        g->held_over = !batch_add(&g->waiting, &line);
        if (g->held_over)
            return;
    }
}

/* What was gathered, and what has come since. */
static void send_waiting(struct sending *g)
{
    gather(g);
    struct batch sent = g->batch;
    g->batch = g->waiting;
    g->waiting = sent;
    batch_clear(&g->waiting);
    send_batch(g);
}

static void send_line(struct sending *g)
{
    struct batch_line line = line_in_work(g);
    if (courier_can_batch(&g->courier) && batch_add(&g->waiting, &line))
        send_waiting(g);
    else {
        g->line_travels = true;
        send_now(g, &line, NULL);
        g->line_travels = false;
    }
}

static void take_next(struct sending *g)
{
    if (batch_count(&g->waiting) > 0) {
        send_waiting(g);
        return;
    }
    bool taken = g->held_over || take_line(g, drain_at(g));
    g->held_over = false;
    if (taken && g->s->options->outbox)
        send_durably(g);
    else if (taken)
        send_line(g);
    else if (!g->over && !g->ended)
        drain(g);
}

static bool start(struct sending *g, struct session *s, struct tally *tally)
{
    struct error e;
    *g = (struct sending){.s = s, .tally = tally, .outbox = {.lock_fd = -1}};
    courier_init(&g->courier, s, tally);
    line_init(&g->line);
    batch_init(&g->batch);
    batch_init(&g->waiting);
    if (!s->options->outbox) {
        courier_while_waiting(&g->courier, gather, g);
        return true;
    }
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
    batch_release(&g->batch);
    batch_release(&g->waiting);
    line_release(&g->line);
    courier_release(&g->courier);
    atomic_store(&s->failed, tally->local || tally->unknown || tally->unreachable);
    atomic_store(&s->sending_done, true);
    if (s->poll_http)
        http_wake(s->poll_http);
}

static bool has_more(const struct sending *g)
{
    return !g->ended || g->held_over || batch_count(&g->waiting) > 0;
}

void send_run(struct session *s, struct tally *tally)
{
    struct sending g;
    bool good = start(&g, s, tally);
    while (good && !g.over && !stop_signal() && has_more(&g))
        take_next(&g);
    tally->lines_unsent +=
        input_count_rest(s->input) + g.held_over + (int64_t)batch_count(&g.waiting);
    while (good && atomic_load(&s->keeping) && !stop_signal())
        http_wait(s->post_http, CLOCK_NEVER, -1);
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
