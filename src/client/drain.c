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

static struct outbox_try try_of(const struct parcel *p)
{
    return (struct outbox_try){.watermark = p->watermark,
                               .attempts = p->attempts,
                               .first_s = p->first_s,
                               .keyed = p->keyed};
}

/* Most repeats find the record as it must be; so they need no room on the disk. */
static enum error_kind record_batch(struct drain *d, const struct parcel *p, struct error *e)
{
    struct outbox_try old = d->record.try;
    bool same_day = old.first_s - p->first_s < DAY_S && p->first_s - old.first_s < DAY_S;
    if (old.attempts > 0 && old.keyed == p->keyed && old.watermark == p->watermark && same_day)
        return ERROR_NONE;
    d->record.try = try_of(p);
    enum error_kind kind = outbox_batch_record(d->outbox, &d->record, e);
    if (kind)
        d->record.try = old;
    return kind;
}

/* What a try of the line or batch in work must be remembered by, before its first byte leaves. */
static enum error_kind before_try(void *context, const struct parcel *p, struct error *e)
{
    struct drain *d = context;
    if (p->batch)
        return record_batch(d, p, e);
    d->line.try = try_of(p);
    return outbox_record_try(d->outbox, &d->line, e);
}

enum error_kind drain_init(struct drain *d, struct courier *courier, struct outbox *outbox,
                           struct error *e)
{
    *d = (struct drain){.courier = courier, .outbox = outbox};
    d->server = options_server(courier->s->options);
    courier->before_try = before_try;
    courier->context = d;
    batch_init(&d->batch);
    outbox_batch_init(&d->record);
    return outbox_highest(outbox, &d->number, e);
}

void drain_release(struct drain *d)
{
    outbox_line_release(&d->line);
    outbox_line_release(&d->more);
    batch_release(&d->batch);
    outbox_batch_release(&d->record);
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

static int64_t age_in_days(const struct parcel *p)
{
    return ((int64_t)time(NULL) - p->first_s) / DAY_S;
}

/* Will no later run find out either? Nobody can look, or there is nothing to tell an older message
 * by and no server has the key any more. */
static bool is_hopeless(const struct parcel *p)
{
    bool blind = p->unreadable || p->watermark < 0;
    int64_t days = age_in_days(p);
    bool old = days >= DRAIN_UNKNOWN_DAYS || days < 0; /* or dated by a wrong clock: who knows */
    return p->hopeless || (blind && p->first_s > 0 && old && !key_is_fresh(p->first_s));
}

/* May a later run still settle it with its key, and only with that? */
static bool needs_its_key(const struct parcel *p)
{
    return p->attempts > 0 && p->watermark < 0 && p->keyed && !p->answered &&
           key_is_fresh(p->first_s);
}

/* All lines are given out anew. */
static void rewind_all(struct drain *d)
{
    outbox_rewind(d->outbox);
    d->foreign = 0;
}

/* --- one line --------------------------------------------------------------------------------- */

/* The line in work has been dealt with; id > 0: it is stored. It was perhaps one of a batch that
 * was taken apart, its `member`-th. */
static enum error_kind settled(struct drain *d, size_t member, int64_t id, struct error *e)
{
    if (member == outbox_batch_count(&d->record))
        return id > 0 ? outbox_remove(d->outbox, &d->line, e) : ERROR_NONE;
    enum error_kind kind = outbox_batch_next(d->outbox, &d->record, member, id, e);
    if (!d->record.first)
        courier_apart_done(d->courier);
    return kind;
}

static struct parcel parcel_of(const struct drain *d, size_t member, const char *label)
{
    const struct outbox_line *line = &d->line;
    bool of_batch = member < outbox_batch_count(&d->record);
    bool tried_alone = !of_batch || line->try.attempts > 0;
    const struct outbox_try *try = tried_alone ? &line->
    try:
        &d->record.try;
    return (struct parcel){.label = label,
                           .channel = line->channel,
                           .sender = line->sender,
                           .content = line->content,
                           .key = line->key,
                           .watermark = try->watermark,
                           .attempts = try->attempts,
                           .first_s = try->first_s,
                           .keyed = try->keyed,
                           .ended_ms = of_batch ? d->apart_ms : 0, /* so they wait only once */
                           .answered = of_batch && d->record.state == OUTBOX_BATCH_ANSWERED};
}

/* Takes the line in work to its end. */
static enum error_kind send_line(struct drain *d)
{
    struct error e;
    struct outbox_line *line = &d->line;
    size_t member = outbox_batch_find(&d->record, line);
    char label[64];
    snprintf(label, sizeof(label), "outbox line %" PRIu64, line->number);
    struct parcel p = parcel_of(d, member, label);
    enum error_kind kind = courier_take(d->courier, &p, &e);
    struct error why = e;
    if (kind == ERROR_NONE) {
        kind = settled(d, member, p.id, &e);
    } else if (kind == ERROR_REFUSED && p.line_refused) {
        kind = refuse(d, &why, &e);
        kind = kind ? kind : settled(d, member, 0, &e);
    } else if (kind == ERROR_UNKNOWN && is_hopeless(&p)) {
        kind = leave_unknown(d, &why, &e);
        kind = kind ? kind : settled(d, member, 0, &e);
    } else if (p.attempts == 0 && line->try.attempts > 0) {
        line->try.attempts = 0; /* nothing of it has ever left */
        if (outbox_record_try(d->outbox, line, &why))
            log_info("%s: %s", label, why.text); /* it will be looked for in vain: no harm */
    }
    return kind ? fail(d, kind, &e) : kind;
}

/* The next line for this run's server; *ret_found false: none waits, or a signal came. */
static enum error_kind next_line(struct drain *d, uint64_t upto, struct outbox_line *line,
                                 bool *ret_found, struct error *e)
{
    *ret_found = false;
    while (!stop_signal()) {
        enum error_kind kind = outbox_next(d->outbox, upto, line, ret_found, e);
        if (kind == ERROR_BAD_DATA) {
            log_error("%s", e->text);
            tally_add(d->courier->tally, ERROR_LOCAL);
        } else if (kind || !*ret_found || span_equal(line->server, d->server)) {
            return kind;
        } else {
            d->foreign++;
        }
    }
    *ret_found = false;
    return ERROR_NONE;
}

/* --- a batch ---------------------------------------------------------------------------------- */

/* Adds a line to the batch. False: it does not go with it. One that came late may have a lower
 * number than those before it; a record needs them ascending. */
static bool add(struct drain *d, const struct outbox_line *line)
{
    struct batch_line text = {(int64_t)line->number, line->channel, line->sender, line->content};
    return line->number <= INT64_MAX && line->number > d->record.last &&
           batch_add(&d->batch, &text) && outbox_batch_add(&d->record, line);
}

/* The line in work, and what waits behind it and fits. False: it goes alone. */
static bool gather(struct drain *d, uint64_t upto)
{
    struct error e;
    bool found = true;
    if (!courier_can_batch(d->courier) || d->record.first || d->line.try.attempts > 0 ||
        d->line.number <= d->alone)
        return false;
    batch_clear(&d->batch);
    if (outbox_batch_begin(&d->record, d->server, &e) || !add(d, &d->line)) {
        outbox_batch_clear(&d->record);
        return false;
    }
    while (next_line(d, upto, &d->more, &found, &e) == ERROR_NONE && found) {
        if (d->more.try.attempts > 0 || !add(d, &d->more)) {
            outbox_put_back(d->outbox);
            break;
        }
    }
    if (outbox_batch_count(&d->record) > 1)
        return true;
    outbox_batch_clear(&d->record);
    return false;
}

/* The lines of the batch go one by one: as they are when nothing of it is stored, else as tried. */
static enum error_kind take_apart(struct drain *d, const struct parcel *p, struct error *e)
{
    struct outbox_batch *r = &d->record;
    rewind_all(d);
    if (p->attempts == 0) {
        d->alone = r->last;
        return outbox_batch_forget(d->outbox, r, e);
    }
    r->state = p->answered ? OUTBOX_BATCH_ANSWERED : OUTBOX_BATCH_APART;
    d->apart_ms = p->ended_ms ? p->ended_ms : clock_now_ms();
    r->try = try_of(p);
    r->try.keyed = false; /* none of the lines went with its own key */
    return outbox_batch_record(d->outbox, r, e);
}

/* Takes the batch in work to its end, or apart. False: nothing more to do now. */
static bool send_batch(struct drain *d)
{
    struct error e;
    struct outbox_batch *r = &d->record;
    char label[96];
    snprintf(label, sizeof(label), "outbox lines %" PRIu64 " to %" PRIu64, r->first, r->last);
    struct parcel p = {.label = label,
                       .channel = batch_at(&d->batch, 0).channel,
                       .batch = &d->batch,
                       .key = r->key,
                       .watermark = r->try.watermark,
                       .attempts = r->try.attempts,
                       .first_s = r->try.first_s,
                       .keyed = r->try.keyed};
    enum error_kind kind = courier_take(d->courier, &p, &e);
    struct error why;
    if (kind == ERROR_NONE) {
        kind = outbox_batch_stored(d->outbox, r, &e);
    } else if ((p.apart && !needs_its_key(&p)) || (kind == ERROR_LOCAL && p.attempts == 0)) {
        log_info("%s: %s; sending them one by one", label, e.text);
        kind = take_apart(d, &p, &e);
    } else if (p.attempts == 0 && outbox_batch_forget(d->outbox, r, &why)) {
        log_info("%s: %s", label, why.text); /* it goes again as it is: no harm */
    }
    return kind ? fail(d, kind, &e), false : true;
}

/* The lines of the batch in work, as they wait. *ret_all false: some do not wait any more. */
static enum error_kind load_batch(struct drain *d, bool *ret_all, struct error *e)
{
    enum error_kind kind = ERROR_NONE;
    *ret_all = true;
    batch_clear(&d->batch);
    for (size_t i = 0; !kind && *ret_all && i < outbox_batch_count(&d->record); i++) {
        const struct outbox_member *m = outbox_batch_at(&d->record, i);
        kind = outbox_get(d->outbox, m->number, m->key, &d->more, ret_all, e);
        struct batch_line text = {(int64_t)m->number, d->more.channel, d->more.sender,
                                  d->more.content};
        *ret_all = *ret_all && batch_add(&d->batch, &text);
    }
    return kind;
}

/* Nobody knows which lines a damaged record speaks of: none with its numbers is sent. */
static enum error_kind drop_damaged(struct drain *d, struct error *e)
{
    struct error cause = *e;
    uint64_t first = d->record.first, last = d->record.last;
    bool found = true;
    enum error_kind kind = ERROR_NONE;
    rewind_all(d);
    while (!kind && found) {
        kind = outbox_next(d->outbox, last, &d->line, &found, e);
        if (kind == ERROR_BAD_DATA) {
            log_error("%s", e->text);
            tally_add(d->courier->tally, ERROR_LOCAL);
            kind = ERROR_NONE;
            found = true;
        } else if (!kind && found && d->line.number >= first) {
            kind = leave_unknown(d, &cause, e);
        }
    }
    rewind_all(d);
    return kind ? kind : outbox_batch_forget(d->outbox, &d->record, e);
}

/* What an earlier process has left of a batch comes before all else. False: nothing more to do. */
static bool resume(struct drain *d)
{
    struct error e;
    bool all;
    enum error_kind kind;
    while ((kind = outbox_batch_load(d->outbox, d->server, &d->record, &e)) == ERROR_BAD_DATA) {
        kind = drop_damaged(d, &e);
        if (kind)
            return fail(d, kind, &e), false;
    }
    if (kind)
        return fail(d, kind, &e), false;
    d->apart_ms = clock_now_ms();
    if (!d->record.first || d->record.state != OUTBOX_BATCH_WHOLE)
        return true;
    kind = load_batch(d, &all, &e);
    if (!kind && all)
        return send_batch(d);
    struct parcel tried = {.watermark = d->record.try.watermark,
                           .attempts = d->record.try.attempts,
                           .first_s = d->record.try.first_s};
    if (!kind)
        kind = take_apart(d, &tried, &e);
    return kind ? fail(d, kind, &e), false : true;
}

/* --- all of them ------------------------------------------------------------------------------ */

/* Past the last line of a batch that was taken apart: it may have been damaged, or taken away. */
static enum error_kind end_apart(struct drain *d, struct error *e)
{
    enum error_kind kind = outbox_batch_end(d->outbox, &d->record, e);
    if (!d->record.first)
        courier_apart_done(d->courier);
    return kind;
}

/* One line, or several. False: nothing more to do now. */
static bool step(struct drain *d, uint64_t upto)
{
    bool found;
    struct error e;
    enum error_kind kind = next_line(d, upto, &d->line, &found, &e);
    if (!kind && d->record.first && (!found || d->line.number > d->record.last))
        kind = end_apart(d, &e);
    if (kind)
        return fail(d, kind, &e), false;
    if (!found)
        return false;
    if (gather(d, upto))
        return !stop_signal() && send_batch(d);
    return send_line(d) == ERROR_NONE;
}

static void drain_upto(struct drain *d, uint64_t upto)
{
    struct error e;
    if (d->failure.kind) /* its line is to be given out again */
        rewind_all(d);
    else
        d->alone = 0;
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
    if (!stop_signal() && resume(d)) {
        while (!stop_signal() && step(d, upto)) {
        }
    }
    courier_apart_done(d->courier);
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
    rewind_all(d);
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
