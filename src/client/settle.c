/* SPDX-License-Identifier: MIT */
#include "client/settle.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/stop.h"

bool settle_must_end(const _Atomic int64_t *give_up_at)
{
    return stop_signal() || (give_up_at && clock_left_ms(*give_up_at) == 0);
}

bool settle_wait(struct http *h, int64_t moment, const _Atomic int64_t *give_up_at)
{
    while (!settle_must_end(give_up_at) && clock_left_ms(moment) != 0)
        http_wait(h, clock_sooner(moment, give_up_at ? *give_up_at : CLOCK_NEVER), -1);
    return !settle_must_end(give_up_at);
}

enum settle_result settle(struct channel *c, const struct settle *s, struct stored *ret_found,
                          struct error *e)
{
    struct backoff backoff;
    int64_t start = clock_now_ms(), end = clock_deadline(s->window_ms), step = SETTLE_FIRST_MS;
    int64_t next = start, pause_ms;
    struct error why = *e; /* of the try */
    bool told = s->quiet;
    backoff_init(&backoff, s->patience_ms);
    for (;;) {
        settle_wait(c->http, next, s->give_up_at);
        bool final = clock_left_ms(end) == 0;
        enum error_kind kind = channel_look(c, s->name, s->watermark, s->sender, s->content,
                                            SETTLE_GRACE_MS, ret_found, e);
        if (ret_found->last)
            return SETTLE_STORED;
        if (!kind && final)
            return SETTLE_MISSED;
        if (settle_must_end(s->give_up_at)) /* that was the one look that is still allowed */
            error_set(e, ERROR_STOPPED, "%s", why.text);
        if (settle_must_end(s->give_up_at) || kind == ERROR_LOCAL || kind == ERROR_REFUSED)
            return SETTLE_UNKNOWN;
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
