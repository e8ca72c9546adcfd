/* SPDX-License-Identifier: MIT */
#include "client/terminal.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "client/history.h"
#include "client/screen.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/stop.h"

#define ROWS_MAX       (1024u * 1024)
#define PATH_BYTES_MAX 4096
#define PROMPT_MAX     512
#define PROMPT_COLUMNS 20
#define SHOWN_MAX      200u       /* bytes of a line that is told about */
#define NO_WRAP        "\033[?7l" /* a row that is wider than was thought loses its end */
#define WRAP           "\033[?7h"

bool terminal_has_screen(void)
{
    return screen_is_capable();
}

unsigned terminal_columns(const struct terminal *t)
{
    struct winsize size;
    return ioctl(t->out->fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* --- printing above the line ------------------------------------------------------------------ */

static void put(const struct terminal *t, const char *bytes)
{
    (void)!write(t->out->fd, bytes, strlen(bytes));
}

static void open_frame(void *context)
{
    struct terminal *t = context;
    if (!t->screen)
        return;
    screen_hide();
    put(t, NO_WRAP);
}

static void close_frame(void *context)
{
    struct terminal *t = context;
    if (!t->screen)
        return;
    put(t, WRAP);
    screen_show();
}

/* Under the output lock. */
static void write_rows(struct terminal *t)
{
    size_t done = 0;
    open_frame(t);
    while (done < t->rows.len) {
        ssize_t n = write(t->out->fd, t->rows.data + done, t->rows.len - done);
        if (n > 0)
            done += (size_t)n;
        else if (n < 0 && (errno != EINTR || stop_signal()))
            break;
    }
    close_frame(t);
    buf_clear(&t->rows);
}

/* Under the output lock. */
static void say(struct terminal *t, struct span notice)
{
    t->notices.columns = terminal_columns(t);
    if (look_add_notice(&t->notices, notice, t->dim, &t->rows) == 0)
        write_rows(t);
}

void terminal_say(struct terminal *t, struct span notice)
{
    output_lock(t->out);
    say(t, notice);
    output_unlock(t->out);
}

/* A diagnostic. */
static void write_line(void *context, const char *line, size_t len)
{
    while (len > 0 && line[len - 1] == '\n')
        len--;
    terminal_say(context, (struct span){line, len});
}

/* --- begin and end ---------------------------------------------------------------------------- */

/* All text here is UTF-8, whatever the user's language. Readline sets the locale once more, from
 * the environment, so the environment must agree. */
static void set_locale(void)
{
    static const char *const others[] = {"C.UTF-8", "en_US.UTF-8"};
    setlocale(LC_CTYPE, "");
    for (int i = 0; i < 2 && strcmp(nl_langinfo(CODESET), "UTF-8") != 0; i++) {
        if (setlocale(LC_CTYPE, others[i]))
            setenv("LC_ALL", others[i], 1);
    }
    tzset();
}

static bool wants_dim(void)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    return !(no_color && *no_color) && term && *term && strcmp(term, "dumb") != 0;
}

enum error_kind terminal_open(struct terminal *t, struct output *out, struct input *in, bool wanted,
                              struct error *e)
{
    *t = (struct terminal){.out = out, .in = in, .dim = wants_dim()};
    t->frame = (struct output_frame){open_frame, close_frame, t};
    set_locale();
    look_init(&t->notices, time(NULL));
    buf_init(&t->history, PATH_BYTES_MAX);
    buf_init(&t->rows, ROWS_MAX);
    enum error_kind kind = ERROR_NONE;
    if (wanted) {
        output_lock(out);
        kind = screen_open(&t->senders, &t->channels, e);
        t->screen = kind == ERROR_NONE;
        output_unlock(out);
    }
    if (kind)
        return kind;
    output_set_frame(out, &t->frame);
    if (out->guards_stderr)
        log_set_writer(write_line, t);
    return ERROR_NONE;
}

void terminal_leave(struct terminal *t)
{
    struct buf typed;
    buf_init(&typed, SIZE_MAX / 8);
    output_lock(t->out);
    if (t->screen)
        screen_close(&typed);
    t->screen = false;
    output_unlock(t->out);
    if (typed.len)
        terminal_remember(t, (struct span){typed.data, typed.len});
    buf_release(&typed);
}

void terminal_close(struct terminal *t)
{
    terminal_leave(t);
    log_set_writer(NULL, NULL);
    output_set_frame(t->out, NULL);
    look_release(&t->notices);
    buf_release(&t->history);
    buf_release(&t->rows);
}

/* --- reading ---------------------------------------------------------------------------------- */

static enum terminal_result read_plain(struct terminal *t, struct buf *ret, struct error *e)
{
    struct span record;
    enum input_result r;
    while ((r = input_next(t->in, CLOCK_NEVER, &record, e)) == INPUT_TOO_LONG)
        log_error("a line longer than 1 MiB is not sent");
    switch (r) {
    case INPUT_RECORD:
        if (text_add_sanitized(ret, record, true, NULL) == 0)
            return TERMINAL_LINE;
        error_set(e, ERROR_LOCAL, "no memory for a line");
        return TERMINAL_FAILED;
    case INPUT_STOPPED:
        return TERMINAL_STOPPED;
    case INPUT_FAILED:
        return TERMINAL_FAILED;
    case INPUT_END:
    case INPUT_LATER:
    case INPUT_TOO_LONG:
        break;
    }
    return TERMINAL_END;
}

/* Reads keys and redraws. False: there is a result, else go on. */
static bool wait_for_keys(struct terminal *t, enum terminal_result *ret, struct error *e)
{
    struct pollfd fds[] = {{.fd = stop_fd(), .events = POLLIN},
                           {.fd = wake_fd(&t->in->wake), .events = POLLIN},
                           {.fd = screen_signal_fd(), .events = POLLIN},
                           {.fd = t->in->fd, .events = POLLIN}};
    if (poll(fds, 4, -1) < 0 && errno != EINTR) {
        error_set(e, ERROR_LOCAL, "cannot wait for the terminal: %s", strerror(errno));
        *ret = TERMINAL_FAILED;
        return false;
    }
    *ret = fds[0].revents ? TERMINAL_STOPPED : TERMINAL_END;
    if (fds[0].revents || fds[1].revents)
        return false;
    output_lock(t->out);
    if (fds[2].revents)
        screen_refresh();
    if (fds[3].revents)
        screen_read();
    output_unlock(t->out);
    return true;
}

static enum terminal_result read_screen(struct terminal *t, struct buf *ret, struct error *e)
{
    enum terminal_result result;
    do {
        output_lock(t->out);
        bool taken = screen_take(ret), ended = screen_ended();
        output_unlock(t->out);
        if (taken)
            return TERMINAL_LINE;
        if (ended)
            return TERMINAL_END;
    } while (wait_for_keys(t, &result, e));
    return result;
}

enum terminal_result terminal_read(struct terminal *t, struct buf *ret, struct error *e)
{
    buf_clear(ret);
    return t->screen ? read_screen(t, ret, e) : read_plain(t, ret, e);
}

enum terminal_result terminal_ask(struct terminal *t, const char *question, struct buf *ret,
                                  struct error *e)
{
    char prompt[PROMPT_MAX];
    snprintf(prompt, sizeof(prompt), "%s ", question);
    output_lock(t->out);
    if (t->screen)
        screen_prompt(prompt, true);
    else
        put(t, prompt);
    output_unlock(t->out);
    return terminal_read(t, ret, e);
}

void terminal_prompt(struct terminal *t, struct span channel)
{
    struct buf visible, prompt;
    buf_init(&visible, SIZE_MAX / 8);
    buf_init(&prompt, PROMPT_MAX);
    if (text_add_visible(&visible, channel) ||
        look_add_name((struct span){visible.data, visible.len}, PROMPT_COLUMNS, &prompt))
        buf_clear(&prompt);
    if (buf_add_str(&prompt, "> ") == 0) {
        output_lock(t->out);
        if (t->screen)
            screen_prompt(prompt.data, false);
        output_unlock(t->out);
    }
    buf_release(&visible);
    buf_release(&prompt);
}

/* --- lines that come back --------------------------------------------------------------------- */

static void recall(void *context, const char *line)
{
    struct terminal *t = context;
    output_lock(t->out);
    screen_remember(line);
    output_unlock(t->out);
}

/* Under the output lock. */
static void put_into_history(struct span line)
{
    char *copy = strndup(line.data, line.len);
    if (copy)
        screen_remember(copy);
    free(copy);
}

bool terminal_give_back(struct terminal *t, struct span line, const char *why,
                        enum terminal_back to)
{
    struct buf text;
    buf_init(&text, SIZE_MAX / 8);
    output_lock(t->out);
    bool screen = t->screen, back = screen && to == TERMINAL_EDIT && screen_put(line);
    int failed = buf_addf(&text, "%s: %s", to == TERMINAL_KEEP ? "perhaps sent" : "not sent", why);
    if (!back && screen && to != TERMINAL_ELSEWHERE) {
        put_into_history(line);
        failed = failed || buf_add_str(&text, " (the up arrow brings it back)");
    }
    if (!failed && !back) {
        failed = buf_add_str(&text, ": ");
        struct span shown = {line.data, line.len < SHOWN_MAX ? line.len : SHOWN_MAX};
        failed = failed || buf_add(&text, shown.data, shown.len);
    }
    if (!failed)
        say(t, (struct span){text.data, text.len});
    output_unlock(t->out);
    buf_release(&text);
    return screen;
}

void terminal_use_history(struct terminal *t, struct span channel)
{
    struct error e;
    buf_clear(&t->history);
    if (!t->screen)
        return;
    output_lock(t->out);
    screen_forget();
    output_unlock(t->out);
    if (history_add_path(&t->history, channel))
        buf_clear(&t->history);
    else if (history_load(t->history.data, recall, t, &e))
        log_warn("%s", e.text);
}

void terminal_remember(struct terminal *t, struct span line)
{
    struct error e;
    char *copy = strndup(line.data, line.len);
    if (t->screen && copy)
        recall(t, copy);
    free(copy);
    if (t->history.len && history_append(t->history.data, line, &e)) {
        buf_clear(&t->history); /* said once, not for each line */
        log_warn("%s", e.text);
    }
}

void terminal_saw_sender(struct terminal *t, struct span sender)
{
    output_lock(t->out);
    seen_add(&t->senders, sender);
    output_unlock(t->out);
}

void terminal_saw_channel(struct terminal *t, struct span channel)
{
    output_lock(t->out);
    seen_add(&t->channels, channel);
    output_unlock(t->out);
}

void terminal_unblock(const struct terminal *t)
{
    if (!t->screen)
        return;
    tcflow(STDOUT_FILENO, TCOOFF); /* Linux lets nothing go on that was not held up in this way */
    tcflow(STDOUT_FILENO, TCOON);
}
