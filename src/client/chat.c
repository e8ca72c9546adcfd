/* SPDX-License-Identifier: MIT */
#include "client/chat.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/commands.h"
#include "client/drain.h"
#include "client/line.h"
#include "client/outbox.h"
#include "client/receive.h"
#include "client/speaker.h"
#include "client/terminal.h"
#include "client/visits.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/stop.h"

/* How long a conversation that is over goes on trying to send what was typed. */
#define END_MS 60000

/* Who presses Return sooner than this has not read what was just said. */
#define READING_MS 500

#define HANG_UP_MS 1000

struct chat {
    struct session *s;
    struct terminal terminal;
    struct speaker speaker;
    struct view view;
    struct look look; /* the poll loop's, as what follows */
    struct cursor *cursor;
    struct visits visits;
    unsigned shown_turn; /* of the channel that is shown */
    bool begun;          /* and the server has answered about it */
    /* The typing thread's: */
    struct buf typed, sender;
    struct line line;
    struct outbox outbox; /* lines go in here first, with --outbox */
    bool sender_changed;
    struct buf here;    /* the channel that the prompt names, and what is typed is for */
    unsigned here_turn; /* and its turn: another one than `turn` when the poll loop went back */
    bool unsure;        /* what is typed was perhaps meant for the channel before */
    int64_t told_ms;    /* when that was said; 0: not yet */
    pthread_t typing;
    bool typing_runs;
    atomic_bool over; /* [a] by /quit */
    pthread_mutex_t lock;
    /* Under the lock, a leaf: */
    struct buf channel; /* that is to be shown */
    unsigned turn;      /* how often it was changed */
};

static struct span span_of_buf(const struct buf *b)
{
    return (struct span){b->data ? b->data : "", b->len};
}

/* --- what is shown ---------------------------------------------------------------------------- */

static int add_message(void *context, const struct message *m, struct buf *b)
{
    struct chat *c = context;
    c->look.columns = terminal_columns(&c->terminal);
    if (look_is_plain_name(m->sender))
        terminal_saw_sender(&c->terminal, m->sender);
    return look_add_message(&c->look, m, b);
}

static void say(struct chat *c, const char *format, struct span argument)
{
    struct buf notice;
    buf_init(&notice, SIZE_MAX / 8);
    const char *at = strstr(format, "%s");
    size_t before = at ? (size_t)(at - format) : strlen(format);
    if (buf_add(&notice, format, before) == 0 &&
        (!at ||
         (buf_add(&notice, argument.data, argument.len) == 0 && buf_add_str(&notice, at + 2) == 0)))
        terminal_say(&c->terminal, span_of_buf(&notice));
    buf_release(&notice);
}

static void show_help(struct chat *c)
{
    struct buf help;
    buf_init(&help, 4096);
    if (command_add_help(c->s->options->screen, &help) == 0) {
        for (char *line = help.data, *end; (end = strchr(line, '\n')) != NULL; line = end + 1)
            terminal_say(&c->terminal, (struct span){line, (size_t)(end - line)});
    }
    buf_release(&help);
}

static void greet(struct chat *c)
{
    if (c->s->options->quiet)
        return;
    say(c, "Hello, %s!", c->s->sender);
    say(c, "This is %s. /help shows what else can be typed here.", c->s->channel);
}

/* --- what is typed ---------------------------------------------------------------------------- */

static void failed(void *context, const struct speech *line, const struct error *e)
{
    struct chat *c = context;
    struct tally *tally = &c->speaker.tally;
    if (terminal_give_back(&c->terminal, line->channel, line->typed, e->kind == ERROR_UNKNOWN,
                           e->text) &&
        !stop_signal())
        return; /* whoever typed it knows, and can do something about it */
    tally->lines_unknown += e->kind == ERROR_UNKNOWN;
    tally->lines_refused += e->kind == ERROR_REFUSED;
    tally->lines_unsent += e->kind != ERROR_UNKNOWN && e->kind != ERROR_REFUSED;
    tally_add(tally, e->kind);
}

/* Into the outbox, if there is one. */
static enum error_kind keep_safe(struct chat *c, struct speech *speech, struct error *e)
{
    if (!c->s->options->outbox)
        return ERROR_NONE;
    return outbox_add(&c->outbox, options_server(c->s->options), speech->channel, speech->sender,
                      speech->content, speech->key, &speech->number, e);
}

static enum error_kind queue_line(struct chat *c, struct span typed, struct error *e)
{
    const struct options *o = c->s->options;
    struct speech speech = {.channel = span_of_buf(&c->here),
                            .sender = c->s->sender,
                            .content = c->line.content,
                            .typed = typed,
                            .turn = c->here_turn};
    if (c->sender_changed)
        speech.sender = span_of_buf(&c->sender);
    else if (o->json && text_trim(c->line.sender).len && !o->sender_named)
        speech.sender = c->line.sender;
    enum error_kind kind = keep_safe(c, &speech, e);
    if (!kind && !speaker_add(&c->speaker, &speech))
        kind = error_set(e, ERROR_LOCAL, "too many lines wait to be sent");
    return kind;
}

static void give_back(struct chat *c, struct span typed, const char *why)
{
    terminal_give_back(&c->terminal, span_of_buf(&c->here), typed, false, why);
}

/* After the channel was left that a line may have been begun for, Return is not enough: it is said
 * first where the line would go now, and then there is time to read that. */
static bool must_ask(struct chat *c, struct span typed)
{
    if (!c->unsure)
        return false;
    int64_t now_ms = clock_now_ms();
    if (c->told_ms && now_ms - c->told_ms >= READING_MS) {
        c->unsure = false;
        return false;
    }
    bool screen = c->s->options->screen;
    struct buf why;
    buf_init(&why, SIZE_MAX / 8);
    if (buf_addf(&why, "this is %.*s now; %s", (int)c->here.len, c->here.data,
                 screen ? "Return sends it here" : "what is typed again is sent here") == 0)
        give_back(c, typed, why.data);
    buf_release(&why);
    c->told_ms = now_ms;
    return true;
}

static void send_text(struct chat *c, struct span typed, struct span text)
{
    struct error e;
    enum error_kind kind = ERROR_NONE;
    if (text_trim(text).len == 0) {
        say(c, "Nothing sent!", text);
        return;
    }
    if (must_ask(c, typed))
        return;
    if (text.len > MESSAGE_CONTENT_MAX)
        kind = error_set(&e, ERROR_REFUSED, "it is longer than 1 MiB");
    else if (c->s->options->json)
        kind = line_parse_json(&c->line, text, false,
                               !c->s->options->sender_named && !c->sender_changed, &e);
    else
        kind = line_parse_plain(&c->line, text, &e);
    if (!kind && text_trim(c->line.content).len == 0)
        kind = error_set(&e, ERROR_REFUSED, "the content is empty");
    if (!kind)
        kind = queue_line(c, typed, &e);
    if (kind)
        give_back(c, typed, e.text);
}

static bool is_name(struct chat *c, struct span name)
{
    if (name.len > 0 && name.len <= MESSAGE_NAME_MAX)
        return true;
    if (name.len)
        say(c, "A name has 64 KiB at most.", name);
    return false;
}

/* What is typed from now on is for `name`. */
static void go_to(struct chat *c, struct span name, unsigned turn)
{
    buf_clear(&c->here);
    buf_add(&c->here, name.data, name.len);
    c->here_turn = turn;
    c->unsure = terminal_go_to(&c->terminal, name) && turn > 0; /* the first has none before it */
    c->told_ms = 0;
}

static void change_channel(struct chat *c, struct span name)
{
    bool good = is_name(c, name);
    if (name.len == 0)
        say(c, "A channel's name is missing.", name);
    pthread_mutex_lock(&c->lock);
    bool same = span_equal(name, span_of_buf(&c->channel)) && c->here_turn == c->turn;
    if (good && !same) {
        buf_clear(&c->channel);
        buf_add(&c->channel, name.data, name.len);
        c->turn++;
    }
    unsigned turn = c->turn;
    pthread_mutex_unlock(&c->lock);
    if (!good || same)
        return;
    terminal_saw_channel(&c->terminal, name);
    go_to(c, name, turn);
    atomic_store(&c->s->leave, true);
    http_wake(c->s->poll_http);
}

/* The poll loop may have gone back to another channel. */
static void follow(struct chat *c)
{
    struct buf channel;
    buf_init(&channel, MESSAGE_NAME_MAX);
    pthread_mutex_lock(&c->lock);
    unsigned turn = c->turn;
    buf_add(&channel, c->channel.data, c->channel.len);
    pthread_mutex_unlock(&c->lock);
    if (turn != c->here_turn) {
        go_to(c, span_of_buf(&channel), turn);
        c->unsure |= !c->s->options->screen; /* nobody knows what is half typed there */
    }
    buf_release(&channel);
}

static void change_name(struct chat *c, struct span name)
{
    if (is_name(c, name)) {
        buf_clear(&c->sender);
        buf_add(&c->sender, name.data, name.len);
        c->sender_changed = true;
    }
    say(c, "You are %s.", c->sender_changed ? span_of_buf(&c->sender) : c->s->sender);
}

/* What stands in one line. */
static void obey(struct chat *c, struct span typed)
{
    struct span argument;
    switch (command_parse(typed, &argument)) {
    case COMMAND_TEXT:
        send_text(c, typed, argument);
        break;
    case COMMAND_CHANNEL:
        change_channel(c, argument);
        break;
    case COMMAND_NAME:
        change_name(c, argument);
        break;
    case COMMAND_HELP:
        show_help(c);
        break;
    case COMMAND_QUIT:
        c->over = true;
        break;
    case COMMAND_UNKNOWN:
        give_back(c, typed, "there is no such command; // sends a line that begins with a slash");
        break;
    }
}

/* One of several lines that were pasted, which is no command whatever it begins with. If it comes
 * back it stands alone, and must not become one. */
static void obey_pasted(struct chat *c, struct span line)
{
    struct buf typed;
    buf_init(&typed, SIZE_MAX / 8);
    if ((line.len && *line.data == '/' && buf_add_char(&typed, '/')) ||
        buf_add(&typed, line.data, line.len))
        give_back(c, line, "no memory");
    else if (text_trim(line).len)
        send_text(c, span_of_buf(&typed), line);
    buf_release(&typed);
}

static void take_typed(struct chat *c, struct span typed)
{
    const char *newline = c->s->options->null ? NULL : memchr(typed.data, '\n', typed.len);
    bool whole = !newline;
    if (!c->s->options->screen)
        follow(c);
    if (text_trim(typed).len)
        terminal_remember(&c->terminal, typed);
    if (whole)
        obey(c, typed);
    for (; newline; newline = memchr(typed.data, '\n', typed.len)) {
        struct span first = {typed.data, (size_t)(newline - typed.data)};
        obey_pasted(c, first);
        typed = (struct span){newline + 1, typed.len - first.len - 1};
    }
    if (!whole)
        obey_pasted(c, typed);
}

/* The next thing that is typed. */
static enum terminal_result take_next(struct chat *c, struct error *e)
{
    enum terminal_result r = terminal_read(&c->terminal, &c->typed, e);
    if (r == TERMINAL_MOVED) {
        follow(c);
        return r;
    }
    struct buf clean;
    buf_init(&clean, SIZE_MAX / 8);
    if (r == TERMINAL_LINE) {
        if (text_add_sanitized(&clean, span_of_buf(&c->typed), true, NULL))
            give_back(c, span_of_buf(&c->typed), "no memory");
        else
            take_typed(c, span_of_buf(&clean));
    }
    buf_release(&clean);
    return r;
}

static void *typing_main(void *context)
{
    struct chat *c = context;
    struct error e;
    enum terminal_result r = TERMINAL_LINE;
    stop_block_here();
    while (!c->over && (r == TERMINAL_LINE || r == TERMINAL_MOVED))
        r = take_next(c, &e);
    if (r == TERMINAL_FAILED)
        log_error("%s", e.text);
    terminal_leave(&c->terminal);
    if (c->s->options->retry_for_ms == INT64_MAX)
        atomic_store(&c->s->give_up_at, clock_deadline(END_MS));
    if (speaker_start(&c->speaker, &e)) {
        log_error("%s", e.text);
        atomic_store(&c->s->failed, true);
    }
    http_wake(c->s->post_http);
    speaker_close(&c->speaker);
    if (c->over && c->s->options->follow) { /* /quit is the end, also with -f */
        atomic_store(&c->s->leave, true);
        http_wake(c->s->poll_http);
    }
    return NULL;
}

/* --- one channel after the other -------------------------------------------------------------- */

static void on_started(void *context)
{
    struct chat *c = context;
    struct error e;
    c->begun = true;
    if (speaker_start(&c->speaker, &e)) {
        log_error("%s", e.text);
        atomic_store(&c->s->failed, true);
    }
    speaker_allow(&c->speaker, c->shown_turn);
}

/* Copies the channel that is wanted now. */
static unsigned wanted(struct chat *c, struct buf *ret)
{
    pthread_mutex_lock(&c->lock);
    buf_clear(ret);
    buf_add(ret, c->channel.data, c->channel.len);
    unsigned turn = c->turn;
    atomic_store(&c->s->leave, false);
    pthread_mutex_unlock(&c->lock);
    if (c->over && c->s->options->follow) /* by /quit, which must not be forgotten */
        atomic_store(&c->s->leave, true);
    return turn;
}

static void show_channel(struct chat *c, struct visit *v, struct tally *tally)
{
    struct session *s = c->s;
    s->channel = span_of_buf(&v->name);
    s->cursor = v->has_cursor ? c->cursor : NULL;
    int64_t printed = s->place.printed;
    s->place = v->place;
    s->place.printed = printed;
    c->begun = false;
    receive_run(s, on_started, c, tally);
    v->place = s->place;
}

/* The server refused the channel that is shown: back to the one before, unless another one was
 * asked for meanwhile. */
static void go_back(struct chat *c, const struct visit *to)
{
    pthread_mutex_lock(&c->lock);
    bool back = c->turn == c->shown_turn;
    if (back) {
        buf_clear(&c->channel);
        buf_add(&c->channel, to->name.data, to->name.len);
        c->turn++;
    }
    pthread_mutex_unlock(&c->lock);
    if (back)
        terminal_wake(&c->terminal);
}

/* Shows the channel that is wanted, until there is another one. False: it is over. `*before`: the
 * one that was shown last; a refused one was not. */
static bool show_wanted(struct chat *c, struct buf *name, struct visit **before,
                        struct tally *tally)
{
    struct tally part = {0};
    unsigned last_turn = c->shown_turn;
    c->shown_turn = wanted(c, name);
    struct visit *now = visits_find(&c->visits, span_of_buf(name), *before);
    if (!*before)
        now->has_cursor = c->cursor != NULL;
    else if (c->shown_turn != last_turn)
        say(c, "-- %s --", span_of_buf(name));
    show_channel(c, now, &part);
    bool again = atomic_load(&c->s->leave) && !c->over;
    if (part.refused && *before && now != *before && !c->begun) {
        if (!again)
            go_back(c, *before);
        part.refused = false;
        again = true;
    } else
        *before = now;
    tally_merge(tally, &part);
    return again && !c->over;
}

static void converse(struct chat *c, struct tally *tally)
{
    struct buf name;
    buf_init(&name, MESSAGE_NAME_MAX);
    struct visit *before = NULL;
    while (!stop_signal() && show_wanted(c, &name, &before, tally))
        ;
    buf_release(&name);
}

/* --- begin and end ---------------------------------------------------------------------------- */

/* Asks until there is an answer. False: no answer will come. */
static bool ask(struct chat *c, const char *question, struct buf *answer, struct span *ret,
                struct tally *tally)
{
    struct error e;
    struct span typed;
    do {
        enum terminal_result r = terminal_ask(&c->terminal, question, &c->typed, &e);
        if (r == TERMINAL_FAILED) {
            log_error("%s", e.text);
            tally_add(tally, ERROR_LOCAL);
        }
        if (r != TERMINAL_LINE)
            return false;
        buf_clear(answer);
        if (text_add_sanitized(answer, span_of_buf(&c->typed), true, NULL))
            buf_clear(answer);
        typed = text_trim(span_of_buf(answer));
    } while (!is_name(c, typed));
    *ret = typed;
    return true;
}

static bool start(struct chat *c, struct tally *tally)
{
    struct session *s = c->s;
    struct error e;
    enum error_kind kind = terminal_open(&c->terminal, s->output, s->input, s->options->screen, &e);
    if (!kind)
        kind = speaker_init(&c->speaker, s, failed, c, &e);
    if (!kind && s->options->outbox)
        kind = outbox_open(&c->outbox, s->options->outbox, &e);
    if (kind) {
        log_error("%s", e.text);
        tally_add(tally, kind);
    }
    return kind == ERROR_NONE;
}

static bool start_typing(struct chat *c, struct tally *tally)
{
    struct session *s = c->s;
    buf_add(&c->channel, s->channel.data, s->channel.len);
    terminal_saw_channel(&c->terminal, s->channel);
    greet(c);
    go_to(c, s->channel, 0);
    int failure = pthread_create(&c->typing, NULL, typing_main, c);
    c->typing_runs = failure == 0;
    if (failure) {
        log_error("cannot start a thread: %s", strerror(failure));
        tally_add(tally, ERROR_LOCAL);
    }
    return !failure;
}

/* A terminal that went away shows as an end before its SIGHUP comes, and the run is to end by that
 * unless it is ignored. */
static void wait_for_hang_up(const struct chat *c)
{
    struct pollfd stop = {.fd = stop_fd(), .events = POLLIN};
    if (output_is_gone(c->s->output))
        poll(&stop, 1, HANG_UP_MS);
}

static void finish(struct chat *c, struct tally *tally)
{
    wait_for_hang_up(c);
    if (c->typing_runs) {
        input_stop(c->s->input);
        if (stop_signal())
            terminal_unblock(&c->terminal);
        pthread_join(c->typing, NULL);
        speaker_allow(&c->speaker, UINT32_MAX);
        speaker_join(&c->speaker, tally);
    }
    terminal_close(&c->terminal);
    speaker_release(&c->speaker);
    if (c->s->options->outbox)
        outbox_close(&c->outbox);
    visits_release(&c->visits);
    c->s->cursor = c->cursor; /* to be closed */
    c->s->view = NULL;
    c->s->channel = (struct span){"", 0};
    look_release(&c->look);
    line_release(&c->line);
    buf_release(&c->typed);
    buf_release(&c->sender);
    buf_release(&c->here);
    buf_release(&c->channel);
    pthread_mutex_destroy(&c->lock);
}

void chat_run(struct session *s, struct tally *tally)
{
    struct chat *c = calloc(1, sizeof(*c)); /* large for a stack */
    if (!c) {
        log_error("no memory for a conversation");
        tally_add(tally, ERROR_LOCAL);
        return;
    }
    struct buf channel, sender; /* answers */
    c->s = s;
    s->echo.keeps = true; /* back in a channel, what was sent there is looked at again */
    c->cursor = s->cursor;
    c->view = (struct view){add_message, c};
    c->outbox.lock_fd = -1;
    s->view = &c->view;
    pthread_mutex_init(&c->lock, NULL);
    buf_init(&c->channel, MESSAGE_NAME_MAX);
    buf_init(&c->sender, MESSAGE_NAME_MAX);
    buf_init(&c->here, MESSAGE_NAME_MAX);
    buf_init(&c->typed, SIZE_MAX / 8);
    buf_init(&channel, SIZE_MAX / 8);
    buf_init(&sender, SIZE_MAX / 8);
    line_init(&c->line);
    bool ready = start(c, tally);
    look_init(&c->look, time(NULL));
    if (ready && !s->channel.len)
        ready = ask(c, "Enter channel:", &channel, &s->channel, tally);
    if (ready && !s->options->sender_known)
        ready = ask(c, "Enter your name:", &sender, &s->sender, tally);
    if (ready && start_typing(c, tally))
        converse(c, tally);
    finish(c, tally);
    buf_release(&channel);
    buf_release(&sender);
    free(c);
}
