/* SPDX-License-Identifier: MIT */
#include "client/drain.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/stop.h"

/* flock(2) has nothing to poll for: how often to look whether another process is done. */
#define LOCK_LOOK_FIRST_MS 20
#define LOCK_LOOK_MAX_MS   500

struct mine {
    uint64_t number;
    char key[OUTBOX_KEY_LEN + 1];
};

/* What a try of the line in work must be remembered by, before its first byte leaves. */
static enum error_kind before_try(void *context, const struct parcel *p, struct error *e)
{
    struct drain *d = context;
    d->line.try = (struct outbox_try){.watermark = p->watermark,
                                      .attempts = p->attempts,
                                      .first_s = p->first_s,
                                      .keyed = p->keyed};
    return outbox_record_try(d->outbox, &d->line, e);
}

void drain_init(struct drain *d, struct courier *courier, struct outbox *outbox)
{
    *d = (struct drain){.courier = courier, .outbox = outbox};
    d->server = options_server(courier->s->options);
    courier->deliver.before_try = before_try;
    courier->deliver.context = d;
    buf_init(&d->mine, DRAIN_MINE_MAX * sizeof(struct mine));
}

void drain_release(struct drain *d)
{
    outbox_line_release(&d->line);
    buf_release(&d->mine);
}

enum error_kind drain_note(struct drain *d, uint64_t number, const char key[OUTBOX_KEY_LEN + 1],
                           struct error *e)
{
    struct mine mine = {.number = number};
    memcpy(mine.key, key, sizeof(mine.key));
    return buf_add(&d->mine, &mine, sizeof(mine)) ? error_set(e, ERROR_LOCAL, "no memory")
                                                  : ERROR_NONE;
}

/* Stops the draining; drain_finish() tells why, unless a later one gets on. */
static enum error_kind fail(struct drain *d, enum error_kind kind, const struct error *e)
{
    d->failure = *e;
    d->failure.kind = kind;
    d->rest_until = clock_deadline(DRAIN_REST_MS);
    return kind;
}

static enum error_kind refuse(struct drain *d, const struct error *why, struct error *e)
{
    struct tally *tally = d->courier->tally;
    log_error("outbox line %" PRIu64 " is refused: %s; it is kept in failed/", d->line.number,
              why->text);
    tally->lines_refused++;
    tally_add(tally, ERROR_REFUSED);
    return outbox_set_aside(d->outbox, &d->line, why->text, e);
}

/* No later run can find out either: it must not hold up the lines behind it for ever. */
static enum error_kind leave_unknown(struct drain *d, const struct error *cause, struct error *e)
{
    struct tally *tally = d->courier->tally;
    char why[ERROR_TEXT_MAX + 64];
    snprintf(why, sizeof(why), "it may or may not be stored, and it cannot be told: %s",
             cause->text);
    log_error("outbox line %" PRIu64 " %s; it is kept in failed/", d->line.number, why + 3);
    tally->lines_unknown++;
    tally_add(tally, ERROR_UNKNOWN);
    return outbox_set_aside(d->outbox, &d->line, why, e);
}

/* Takes the line in work to its end. */
static enum error_kind send_line(struct drain *d)
{
    struct error e;
    struct outbox_line *line = &d->line;
    char label[64];
    snprintf(label, sizeof(label), "outbox line %" PRIu64, line->number);
    struct parcel p = {.label = label,
                       .channel = line->channel,
                       .sender = line->sender,
                       .content = line->content,
                       .key = line->key,
                       .watermark = line->try.watermark,
                       .attempts = line->try.attempts,
                       .first_s = line->try.first_s,
                       .keyed = line->try.keyed};
    enum error_kind kind = courier_take(d->courier, &p, &e);
    struct error why = e;
    if (kind == ERROR_NONE)
        kind = outbox_remove(d->outbox, line, &e);
    else if (kind == ERROR_REFUSED)
        kind = refuse(d, &why, &e);
    else if (kind == ERROR_UNKNOWN && p.watermark < 0 && !p.keyed)
        kind = leave_unknown(d, &why, &e);
    else if (p.attempts == 0 && line->try.attempts > 0) {
        line->try.attempts = 0; /* nothing of it has ever left */
        if (outbox_record_try(d->outbox, line, &why))
            log_info("%s: %s", label, why.text); /* it will be looked for in vain: no harm */
    }
    return kind ? fail(d, kind, &e) : kind;
}

/* One line. False: nothing more to do now. */
static bool step(struct drain *d)
{
    bool found;
    struct error e;
    enum error_kind kind = outbox_next(d->outbox, &d->line, &found, &e);
    if (kind == ERROR_BAD_DATA) {
        log_error("%s", e.text);
        tally_add(d->courier->tally, ERROR_LOCAL);
        return true;
    }
    if (kind) {
        fail(d, kind, &e);
        return false;
    }
    if (!found)
        return false;
    if (!span_equal(d->line.server, d->server)) {
        d->foreign++;
        return true;
    }
    return send_line(d) == ERROR_NONE;
}

/* Which of this run's lines still wait? Those that another process sent are forgotten, those that
 * it set aside are told. */
static enum error_kind look_after_mine(struct drain *d, struct error *e)
{
    struct mine *mine = (struct mine *)(void *)d->mine.data; /* from malloc: aligned */
    size_t count = d->mine.len / sizeof(*mine), kept = 0;
    enum error_kind kind = ERROR_NONE;
    for (size_t i = 0; i < count; i++) {
        enum outbox_state state = OUTBOX_WAITS;
        kind = kind ? kind : outbox_state(d->outbox, mine[i].number, mine[i].key, &state, e);
        if (state == OUTBOX_WAITS) {
            mine[kept++] = mine[i];
        } else if (state == OUTBOX_SET_ASIDE) {
            log_error("outbox line %" PRIu64 " was refused; it is kept in failed/", mine[i].number);
            d->courier->tally->lines_refused++;
            tally_add(d->courier->tally, ERROR_REFUSED);
        }
    }
    d->mine.len = kept * sizeof(*mine);
    return kind;
}

void drain_run(struct drain *d)
{
    struct error e;
    bool held = false;
    if (d->failure.kind && clock_left_ms(d->rest_until) > 0)
        return;
    d->failure.kind = ERROR_NONE;
    d->foreign = 0;
    enum error_kind kind = outbox_lock(d->outbox, &held, &e);
    if (!kind && d->mine.len)
        kind = look_after_mine(d, &e);
    d->held = held;
    if (kind)
        fail(d, kind, &e);
    if (held && !kind) {
        buf_clear(&d->mine); /* whatever waits is ours to send now */
        outbox_rewind(d->outbox);
        while (!stop_signal() && step(d)) {
        }
    }
    if (held)
        outbox_unlock(d->outbox); /* between two lines of stdin others may send */
}

/* Waits for another process to send our lines, or to leave them to us. */
static void wait_for_lock(struct drain *d, bool all)
{
    int64_t end = clock_deadline(d->courier->s->options->retry_for_ms), pause = LOCK_LOOK_FIRST_MS;
    while (!d->held && !d->failure.kind && !stop_signal() && (all || d->mine.len) &&
           clock_left_ms(end) != 0) {
        int64_t next = clock_deadline(pause);
        http_wait(d->courier->s->post_http, next < end ? next : end, -1);
        pause = pause * 2 < LOCK_LOOK_MAX_MS ? pause * 2 : LOCK_LOOK_MAX_MS;
        drain_run(d);
    }
}

/* Says what stays behind and why. */
static void report(struct drain *d, int64_t waiting)
{
    struct tally *tally = d->courier->tally;
    tally->lines_waiting += waiting;
    if (d->failure.kind) {
        log_error("the outbox keeps what waits: %s", d->failure.text);
        tally_add(tally, d->failure.kind);
    } else if (!d->held && !stop_signal()) {
        log_error("the outbox keeps what waits: another process is sending, and did not finish");
        tally_add(tally, ERROR_UNREACHABLE);
    }
}

void drain_finish(struct drain *d, bool all)
{
    struct error e;
    int64_t waiting = 0;
    if (!stop_signal())
        drain_run(d);
    wait_for_lock(d, all);
    if (outbox_count(d->outbox, &waiting, &e))
        fail(d, ERROR_LOCAL, &e);
    waiting -= d->foreign;
    if (d->failure.kind || waiting > 0)
        report(d, waiting > 0 ? waiting : 0);
    if (all && d->foreign > 0) {
        log_error("%" PRId64 " lines in the outbox are for another server; give its --url",
                  d->foreign);
        tally_add(d->courier->tally, ERROR_USAGE);
    }
}
