/* SPDX-License-Identifier: MIT */
/*
 * history: the lines that were typed in a channel, kept in a file for the next time.
 *
 * $XDG_STATE_HOME/chancat/history/NAME, by default ~/.local/state/chancat/history/NAME, where NAME
 * is the channel's with all but letters, digits, `-`, `_` and `.` written as %XX (a long one ends
 * with a hash instead). Mode 0600, in directories of mode 0700. One line each, the newest last; a
 * line is added at once, so nothing is lost when the program is killed. At most HISTORY_LINES_MAX
 * lines are read; a file with more than twice as many, or HISTORY_BYTES_MAX bytes, is made shorter
 * when it is read. Lines longer than HISTORY_LINE_MAX, or with a newline in them, are not kept.
 */
#ifndef CHANCAT_HISTORY_H
#define CHANCAT_HISTORY_H

#include "common/buf.h"
#include "common/error.h"
#include "common/text.h"

#define HISTORY_LINES_MAX 1000u
#define HISTORY_LINE_MAX  8192u
#define HISTORY_BYTES_MAX (1024u * 1024)

/* Appends the path of a channel's file. 0, or -1: there is no home directory, or no memory. */
int history_add_path(struct buf *path, struct span channel);

/* Hands over the lines, the oldest first; none when there is no file yet. ERROR_LOCAL. */
enum error_kind history_load(const char *path, void (*add)(void *context, const char *line),
                             void *context, struct error *e);

/* Adds one line; makes the file and its directories when they are not there. ERROR_LOCAL. */
enum error_kind history_append(const char *path, struct span line, struct error *e);

#endif
