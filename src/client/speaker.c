/* SPDX-License-Identifier: MIT */
#include "client/speaker.h"

#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/courier.h"
#include "client/drain.h"
#include "client/key.h"
#include "client/layout.h"
#include "client/outbox.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/stop.h"
#include "common/wake.h"

#define LABEL_BYTES 32 /* of a line, to name it in a diagnostic */

struct spoken {
    struct spoken *next;
    struct speech speech; /* its spans point into `bytes` */
    size_t len;
    char bytes[];
};

/* The thread's. */
struct delivery {
    struct speaker *sp;
    struct courier courier;
    struct outbox outbox; /* with --outbox, as `drain` */
    struct drain drain;
    bool durable; /* lines go through the outbox */
};

/* --- the queue
 * --------------------------------------------------------------------------------
 */

enum error_kind speaker_init(struct speaker *sp, struct session *s, speaker_failed *failed,
                             void *context, struct error *e)
{
    *sp = (struct speaker){.s = s, .failed = failed, .context = context};
    sp->end = &sp->first;
    pthread_mutex_init(&sp->lock, NULL);
    return wake_open(&sp->wake, e);
}

void speaker_release(struct speaker *sp)
{
    while (sp->first) {
        struct spoken *next = sp->first->next;
        free(sp->first);
        sp->first = next;
    }
    wake_close(&sp->wake);
    pthread_mutex_destroy(&sp->lock);
}

static struct span store(char **to, struct span text)
{
    struct span stored = {*to, text.len};
    if (text.len)
        memcpy(*to, text.data, text.len);
    *to += text.len;
    return stored;
}

static struct spoken *copy(const struct speech *speech)
{
    size_t len = speech->channel.len + speech->sender.len + speech->content.len + speech->typed.len;
    struct spoken *line = malloc(sizeof(*line) + len);
    if (!line)
        return NULL;
    char *to = line->bytes;
    line->next = NULL;
    line->len = len;
    line->speech = (struct speech){store(&to, speech->channel),
                                   store(&to, speech->sender),
                                   store(&to, speech->content),
                                   store(&to, speech->typed),
                                   speech->turn,
                                   speech->number,
                                   {0}};
    memcpy(line->speech.key, speech->key, sizeof(speech->key));
    return line;
}

bool speaker_add(struct speaker *sp, const struct speech *speech)
{
    struct spoken *line = copy(speech);
    if (!line)
        return false;
    pthread_mutex_lock(&sp->lock);
    bool fits = sp->lines < SPEAKER_LINES_MAX && sp->bytes + line->len <= SPEAKER_BYTES_MAX;
    if (fits) {
        *sp->end = line;
        sp->end = &line->next;
        sp->lines++;
        sp->bytes += line->len;
    }
    pthread_mutex_unlock(&sp->lock);
    if (fits)
        wake_up(&sp->wake);
    else
        free(line);
    return fits;
}

void speaker_allow(struct speaker *sp, unsigned turn)
{
    pthread_mutex_lock(&sp->lock);
    if (turn > sp->allowed)
        sp->allowed = turn;
    pthread_mutex_unlock(&sp->lock);
    wake_up(&sp->wake);
}

void speaker_close(struct speaker *sp)
{
    pthread_mutex_lock(&sp->lock);
    sp->closed = true;
    pthread_mutex_unlock(&sp->lock);
    wake_up(&sp->wake);
}

/* The next line that may go; NULL: there is none now, and *ret_over: there will
 * be none. */
static struct spoken *take(struct speaker *sp, bool *ret_over)
{
    pthread_mutex_lock(&sp->lock);
    struct spoken *line = sp->first;
    *ret_over = !line && sp->closed;
    if (line && line->speech.turn > sp->allowed)
        line = NULL;
    if (line) {
        sp->first = line->next;
        if (!sp->first)
            sp->end = &sp->first;
        sp->lines--;
        sp->bytes -= line->len;
    }
    pthread_mutex_unlock(&sp->lock);
    return line;
}

/* --- the thread
 * -------------------------------------------------------------------------------
 */

/* What diagnostics call a line: how it begins, in quotes. */
static void name_line(struct span content, char *label, size_t size)
{
    size_t n = content.len;
    if (n > LABEL_BYTES) {
        n = LABEL_BYTES;
        while (n > 0 && ((unsigned char)content.data[n] & 0xC0) == 0x80)
            n--;
    }
    snprintf(label, size, "\"%.*s%s\"", (int)n, content.data, n < content.len ? "..." : "");
}

static void send_line(struct delivery *d, const struct speech *line)
{
    struct error e;
    char label[LABEL_BYTES + 16], key[KEY_LEN + 1];
    name_line(line->content, label, sizeof(label));
    struct parcel p;
    enum error_kind kind = parcel_begin(&p, label, line->channel, key, &e);
    p.sender = line->sender;
    p.content = line->content;
    if (!kind)
        kind = courier_take(&d->courier, &p, &e);
    if (kind && parcel_is_unknown(&p, kind))
        kind = error_rekind(&e, ERROR_UNKNOWN);
    if (kind)
        d->sp->failed(d->sp->context, line, &e);
}

static void wait_for_lines(struct delivery *d)
{
    struct pollfd fds[] = {{.fd = stop_fd(), .events = POLLIN},
                           {.fd = wake_fd(&d->sp->wake), .events = POLLIN}};
    int64_t again_at = d->durable ? drain_again_at(&d->drain) : CLOCK_NEVER;
    if (poll(fds, 2, clock_left_ms(again_at)) == 0)
        drain_run(&d->drain);
    wake_clear(&d->sp->wake);
}

static bool begin(struct delivery *d, struct speaker *sp)
{
    struct error e;
    const struct options *o = sp->s->options;
    *d = (struct delivery){.sp = sp, .outbox = {.lock_fd = -1}};
    courier_init(&d->courier, sp->s, &sp->tally);
    if (!o->outbox)
        return true;
    if (outbox_open(&d->outbox, o->outbox, &e) ||
        drain_init(&d->drain, &d->courier, &d->outbox, &e)) {
        log_error("%s", e.text);
        tally_add(&sp->tally, ERROR_LOCAL);
        return false;
    }
    d->durable = true;
    return true;
}

/* What is left in the queue waits in the outbox, too. */
static void note_rest(struct delivery *d)
{
    pthread_mutex_lock(&d->sp->lock);
    for (const struct spoken *line = d->sp->first; line; line = line->next)
        drain_note(&d->drain, line->speech.number, line->speech.key);
    d->sp->lines = 0;
    pthread_mutex_unlock(&d->sp->lock);
}

static void finish(struct delivery *d, bool good)
{
    struct session *s = d->sp->s;
    if (d->durable) {
        note_rest(d);
        drain_finish(&d->drain, false);
    }
    if (s->options->outbox) {
        drain_release(&d->drain);
        outbox_close(&d->outbox);
    }
    courier_release(&d->courier);
    atomic_store(&s->failed, !good);
    atomic_store(&s->sending_done, true);
    if (s->poll_http)
        http_wake(s->poll_http);
}

static void *speaker_main(void *context)
{
    struct speaker *sp = context;
    struct delivery d;
    stop_block_here();
    bool good = begin(&d, sp), over = !good;
    while (!over && !stop_signal()) {
        struct spoken *line = take(sp, &over);
        if (line && d.durable) {
            drain_note(&d.drain, line->speech.number, line->speech.key);
            drain_run(&d.drain);
        } else if (line)
            send_line(&d, &line->speech);
        else if (!over)
            wait_for_lines(&d);
        free(line);
    }
    finish(&d, good);
    return NULL;
}

enum error_kind speaker_start(struct speaker *sp, struct error *e)
{
    if (sp->running)
        return ERROR_NONE;
    int failure = pthread_create(&sp->thread, NULL, speaker_main, sp);
    sp->running = failure == 0;
    return failure ? error_set(e, ERROR_LOCAL, "cannot start a thread: %s", strerror(failure))
                   : ERROR_NONE;
}

void speaker_join(struct speaker *sp, struct tally *tally)
{
    if (sp->running)
        pthread_join(sp->thread, NULL);
    sp->running = false;
    sp->tally.lines_unsent += (int64_t)sp->lines;
    tally_merge(tally, &sp->tally);
}
