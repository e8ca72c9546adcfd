/* SPDX-License-Identifier: MIT */
/*
 * chancat: cat for chat channels. The steps of a run; nothing below here exits.
 */
#include <jansson.h>
#include <unistd.h>

#include "client/chat.h"
#include "client/doctor.h"
#include "client/line.h"
#include "client/mode.h"
#include "client/screen.h"
#include "client/terminal.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/json_text.h"
#include "common/log.h"
#include "common/stop.h"

#define HELP_MAX 16384

static void show_version(struct buf *b)
{
    const char *readline = screen_library_version();
    buf_addf(b, "chancat %s (%s, Jansson/%s%s%s)\n", CHANCAT_VERSION, http_library_version(),
             JANSSON_VERSION, readline ? ", Readline/" : "", readline ? readline : "");
}

/* --help and --version */
static enum error_kind show(const struct options *o, struct output *out, struct error *e)
{
    struct buf text;
    buf_init(&text, HELP_MAX);
    if (o->help)
        options_add_help(&text);
    else
        show_version(&text);
    enum output_result r = output_write(out, &text, NULL, e);
    buf_release(&text);
    return r == OUTPUT_FAILED ? ERROR_LOCAL : ERROR_NONE;
}

static enum error_kind open_connections(struct session *s, struct error *e)
{
    const struct options *o = s->options;
    struct http_config config = session_http_config(o);
    enum error_kind kind = ERROR_NONE;
    if (!o->send)
        kind = http_open(&config, &s->poll_http, e);
    config.abortive = true;
    if (!kind && !o->receive)
        kind = http_open(&config, &s->post_http, e);
    return kind;
}

static enum error_kind open_input(struct session *s, struct input *in, struct error *e)
{
    const struct options *o = s->options;
    if (o->receive || o->flush)
        return ERROR_NONE;
    size_t max_bytes = o->json ? LINE_JSON_MAX : MESSAGE_CONTENT_MAX;
    enum error_kind kind = input_init(in, STDIN_FILENO, o->null, max_bytes, e);
    if (o->receipts)
        in->watch_fd = STDOUT_FILENO;
    s->input = in;
    return kind;
}

/* Before the first request: a run that could not save is not started. */
static enum error_kind open_cursor(struct session *s, struct cursor *c, struct error *e)
{
    const struct options *o = s->options;
    if (!o->cursor_file)
        return ERROR_NONE;
    s->cursor = c;
    return cursor_open(c, o->cursor_file, options_server(o), s->channel, e);
}

static void run_mode(struct session *s, struct tally *tally)
{
    const struct options *o = s->options;
    if (o->flush)
        mode_flush(s, tally);
    else if (o->terminal)
        chat_run(s, tally);
    else if (o->receive)
        mode_receive(s, tally);
    else if (o->send)
        mode_send(s, tally);
    else
        mode_duplex(s, tally);
}

static enum error_kind run(const struct options *o, struct output *out, struct tally *tally,
                           struct error *e)
{
    struct input in;
    struct cursor cursor = {.lock_fd = -1};
    struct session s = {
        .options = o,
        .channel = o->channel ? span_of(o->channel) : (struct span){"", 0},
        .sender = span_of(o->sender),
        .give_up_at = CLOCK_NEVER,
        .output = out,
    };
    if ((!o->send || o->receipts) && output_is_closed(out))
        return error_set(e, ERROR_LOCAL, "standard output is closed");
    echo_init(&s.echo);
    enum error_kind kind = open_input(&s, &in, e);
    if (!kind)
        kind = open_cursor(&s, &cursor, e);
    if (!kind)
        kind = open_connections(&s, e);
    if (!kind)
        run_mode(&s, tally);
    http_close(s.poll_http);
    http_close(s.post_http);
    if (s.input)
        input_release(s.input);
    if (s.cursor)
        cursor_close(s.cursor);
    echo_release(&s.echo);
    return kind;
}

/* What the options say, or the report about it. The caller tells the failure that is returned. */
static enum error_kind act(const struct options *o, struct output *out, struct tally *tally,
                           struct error *e)
{
    if (o->help || o->version)
        return show(o, out, e);
    if (!o->doctor)
        return run(o, out, tally, e);
    doctor_run(o, out, tally);
    return ERROR_NONE;
}

int main(int argc, char **argv)
{
    struct options options;
    struct output out;
    struct tally tally = {0};
    struct error e;
    file_fill_standard_fds();
    log_init("chancat", LOG_NORMAL);
    output_init(&out, STDOUT_FILENO);
    json_text_init(); /* before there are threads */
    enum options_terminal terminal = OPTIONS_NO_TERMINAL;
    if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
        terminal = terminal_has_screen() ? OPTIONS_SCREEN : OPTIONS_PLAIN_TERMINAL;
    enum error_kind kind = options_read(&options, argc, argv, terminal, &e);
    if (!kind)
        kind = stop_init(&e);
    if (!kind)
        kind = http_global_init(&e);
    if (!kind) {
        log_set_level(options.quiet ? LOG_QUIET : options.verbose ? LOG_VERBOSE : LOG_NORMAL);
        kind = act(&options, &out, &tally, &e);
        http_global_release();
    }
    if (kind)
        log_error("%s", e.text);
    tally_add(&tally, kind);
    tally_report(&tally);
    options_release(&options);
    output_release(&out);
    stop_die();
    return tally_status(&tally);
}
