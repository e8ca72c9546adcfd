/* SPDX-License-Identifier: MIT */
/*
 * screen: the line at the bottom of a terminal, by GNU readline's callback interface.
 *
 * Readline is global state, and so is this module: it is open once at most, and is the only user
 * of readline. All functions but the first two run under the output lock (terminal.h takes
 * it), in whatever thread; no other lock is taken here.
 *
 * Readline does no signal handling. Control-C and control-Z are keys here, so that they come in
 * order with all else that is typed: control-C empties the line and, when it is empty, sends the
 * process a SIGINT; control-Z gives the terminal back and stops the process. SIGWINCH and SIGCONT
 * are handled here; they make screen_signal_fd() readable. What readline prints goes through
 * stdio's stdout and is flushed before any function returns.
 *
 * Not built with READLINE=0.
 */
#ifndef CHANCAT_SCREEN_H
#define CHANCAT_SCREEN_H

#include <stdbool.h>

#include "client/seen.h"
#include "common/buf.h"
#include "common/error.h"
#include "common/text.h"

/* Can this terminal do it? Any thread, no lock. */
bool screen_is_capable(void);

/* The version of readline; NULL: it is not built in. */
const char *screen_library_version(void);

/* Takes the terminal on stdin and stdout. `senders` and `channels` are read for the Tab key and
 * stay the caller's. ERROR_LOCAL. */
enum error_kind screen_open(const struct seen *senders, const struct seen *channels,
                            struct error *e);

/* Takes the line away and gives the terminal back; what was half typed is appended to *ret_typed.
 * Nothing happens when it is not open. */
void screen_close(struct buf *ret_typed);

/* Takes the line off the screen: the cursor stands in the first column of an empty row, and what is
 * printed now ends with a newline. Then puts it back. */
void screen_hide(void);
void screen_show(void);

/* Is readable when screen_refresh() must be called. Stays open when the screen is closed. */
int screen_signal_fd(void);
void screen_refresh(void);

/* Reads what is there to be read, up to the end of one line. */
void screen_read(void);

/* Appends the line that was accepted first, and forgets it. False: there is none. */
bool screen_take(struct buf *ret);

/* No more will be typed: an end of file, or the terminal went away. */
bool screen_ended(void);

/* `keep`: an accepted line stays where it is, after its prompt; else it is taken away. */
void screen_prompt(const char *prompt, bool keep);

/* Puts a text on the line if nothing is being typed. False: something is. When more is typed at
 * once, by somebody who cannot have seen it, the text goes to the history instead. */
bool screen_put(struct span text);

bool screen_is_empty(void);

/* What else came of the keys since it was asked last. */
enum screen_event {
    SCREEN_NOTHING,
    SCREEN_PUT_ASIDE, /* the text that screen_put() put is in the history */
    SCREEN_TOO_LONG   /* the line cannot be taken, and stays */
};
enum screen_event screen_event(void);

/* Empties the list of what the arrow keys bring back; adds to it. */
void screen_forget(void);
void screen_remember(const char *line);

#endif
