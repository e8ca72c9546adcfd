/* SPDX-License-Identifier: MIT */
#include "client/receive.h"

#include <inttypes.h>

#include "client/backoff.h"
#include "client/channel.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/stop.h"

#define FLUSH_BYTES 65536u                  /* written out in the middle of a read, too */
#define LINES_MAX   (4u * SCAN_ELEMENT_MAX) /* escapes make a line longer than its element */
#define SAVE_MS     1000                    /* the cursor is saved so often while messages stream */
#define CONFIRM_MS  1000                    /* at most, before a reset is asked for once more */

struct receiver {
    struct session *s;
    struct tally *tally;
    struct channel channel;
    struct backoff backoff;
    struct buf lines; /* formatted, not yet written */
    struct buf marks; /* struct line_mark: with a cursor file, one for each of the lines */
    int64_t printed;  /* messages, for --count */
    int64_t idle_at;  /* when --idle runs out */
    int64_t past;     /* how many messages to start with, until `started` */
    bool started;     /* the start position is known */
    bool placed;      /* the server has answered, so there is a position */
    bool unsaved;     /* and it has moved since it was saved */
    bool cut;         /* not all lines were written; up to `whole` they were */
    bool has_whole;   /* `whole` is a position */
    struct message_mark whole;
    int64_t save_at;  /* not saved again before */
    bool save_failed; /* and that was said */
    bool suspect;     /* the last fetch saw a reset; the next one confirms it */
    bool hurried;     /* the last fetch was followed by the next one without a pause */
    bool begun;       /* on_started was called */
    void (*on_started)(void *context);
    void *context;
    bool last;           /* nothing was being sent when this fetch began */
    bool held;           /* this fetch asks the server to hold the reply */
    bool waits_for_post; /* a message may be ours: the POST in flight will tell */
    bool over;           /* the run ends here */
};

/* Where a line ends in `lines`, and whose it is. */
struct line_mark {
    size_t end;
    struct message_mark mark;
};

/* The first `written` bytes of the lines got out: up to where was it printed? */
static void cut_after(struct receiver *r, size_t written)
{
    const struct line_mark *lines = (const struct line_mark *)(void *)r->marks.data;
    size_t count = r->marks.len / sizeof(*lines);
    r->cut = true;
    for (size_t i = 0; i < count && lines[i].end <= written; i++) {
        r->whole = lines[i].mark;
        r->has_whole = true;
    }
}

/* What is saved must be on disk itself, if that is where it went: a cursor that a crash of the
 * machine leaves ahead of the output would skip messages. */
static enum error_kind save_now(struct receiver *r, struct error *e)
{
    enum error_kind kind = output_sync(r->s->output, e);
    return kind ? kind
                : cursor_save(r->s->cursor, r->cut ? r->whole : channel_mark(&r->channel), e);
}

/* Saves how far was printed. A failure is said once and the run goes on: the file holds what it
 * held, and a later save may succeed. */
static void save(struct receiver *r)
{
    struct error e;
    if (!r->s->cursor || !r->placed || !r->unsaved || (r->cut && !r->has_whole))
        return;
    bool failed = save_now(r, &e) != ERROR_NONE;
    if (failed && !r->save_failed)
        log_error("%s", e.text);
    if (!failed && r->save_failed)
        log_warn("the cursor is saved again");
    r->save_failed = failed;
    r->unsaved = failed;
    r->save_at = clock_deadline(SAVE_MS);
}

static void save_if_due(struct receiver *r)
{
    if (r->unsaved && clock_left_ms(r->save_at) == 0)
        save(r);
}

/* When this loop wants to be woken at the latest. */
static int64_t wake_at(void *context)
{
    const struct receiver *r = context;
    bool saves = r->s->cursor && r->placed && r->unsaved;
    return saves ? clock_sooner(r->save_at, r->idle_at) : r->idle_at;
}

static bool write_lines(struct receiver *r)
{
    if (r->lines.len == 0)
        return true;
    struct error e;
    size_t written = 0;
    enum output_result result = output_write(r->s->output, &r->lines, &written, &e);
    if (result != OUTPUT_OK)
        cut_after(r, written);
    buf_clear(&r->marks);
    buf_shrink(&r->lines, 4 * FLUSH_BYTES);
    if (r->idle_at != CLOCK_NEVER)
        r->idle_at = clock_deadline(r->s->options->idle_ms);
    if (result == OUTPUT_FAILED) {
        log_error("%s", e.text);
        tally_add(r->tally, ERROR_LOCAL);
    }
    if (result != OUTPUT_OK)
        r->over = true;
    return result == OUTPUT_OK;
}

static bool enough(const struct receiver *r)
{
    return r->s->options->count != OPTIONS_UNSET && r->printed >= r->s->options->count;
}

/* From here on what is sent is printed: its id will be above all that this reply holds. Called
 * before the first write, since a slow reader of stdout must not hold up the sender. */
static void begin(struct receiver *r)
{
    if (!r->begun && r->on_started)
        r->on_started(r->context);
    r->begun = true;
}

static int add_line(struct receiver *r, const struct message *m)
{
    const struct view *view = r->s->view;
    if (view)
        return view->add_message(view->context, m, &r->lines);
    return r->s->options->text ? message_add_text(m, &r->lines) : message_add_json(m, &r->lines);
}

static bool format(struct receiver *r, const struct message *m)
{
    if (r->s->cursor && r->lines.len == 0) { /* all before it is written, or needs not be */
        r->whole = channel_mark(&r->channel);
        r->has_whole = r->started || r->whole.id > 0;
    }
    if (add_line(r, m))
        return false;
    if (!r->s->cursor)
        return true;
    struct line_mark mark = {r->lines.len, message_mark_of(m)};
    return buf_add(&r->marks, &mark, sizeof(mark)) == 0;
}

static bool on_message(void *context, const struct message *m)
{
    struct receiver *r = context;
    begin(r);
    r->placed = r->unsaved = true;
    if (r->over || enough(r) || stop_signal()) /* one look at the network can bring megabytes */
        return false;
    if (r->s->options->no_echo) {
        enum echo_answer whose = echo_ask(&r->s->echo, m);
        r->waits_for_post = whose == ECHO_WAIT;
        if (whose != ECHO_OTHER)
            return whose == ECHO_OWN;
    }
    if (!format(r, m)) {
        log_error("no memory for message %" PRId64, m->id);
        tally_add(r->tally, ERROR_LOCAL);
        r->over = true;
        return false;
    }
    r->printed++;
    if (r->lines.len < FLUSH_BYTES)
        return true;
    bool good = write_lines(r);
    if (good)
        save_if_due(r); /* up to the message before: this one is not taken yet */
    return good;
}

static bool on_flush(void *context)
{
    struct receiver *r = context;
    if (!write_lines(r) || enough(r))
        return false;
    save_if_due(r);
    return true;
}

/* Sending is over, as far as this loop must know. */
static bool nothing_more_to_send(const struct receiver *r)
{
    struct session *s = r->s;
    return atomic_load(&s->failed) ||
           (!s->options->follow && (!s->input || atomic_load(&s->sending_done)));
}

static bool must_end(const struct receiver *r)
{
    return output_is_gone(r->s->output) || atomic_load(&r->s->leave);
}

static bool interrupt(void *context)
{
    struct receiver *r = context;
    if (must_end(r))
        r->over = true;
    save_if_due(r);
    if (clock_left_ms(r->idle_at) == 0)
        return true;
    /* A held reply must not keep a run that has only one look left to take. */
    return r->over || (r->held && !r->last && nothing_more_to_send(r));
}

static enum error_kind fetch(struct receiver *r, struct channel_fetched *ret, struct error *e)
{
    struct channel_sink sink = {
        .on_message = on_message,
        .on_flush = on_flush,
        .interrupt = interrupt,
        .wake_at = wake_at,
        .watch_fd = r->s->output->fd,
        .context = r,
    };
    r->waits_for_post = false;
    r->last = nothing_more_to_send(r);
    r->held = r->started && r->channel.can_wait && !r->last;
    if (r->started || r->channel.cursor > 0)
        return channel_fetch(&r->channel, r->held ? CHANNEL_WAIT_MAX_S : 0, &sink, ret, e);
    return channel_fetch_past(&r->channel, r->past, &sink, ret, e);
}

/* Waits, but not longer than for what would move the loop on. */
static void pause_until(struct receiver *r, int64_t deadline, unsigned posts_seen, bool failing)
{
    struct session *s = r->s;
    bool last = r->last;
    deadline = clock_sooner(deadline, r->idle_at);
    atomic_store(&s->pausing, true);
    while (!stop_signal() && clock_left_ms(deadline) != 0 &&
           (failing ? !atomic_load(&s->failed) && !(s->view && nothing_more_to_send(r))
                    : atomic_load(&s->posts) == posts_seen && last == nothing_more_to_send(r))) {
        if (must_end(r)) {
            r->over = true;
            break;
        }
        save_if_due(r);
        http_wait(s->poll_http, clock_sooner(wake_at(r), deadline), s->output->fd);
    }
    atomic_store(&s->pausing, false);
}

/* The server's history is another one than before. One reply is no proof: it may come from a copy
 * of the database that lags behind, or from a cache. */
static void handle_reset(struct receiver *r, unsigned posts_seen, const struct error *e)
{
    int64_t pause_ms = r->s->options->interval_ms;
    if (!r->suspect) {
        r->suspect = true;
        pause_ms = pause_ms < CONFIRM_MS ? pause_ms : CONFIRM_MS;
        log_info("%s; asking once more in %.1f s", e->text, (double)pause_ms / 1000);
        pause_until(r, clock_deadline(pause_ms), posts_seen, true);
        return;
    }
    r->suspect = false;
    switch (r->s->options->on_reset) {
    case ON_RESET_FAIL:
        log_error("%s; --on-reset says how to go on", e->text);
        tally_add(r->tally, ERROR_RESET);
        r->over = true;
        return;
    case ON_RESET_RESTART:
        log_warn("%s; starting with its first message", e->text);
        break;
    case ON_RESET_SKIP:
        log_warn("%s; going on with what comes now", e->text);
        r->started = r->placed = false; /* the old position stays saved until there is a new one */
        r->past = 0;
        break;
    }
    channel_restart(&r->channel);
    r->unsaved = true;
}

static void handle_failure(struct receiver *r, enum error_kind kind,
                           const struct channel_fetched *fetched, unsigned posts_seen,
                           const struct error *e)
{
    int64_t pause_ms;
    bool retry = kind == ERROR_UNREACHABLE || kind == ERROR_BAD_DATA;
    /* One last look was owed, not a wait for it. */
    if (retry && (atomic_load(&r->s->failed) || (r->s->view && nothing_more_to_send(r)))) {
        log_warn("%s", e->text);
        r->over = true;
        return;
    }
    if (fetched->handed_over)
        backoff_reset(&r->backoff); /* cut, but further than before */
    if (retry && backoff_next(&r->backoff, fetched->retry_after_ms, &pause_ms)) {
        if (r->backoff.failures == 1 && !fetched->handed_over)
            log_warn("%s; trying again", e->text);
        else
            log_info("%s", e->text);
        log_info("next try in %.1f s", (double)pause_ms / 1000);
        pause_until(r, clock_deadline(pause_ms), posts_seen, true);
        return;
    }
    if (retry)
        log_error("%s; giving up", e->text);
    else
        log_error("%s", e->text);
    tally_add(r->tally, kind);
    r->over = true;
}

static void handle_success(struct receiver *r, const struct channel_fetched *fetched,
                           int64_t began_ms, unsigned posts_seen)
{
    if (r->backoff.failures) /* a person who was told of the failure wants to know */
        (r->s->view ? log_warn : log_info)("the server answers again");
    backoff_reset(&r->backoff);
    if (fetched->more)
        return;
    if (r->last) {
        r->over = true;
        return;
    }
    /* A held reply needs no pause, but one that was not held does, or the loop would spin. A
     * check is followed by a held one at once; by another check only after a pause. */
    bool was_held = r->held && !fetched->checked &&
                    (fetched->handed_over || clock_now_ms() - began_ms >= CHANNEL_EARLY_MS);
    bool will_be_held = r->channel.can_wait && !r->hurried && (!r->held || fetched->checked);
    r->hurried = !was_held && will_be_held;
    if (was_held || will_be_held)
        return;
    log_info("waiting %.1f s before the next look", (double)r->s->options->interval_ms / 1000);
    pause_until(r, clock_deadline(r->s->options->interval_ms), posts_seen, false);
}

static void check_idle(struct receiver *r)
{
    if (!r->over && r->idle_at != CLOCK_NEVER && clock_left_ms(r->idle_at) == 0) {
        r->tally->idle = true;
        r->over = true;
    }
}

static void step(struct receiver *r)
{
    struct channel_fetched fetched = {.retry_after_ms = -1};
    struct error e;
    unsigned posts_seen = atomic_load(&r->s->posts);
    int64_t began_ms = clock_now_ms();
    enum error_kind kind = fetch(r, &fetched, &e);
    if (fetched.handed_over && r->idle_at != CLOCK_NEVER)
        r->idle_at = clock_deadline(r->s->options->idle_ms);
    if (!write_lines(r) || enough(r) || stop_signal())
        r->over = true;
    if (r->over)
        return;
    if (kind == ERROR_NONE) {
        r->suspect = false;
        r->unsaved |= !r->placed;
        r->started = r->placed = true;
        begin(r);
    }
    if (kind == ERROR_RESET)
        handle_reset(r, posts_seen, &e);
    else if (kind == ERROR_NONE)
        handle_success(r, &fetched, began_ms, posts_seen);
    else if (kind == ERROR_STOPPED && r->waits_for_post)
        pause_until(r, clock_deadline(CHANNEL_SILENCE_MS + CHANNEL_GRACE_MS), posts_seen, false);
    else if (kind != ERROR_STOPPED)
        handle_failure(r, kind, &fetched, posts_seen, &e);
    check_idle(r);
}

/* Where the run left the channel, else an existing cursor file, else -a, else -n. */
static void choose_start(struct receiver *r)
{
    const struct options *o = r->s->options;
    const struct cursor *c = r->s->cursor;
    r->past = o->lines;
    r->printed = r->s->place.printed;
    r->started = true;
    if (r->s->place.known)
        channel_expect(&r->channel, r->s->place.mark);
    else if (c && c->found)
        channel_expect(&r->channel, c->saved);
    else if (o->after != OPTIONS_UNSET)
        channel_expect(&r->channel, (struct message_mark){.id = o->after});
    else
        r->started = o->lines == OPTIONS_ALL;
}

static void keep_place(struct receiver *r)
{
    struct place *place = &r->s->place;
    place->known = place->known || (r->placed && (r->started || r->channel.cursor > 0));
    if (place->known)
        place->mark = channel_mark(&r->channel);
    place->printed = r->printed;
}

void receive_run(struct session *s, void (*on_started)(void *context), void *context,
                 struct tally *tally)
{
    const struct options *o = s->options;
    struct receiver r = {.s = s,
                         .tally = tally,
                         .idle_at = CLOCK_NEVER,
                         .on_started = on_started,
                         .context = context};
    channel_init(&r.channel, s->poll_http, s->channel);
    r.channel.watches = true;
    backoff_init(&r.backoff, o->retry_for_ms);
    buf_init(&r.lines, LINES_MAX);
    buf_init(&r.marks, LINES_MAX);
    if (o->idle_ms != OPTIONS_UNSET)
        r.idle_at = clock_deadline(o->idle_ms);
    choose_start(&r);
    if (r.started)
        begin(&r);
    while (!r.over && !stop_signal() && !atomic_load(&s->leave))
        step(&r);
    save(&r);
    keep_place(&r);
    if (r.save_failed)
        tally_add(tally, ERROR_LOCAL);
    buf_release(&r.marks);
    buf_release(&r.lines);
    channel_release(&r.channel);
}
