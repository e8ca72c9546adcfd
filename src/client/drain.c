/* SPDX-License-Identifier: MIT */
#include "client/drain.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/stop.h"

/* flock(2) has nothing to poll for: how often to look whether another process is done. */
#define LOCK_LOOK_MS 200
#define DAY_S        86400

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

enum error_kind drain_init(struct drain *d, struct courier *courier, struct outbox *outbox,
                           struct error *e)
{
    *d = (struct drain){.courier = courier, .outbox = outbox};
    d->server = options_server(courier->s->options);
    courier->before_try = before_try;
    courier->context = d;
    return outbox_highest(outbox, &d->number, e);
}

void drain_release(struct drain *d)
{
    outbox_line_release(&d->line);
}

void drain_note(struct drain *d, uint64_t number, const char key[KEY_LEN + 1])
{
    d->added = true;
    d->number = number;
    memcpy(d->key, key, sizeof(d->key));
}

/* Stops the draining; drain_finish() tells why, unless a later one gets on. */
static enum error_kind fail(struct drain *d, enum error_kind kind, const struct error *e)
{
    d->failure = *e;
    d->failure.kind = kind;
    d->failed_ms = clock_now_ms();
    return kind;
}

static enum error_kind set_aside(struct drain *d, const char *reason, struct error *e)
{
    d->set_aside += strncmp(d->line.key, d->outbox->run, OUTBOX_RUN_LEN) == 0;
    return outbox_set_aside(d->outbox, &d->line, reason, e);
}

static enum error_kind refuse(struct drain *d, const struct error *why, struct error *e)
{
    struct tally *tally = d->courier->tally;
    log_error("outbox line %" PRIu64 " is refused: %s; it is kept in failed/", d->line.number,
              why->text);
    tally->lines_refused++;
    tally_add(tally, ERROR_REFUSED);
    return set_aside(d, why->text, e);
}

/* No later run can find out either: it must not hold up the lines behind it for ever. */
static enum error_kind leave_unknown(struct drain *d, const struct error *cause, struct error *e)
{
    struct tally *tally = d->courier->tally;
    char why[ERROR_TEXT_MAX + 64];
    snprintf(why, sizeof(why), "may or may not be stored, and it cannot be told: %s", cause->text);
    log_error("outbox line %" PRIu64 " %s; it is kept in failed/", d->line.number, why);
    tally->lines_unknown++;
    tally_add(tally, ERROR_UNKNOWN);
    return set_aside(d, why, e);
}

/* Will no later run find out either? */
static bool is_hopeless(const struct parcel *p)
{
    int64_t age_s = (int64_t)time(NULL) - p->first_s;
    return p->hopeless || (p->unreadable && p->first_s > 0 && age_s > DRAIN_UNKNOWN_DAYS * DAY_S);
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
    else if (kind == ERROR_REFUSED && p.line_refused)
        kind = refuse(d, &why, &e);
    else if (kind == ERROR_UNKNOWN && is_hopeless(&p))
        kind = leave_unknown(d, &why, &e);
    else if (p.attempts == 0 && line->try.attempts > 0) {
        line->try.attempts = 0; /* nothing of it has ever left */
        if (outbox_record_try(d->outbox, line, &why))
            log_info("%s: %s", label, why.text); /* it will be looked for in vain: no harm */
    }
    return kind ? fail(d, kind, &e) : kind;
}

/* One line. False: nothing more to do now. */
static bool step(struct drain *d, uint64_t upto)
{
    bool found;
    struct error e;
    enum error_kind kind = outbox_next(d->outbox, upto, &d->line, &found, &e);
    if (kind == ERROR_BAD_DATA) {
        log_error("%s", e.text);
        tally_add(d->courier->tally, ERROR_LOCAL);
        return true;
    }
    if (kind)
        return fail(d, kind, &e), false;
    if (!found)
        return false;
    if (span_equal(d->line.server, d->server))
        return send_line(d) == ERROR_NONE;
    d->foreign++;
    return true;
}

static void drain_upto(struct drain *d, uint64_t upto)
{
    struct error e;
    if (d->failure.kind) /* its line is to be given out again */
        outbox_rewind(d->outbox);
    d->failure.kind = ERROR_NONE;
    d->held = false;
    d->look_at_ms = clock_deadline(LOCK_LOOK_MS);
    if (outbox_lock(d->outbox, &d->held, &e)) {
        fail(d, ERROR_LOCAL, &e);
        return;
    }
    if (!d->held)
        return;
    deliver_forget(&d->courier->deliver); /* another process may have sent meanwhile */
    while (!stop_signal() && step(d, upto)) {
    }
    outbox_unlock(d->outbox); /* between two lines of stdin others may send */
}

void drain_run(struct drain *d)
{
    if (!d->failure.kind || clock_now_ms() - d->failed_ms >= DRAIN_REST_MS)
        drain_upto(d, d->number);
}

int64_t drain_again_at(const struct drain *d)
{
    if (d->failure.kind)
        return d->failed_ms + DRAIN_REST_MS;
    return d->held ? CLOCK_NEVER : d->look_at_ms;
}

/* Does anything wait that this end is about? Lines go in order, so the last one of this run tells
 * for all of them. */
static bool waits(struct drain *d, bool all, uint64_t upto)
{
    struct error e;
    enum outbox_state state = OUTBOX_GONE;
    int64_t count = 0;
    if (all ? outbox_count(d->outbox, upto, &count, &e)
            : d->added && outbox_state(d->outbox, d->number, d->key, &state, &e)) {
        fail(d, ERROR_LOCAL, &e);
        return true;
    }
    return all ? count > d->foreign : state == OUTBOX_WAITS;
}

/* Lines of this run that another process had to set aside. */
static void tell_failed(struct drain *d)
{
    struct error e;
    struct tally *tally = d->courier->tally;
    int64_t failed;
    if (outbox_count_failed(d->outbox, &failed, &e)) {
        fail(d, ERROR_LOCAL, &e);
        return;
    }
    failed -= d->set_aside;
    if (failed <= 0)
        return;
    log_error("%" PRId64 " of this run's lines could not be sent by another one; see failed/ in "
              "the outbox",
              failed);
    tally->lines_refused += failed;
    tally_add(tally, ERROR_REFUSED);
}

/* Says what stays behind and why. */
static void tell_waiting(struct drain *d)
{
    struct error e;
    struct tally *tally = d->courier->tally;
    int64_t count;
    if (!d->failure.kind && !d->held && !stop_signal())
        error_set(&d->failure, ERROR_UNREACHABLE, "another process is sending, and did not finish");
    if (d->failure.kind)
        log_error("the outbox keeps what waits: %s", d->failure.text);
    tally_add(tally, d->failure.kind);
    if (outbox_count(d->outbox, UINT64_MAX, &count, &e) == ERROR_NONE)
        tally->lines_waiting += count - d->foreign;
}

void drain_finish(struct drain *d, bool all)
{
    struct error e;
    uint64_t upto = d->number;
    bool told = false;
    const _Atomic int64_t *give_up_at = &d->courier->s->give_up_at;
    int64_t end = clock_deadline(d->courier->s->options->retry_for_ms);
    if (all && outbox_highest(d->outbox, &upto, &e))
        fail(d, ERROR_LOCAL, &e);
    outbox_rewind(d->outbox);
    d->foreign = 0;
    if (!stop_signal() && (!d->failure.kind || clock_now_ms() - d->failed_ms >= DRAIN_LAST_MS))
        drain_upto(d, upto);
    while (!d->held && !d->failure.kind && !stop_signal() && waits(d, all, upto) &&
           clock_left_ms(end) != 0 && clock_left_ms(*give_up_at) != 0) {
        int64_t next = clock_sooner(d->look_at_ms, clock_sooner(end, *give_up_at));
        if (!told)
            log_info("another process is sending from the outbox; waiting for it");
        told = true;
        http_wait(d->courier->s->post_http, next, -1);
        if (clock_left_ms(d->look_at_ms) == 0)
            drain_upto(d, upto);
    }
    tell_failed(d);
    if (waits(d, all, upto) || d->failure.kind == ERROR_LOCAL || (d->failure.kind && !d->added))
        tell_waiting(d);
    if (all && d->foreign > 0) {
        log_error("what waits in the outbox for another server (%" PRId64 ") needs its --url",
                  d->foreign);
        tally_add(d->courier->tally, ERROR_UNREACHABLE);
    }
}
