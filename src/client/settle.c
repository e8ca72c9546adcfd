/* SPDX-License-Identifier: MIT */
#include "client/settle.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/stop.h"

/* Waits until `moment`. False: a signal came. */
static bool wait_until(struct channel *c, int64_t moment)
{
    while (!stop_signal() && clock_left_ms(moment) != 0)
        http_wait(c->http, moment, -1);
    return !stop_signal();
}

enum settle_result settle(struct channel *c, const struct settle *s, struct message *ret_found,
                          struct error *e)
{
    struct backoff backoff;
    int64_t start = clock_now_ms(), end = clock_deadline(s->window_ms), step = SETTLE_FIRST_MS;
    int64_t next = start, pause_ms;
    struct error why = *e; /* of the try */
    bool told = false;
    backoff_init(&backoff, s->patience_ms);
    for (;;) {
        bool stopped = !wait_until(c, next); /* then one look more, and that is all */
        bool final = clock_left_ms(end) == 0;
        *ret_found = (struct message){0};
        enum error_kind kind = channel_look(c, s->name, s->watermark, s->sender, s->content,
                                            SETTLE_GRACE_MS, ret_found, e);
        if (ret_found->fields)
            return SETTLE_STORED;
        if (stopped)
            error_set(e, ERROR_STOPPED, "stopped by a signal");
        if (stopped || kind == ERROR_LOCAL || kind == ERROR_REFUSED)
            return SETTLE_UNKNOWN;
        if (!kind && final)
            return SETTLE_MISSED;
        if (!kind)
            backoff_reset(&backoff);
        next = clock_now_ms();
        if (kind && final) {
            if (!backoff_next(&backoff, -1, &pause_ms))
                return SETTLE_UNKNOWN;
            next += pause_ms;
        } else {
            next = start + step < end ? start + step : end;
            step *= 2;
        }
        if (!told)
            log_warn("%s may or may not be stored: %s; looking for it", s->label, why.text);
        told = true;
        log_info("%s: %s; looking again in %.1f s", s->label, kind ? e->text : "not there yet",
                 (double)(next - clock_now_ms()) / 1000);
    }
}
