/* SPDX-License-Identifier: MIT */
#include "server/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

#define LINE_MAX_BYTES 79 /* a longer one would go on in the next row */

void progress_init(struct progress *p)
{
    *p = (struct progress){.on = isatty(STDERR_FILENO) && log_get_level() != LOG_QUIET};
}

void progress_begin(struct progress *p, const char *what, int64_t low, int64_t high)
{
    p->what = what;
    p->low = low;
    p->high = high;
    p->done = 0;
    p->begun_at = clock_now_ms();
}

/* A terminal that takes nothing loses a line, no more. */
static void put(struct progress *p, const char *text)
{
    char line[3 * LINE_MAX_BYTES];
    size_t len = strlen(text);
    int n = snprintf(line, sizeof(line), "\r%s%*s%s", text, len < p->len ? (int)(p->len - len) : 0,
                     "", len == 0 ? "\r" : "");
    p->len = len;
    if (write(STDERR_FILENO, line, (size_t)n) < 0)
        p->on = false;
}

static int percent(const struct progress *p, int64_t reached)
{
    double whole = (double)p->high - (double)p->low;
    double part = (double)reached - (double)p->low;
    return whole <= 0 || part >= whole ? 100 : part <= 0 ? 0 : (int)(100 * part / whole);
}

void progress_add(struct progress *p, int64_t count, int64_t reached)
{
    char text[LINE_MAX_BYTES + 1];
    int64_t now = clock_now_ms();
    p->done += count;
    if (!p->on || now < p->next_at)
        return;
    p->next_at = now + PROGRESS_MS;
    snprintf(text, sizeof(text), "chancatd: %s: %d %%, %" PRId64 " messages, %" PRId64 " a second",
             p->what, percent(p, reached), p->done, p->done * 1000 / (now - p->begun_at + 1));
    put(p, text);
}

void progress_end(struct progress *p)
{
    if (p->on && p->len > 0)
        put(p, "");
}
