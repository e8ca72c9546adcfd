/* SPDX-License-Identifier: MIT */
#include "client/screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <readline/history.h>
#include <readline/readline.h>

#include "client/history.h"
#include "client/layout.h"
#include "client/screen_complete.h"
#include "client/tty.h"
#include "common/clock.h"
#include "common/stop.h"
#include "common/wake.h"

#define ACCEPTED_MAX (64u * 1024 * 1024) /* pasted lines that nobody has taken yet */
#define UNSEEN_MS    300 /* nobody answers sooner to what he sees: his text was meant without it */

static struct {
    bool open;    /* readline has the terminal */
    bool raw;     /* its modes are set */
    bool shown;   /* the line stands on the screen */
    bool keep;    /* as screen_prompt() says */
    bool ended;   /* an end of file was typed */
    bool hung_up; /* the terminal is gone: what was half typed is not sent */
    bool full;    /* a line was too long to be accepted */
    bool aside;   /* a line that was put went to the history */
    int columns, rows;
    char intr, susp;       /* keys that the terminal made signals of; 0: none */
    struct buf accepted;   /* lines, each with a NUL behind it */
    struct buf left;       /* what was half typed when the terminal went away */
    int64_t put_ms;        /* when the line was put that no key has met yet; 0: there is none */
    struct wake signals;   /* by SIGWINCH and SIGCONT */
    atomic_bool continued; /* lock-free: the handler sets it */
    struct sigaction before_winch, before_cont;
} screen;

bool screen_is_capable(void)
{
    const char *term = getenv("TERM");
    return term && *term && strcmp(term, "dumb") != 0;
}

const char *screen_library_version(void)
{
    return rl_library_version;
}

int screen_signal_fd(void)
{
    return wake_fd(&screen.signals);
}

bool screen_ended(void)
{
    return screen.ended || screen.hung_up;
}

/* --- rows ------------------------------------------------------------------------------------- */

/* Real xterm, GNU screen and the console leave rows as they are when they become narrower or wider;
 * about all others set them anew. */
static bool terminal_reflows(void)
{
    const char *term = getenv("TERM");
    if (getenv("TMUX"))
        return true;
    return !getenv("XTERM_VERSION") && !getenv("STY") && term && strncmp(term, "linux", 5) != 0;
}

struct position {
    unsigned row, column;
};

static void advance(struct position *p, struct span text, unsigned columns)
{
    for (size_t i = 0; i < text.len;) {
        uint32_t c;
        size_t n = text_decode(text.data + i, text.len - i, &c);
        unsigned width = n == 0 ? 1 : c < 0x20 || c == 0x7F ? 2 : layout_width(c);
        if (c == '\t')
            width = 8 - p->column % 8;
        i += n ? n : 1;
        if (c == '\n' || p->column + width > columns) {
            p->row++;
            p->column = 0;
        }
        p->column += c == '\n' ? 0 : width;
    }
}

/* In which of its rows stands the cursor, when the line is set in so many columns? */
static unsigned cursor_row(unsigned columns)
{
    struct position p = {0, 0};
    if (rl_display_prompt)
        advance(&p, span_of(rl_display_prompt), columns);
    advance(&p, (struct span){rl_line_buffer, (size_t)rl_point}, columns);
    return p.row + (p.column >= columns);
}

static bool read_size(int *ret_rows, int *ret_columns)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || size.ws_col == 0)
        return false;
    *ret_rows = size.ws_row ? size.ws_row : 24;
    *ret_columns = size.ws_col;
    return true;
}

/* When the terminal has another size now, readline does not know any more where the line stands.
 * Takes it away by what must have become of its rows. False: the size is the same. */
static bool hide_resized(void)
{
    int rows, columns;
    if (!read_size(&rows, &columns) || (rows == screen.rows && columns == screen.columns))
        return false;
    unsigned up = cursor_row((unsigned)(terminal_reflows() ? columns : screen.columns));
    if (up >= (unsigned)rows)
        up = (unsigned)rows - 1;
    fputc('\r', rl_outstream);
    if (up)
        fprintf(rl_outstream, "\033[%uA", up);
    fputs("\033[J", rl_outstream);
    screen.rows = rows;
    screen.columns = columns;
    rl_set_screen_size(rows, columns);
    return true;
}

void screen_hide(void)
{
    if (!screen.open || !screen.shown)
        return;
    if (!hide_resized())
        rl_clear_visible_line();
    fflush(rl_outstream);
    screen.shown = false;
}

void screen_show(void)
{
    if (!screen.open || screen.shown)
        return;
    rl_on_new_line();
    rl_forced_update_display();
    fflush(rl_outstream);
    screen.shown = true;
}

/* --- modes and signals of the terminal -------------------------------------------------------- */

static void on_signal(int signal_number)
{
    if (signal_number == SIGCONT)
        atomic_store(&screen.continued, true);
    wake_up(&screen.signals);
}

static void handle_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGWINCH, &action, &screen.before_winch);
    sigaction(SIGCONT, &action, &screen.before_cont);
}

static char key_of(cc_t c)
{
    return c == _POSIX_VDISABLE ? '\0' : (char)c;
}

static void prepare(int meta)
{
    struct termios modes;
    if (screen.raw)
        return;
    tty_take();
    rl_prep_terminal(meta);
    screen.raw = true;
    if (tcgetattr(STDIN_FILENO, &modes))
        return;
    screen.intr = key_of(modes.c_cc[VINTR]);
    screen.susp = key_of(modes.c_cc[VSUSP]);
    modes.c_cc[VINTR] = modes.c_cc[VSUSP] = _POSIX_VDISABLE;
    tcsetattr(STDIN_FILENO, TCSANOW, &modes);
}

/* Readline gives the terminal back after each line; here it stays. */
static void keep_prepared(void)
{
}

static void give_back(void)
{
    rl_eof_found = 0; /* or it would end the line that has been taken away */
    if (screen.raw)
        rl_deprep_terminal();
    tty_given_back();
    screen.raw = false;
    fflush(rl_outstream);
}

void screen_refresh(void)
{
    if (!wake_clear(&screen.signals) || !screen.open)
        return;
    if (atomic_exchange(&screen.continued, false)) { /* who had the terminal has changed it */
        give_back();
        prepare(1);
        screen.shown = false;
    }
    int rows, columns;
    if (read_size(&rows, &columns) && (rows != screen.rows || columns != screen.columns))
        screen_hide();
    screen_show();
}

/* --- keys ------------------------------------------------------------------------------------- */

static bool accept(struct span line)
{
    screen.full = buf_reserve(&screen.accepted, line.len + 1) != 0;
    if (!screen.full) {
        buf_add(&screen.accepted, line.data, line.len);
        buf_add_char(&screen.accepted, '\0');
    }
    return !screen.full;
}

static struct span typed(void)
{
    return (struct span){rl_line_buffer ? rl_line_buffer : "", (size_t)rl_end};
}

/* The line is copied and taken off the screen: it comes back as a message. For readline it becomes
 * an empty one, which leaves nothing behind; so what it knows of the history stays right. */
static int on_enter(int count, int key)
{
    if (screen.hung_up || stop_signal())
        return 0;
    if (!screen.keep) {
        if (!accept(typed()))
            return rl_ding();
        rl_clear_visible_line();
        rl_delete_text(0, rl_end);
        rl_point = 0;
    }
    return rl_newline(count, key);
}

static void on_line(char *line)
{
    if (!line)
        screen.ended = true;
    else if (screen.keep || *line)
        accept(span_of(line));
    free(line);
}

static int on_interrupt(int count, int key)
{
    (void)count, (void)key;
    if (rl_end == 0)
        return kill(getpid(), SIGINT);
    rl_kill_text(0, rl_end); /* control-Y brings it back */
    rl_point = 0;
    return 0;
}

static int on_nothing(int count, int key)
{
    (void)count, (void)key;
    return rl_ding();
}

static int on_suspend(int count, int key)
{
    (void)count, (void)key;
    screen_hide();
    give_back();
    raise(SIGTSTP);
    prepare(1);
    screen_show();
    return 0;
}

/* A line was put there a moment ago, and somebody was typing: his text is another line. */
static void set_put_aside(void)
{
    char *line = strndup(typed().data, typed().len);
    if (line) {
        screen_remember(line);
        rl_delete_text(0, rl_end);
        rl_point = 0;
        screen.aside = true;
    }
    screen.put_ms = 0;
    free(line);
}

static bool is_unseen(void)
{
    return screen.put_ms && clock_now_ms() - screen.put_ms < UNSEEN_MS;
}

static void meet_key(unsigned char key)
{
    bool writes = key >= 0x20 && key != 0x7F && !RL_ISSTATE(RL_STATE_MULTIKEY) &&
                  rl_get_keymap() != vi_movement_keymap;
    if (writes && is_unseen())
        set_put_aside();
}

static int on_paste(int count, int key)
{
    if (is_unseen())
        set_put_aside();
    return rl_bracketed_paste_begin(count, key);
}

/* The terminal is gone. Readline drops the line when it meets the end once more, so it is kept. */
static void hang_up(void)
{
    if (!screen.hung_up)
        buf_add(&screen.left, typed().data, typed().len);
    screen.hung_up = true;
}

/* Waits with an eye on signals, and tells a terminal that went away from an end of file. */
static int get_key(FILE *from)
{
    struct pollfd fds[] = {{.fd = fileno(from), .events = POLLIN},
                           {.fd = stop_fd(), .events = POLLIN}};
    unsigned char c;
    for (;;) {
        int ready = poll(fds, 2, -1);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready < 0 || fds[1].revents)
            return EOF;
        ssize_t n = read(fds[0].fd, &c, 1);
        if (n == 1) {
            meet_key(c);
            return c;
        }
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        hang_up();
        return EOF;
    }
}

#define MAPS 3

static Keymap map(size_t n)
{
    return n == 0 ? emacs_standard_keymap : n == 1 ? vi_insertion_keymap : vi_movement_keymap;
}

static void bind(char key, rl_command_func_t *function)
{
    for (size_t i = 0; key && i < MAPS; i++)
        rl_bind_key_in_map((unsigned char)key, function, map(i));
}

/* Whatever keys this function of readline has, by the user's inputrc perhaps, get another one. */
static void replace(rl_command_func_t *old, rl_command_func_t *function)
{
    for (size_t i = 0; i < MAPS; i++) {
        char **keys = rl_invoking_keyseqs_in_map(old, map(i));
        for (size_t k = 0; keys && keys[k]; k++) {
            rl_bind_keyseq_in_map(keys[k], function, map(i));
            free(keys[k]);
        }
        free(keys);
    }
}

static void bind_keys(void)
{
    bind('\r', on_enter);
    bind('\n', on_enter);
    replace(rl_newline, on_enter);
    replace(rl_operate_and_get_next, on_enter);
    replace(rl_insert_comment, on_nothing); /* it would send the line */
    replace(rl_bracketed_paste_begin, on_paste);
    bind(screen.intr, on_interrupt);
    bind(screen.susp, on_suspend);
}

/* --- the line --------------------------------------------------------------------------------- */

static void set_up_readline(void)
{
    rl_readline_name = "chancat";
    rl_instream = stdin;
    rl_outstream = stdout;
    rl_catch_signals = rl_catch_sigwinch = 0;
    rl_change_environment = 0; /* other threads read it */
    rl_getc_function = get_key;
    rl_prep_term_function = prepare;
    rl_deprep_term_function = keep_prepared;
    rl_initialize();
    stifle_history((int)HISTORY_LINES_MAX);
}

enum error_kind screen_open(const struct seen *senders, const struct seen *channels,
                            struct error *e)
{
    if (wake_fd(&screen.signals) < 0 && wake_open(&screen.signals, e))
        return ERROR_LOCAL;
    buf_init(&screen.accepted, ACCEPTED_MAX);
    buf_init(&screen.left, ACCEPTED_MAX);
    set_up_readline();
    screen_complete_from(senders, channels);
    handle_signals();
    if (read_size(&screen.rows, &screen.columns))
        rl_set_screen_size(screen.rows, screen.columns);
    rl_callback_handler_install("", on_line);
    bind_keys();
    screen.open = screen.shown = true;
    return ERROR_NONE;
}

void screen_close(struct buf *ret_typed)
{
    if (!screen.open)
        return;
    struct span left = typed();
    if (screen.hung_up)
        left = (struct span){screen.left.data, screen.left.len};
    buf_add(ret_typed, left.data, left.len);
    screen_hide();
    rl_callback_handler_remove();
    give_back();
    screen.open = false;
    sigaction(SIGWINCH, &screen.before_winch, NULL);
    sigaction(SIGCONT, &screen.before_cont, NULL);
    buf_release(&screen.accepted);
    buf_release(&screen.left);
}

void screen_read(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    bool taken = screen.accepted.len > 0;
    while (screen.open && !taken && !screen_ended() && !stop_signal() && poll(&input, 1, 0) > 0) {
        if (hide_resized())
            screen.shown = false;
        screen_show();
        rl_callback_read_char();
        if (!RL_ISSTATE(RL_STATE_MULTIKEY))
            screen.put_ms = 0;
        taken = screen.accepted.len > 0;
    }
    fflush(rl_outstream);
}

bool screen_take(struct buf *ret)
{
    if (screen.accepted.len == 0)
        return false;
    size_t len = strlen(screen.accepted.data);
    bool good = buf_add(ret, screen.accepted.data, len) == 0;
    buf_consume(&screen.accepted, len + 1);
    return good;
}

#define BUSY                                                                                       \
    (RL_STATE_ISEARCH | RL_STATE_NSEARCH | RL_STATE_SEARCH | RL_STATE_MULTIKEY |                   \
     RL_STATE_NUMERICARG)

void screen_prompt(const char *prompt, bool keep)
{
    bool shown = screen.shown;
    if (RL_ISSTATE(BUSY)) /* it would bring back the old prompt when it ends */
        rl_callback_sigcleanup();
    screen_hide();
    rl_set_prompt(prompt);
    screen.keep = keep;
    rl_erase_empty_line = !keep;
    if (shown)
        screen_show();
}

bool screen_put(struct span text)
{
    char *copy = strndup(text.data, text.len);
    bool idle = screen.open && rl_end == 0 && !RL_ISSTATE(BUSY);
    if (idle && copy) {
        bool shown = screen.shown;
        screen_hide();
        rl_insert_text(copy);
        screen.put_ms = clock_now_ms();
        if (shown)
            screen_show();
    }
    free(copy);
    return idle && copy;
}

bool screen_is_empty(void)
{
    return rl_end == 0;
}

enum screen_event screen_event(void)
{
    enum screen_event event = screen.full    ? SCREEN_TOO_LONG
                              : screen.aside ? SCREEN_PUT_ASIDE
                                             : SCREEN_NOTHING;
    screen.full = screen.aside = false;
    return event;
}

void screen_forget(void)
{
    if (where_history() != history_length)
        rl_end_of_history(1, 0); /* the line that was left to look at older ones */
    rl_clear_history();
    using_history();
}

void screen_remember(const char *line)
{
    HIST_ENTRY *last = history_length > 0 ? history_get(history_base + history_length - 1) : NULL;
    if (!*line || (last && strcmp(last->line, line) == 0))
        return;
    bool browsing = where_history() != history_length;
    add_history(line);
    if (!browsing)
        using_history();
}
