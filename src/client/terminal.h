/* SPDX-License-Identifier: MIT */
/*
 * terminal: the terminal of a conversation: what is typed on it, and what is said above that.
 *
 * There are two kinds. With the *screen* (screen.h, GNU readline) there is always a line to write
 * on at the bottom; whatever is printed appears above it, and the line stays as it was. Where the
 * terminal cannot do that (TERM is `dumb` or not set) or readline is not built in, lines are read
 * plainly: the terminal itself shows what is typed, and nothing protects it from what is printed.
 *
 * Owner and lock: one thread at a time calls terminal_read(), the typing thread; all else may be
 * called by any thread. Whatever touches the screen, and so readline with its global state,
 * happens under the lock of `out`: this module takes the lock, screen.c's functions run under it.
 * output_write() does the same by its frame. Under the lock nothing is waited for but the terminal
 * itself.
 *
 * Diagnostics (log.h) become dim rows above the line, when stderr is the same terminal. Nothing is
 * dim when NO_COLOR is set and not empty, or TERM is dumb.
 */
#ifndef CHANCAT_TERMINAL_H
#define CHANCAT_TERMINAL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "client/input.h"
#include "client/look.h"
#include "client/output.h"
#include "client/seen.h"
#include "common/buf.h"
#include "common/error.h"
#include "common/wake.h"

enum terminal_result {
    TERMINAL_LINE,    /* a line was typed */
    TERMINAL_END,     /* the end of file was typed, or input_stop() was called */
    TERMINAL_MOVED,   /* terminal_wake() was called */
    TERMINAL_STOPPED, /* a signal came */
    TERMINAL_FAILED   /* *e says why */
};

struct terminal {
    struct output *out; /* not owned, as `in` */
    struct input *in;   /* what a plain terminal is read by; input_stop() ends the screen, too */
    bool screen, dim;
    struct wake moved; /* by terminal_wake() */
    struct output_frame frame;
    struct buf history; /* the typing thread's: path of the history file; empty: none */
    /* under the output lock: */
    struct buf channel; /* that the line is typed for */
    struct look notices;
    struct seen senders, channels; /* for the Tab key */
    struct buf rows;               /* in work */
};

/* Can this terminal (TERM) and this program have a screen? */
bool terminal_has_screen(void);

/* Sets the locale for characters, so call it before threads start. `screen`: as
 * terminal_has_screen() said. ERROR_LOCAL. The caller calls terminal_close() in any case. */
enum error_kind terminal_open(struct terminal *t, struct output *out, struct input *in, bool screen,
                              struct error *e);

/* Gives the terminal back as it was, with what was half typed in the history; what is printed from
 * then on goes plainly. The typing thread, or when there is none. May be called twice. */
void terminal_leave(struct terminal *t);
void terminal_close(struct terminal *t);

/* The next line that is typed, into *ret; waits for it. */
enum terminal_result terminal_read(struct terminal *t, struct buf *ret, struct error *e);

/* The same for the answer to a question, which stays above. */
enum terminal_result terminal_ask(struct terminal *t, const char *question, struct buf *ret,
                                  struct error *e);

/* With a screen, terminal_read() returns TERMINAL_MOVED once what was accepted before has been
 * read. Any thread. */
void terminal_wake(struct terminal *t);

/* From now on what is typed is for this channel: the prompt says so, and the history is its own. A
 * line that is half typed stays. True: there is one, or keys that were not read yet; it was begun
 * for another channel. */
bool terminal_go_to(struct terminal *t, struct span channel);

/* Columns of the terminal, 0: it does not say. */
unsigned terminal_columns(const struct terminal *t);

/* A notice, one line, above the line that is typed. */
void terminal_say(struct terminal *t, struct span notice);

/*
 * Gives back a line that was typed for `channel`, and tells why. It comes back to the line that is
 * typed, or when there is one, to the history; if it was perhaps sent, always there. Without a
 * screen it is only shown, and so is what was for another channel than the one that is typed for
 * now, since the Return key would send it to this one. True: it can be had back.
 */
bool terminal_give_back(struct terminal *t, struct span channel, struct span line,
                        bool perhaps_sent, const char *why);

/* Output that the control-S key holds up goes on: at the end, when who writes must get on. No
 * lock. */
void terminal_unblock(const struct terminal *t);

/* Adds a line to the history. The typing thread, as terminal_go_to(). */
void terminal_remember(struct terminal *t, struct span line);

/* A sender or a channel that can be completed from now on. */
void terminal_saw_sender(struct terminal *t, struct span sender);
void terminal_saw_channel(struct terminal *t, struct span channel);

#endif
