/* SPDX-License-Identifier: MIT */
/*
 * commands: what a line typed at the terminal asks for: one of the commands, or to be sent.
 *
 * A command is a slash in the first column and one of the words of the table, then perhaps its
 * argument. `//text` is the text `/text`. Anything else that starts with a slash is a mistake, and
 * is not sent.
 */
#ifndef CHANCAT_COMMANDS_H
#define CHANCAT_COMMANDS_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/text.h"

enum command {
    COMMAND_TEXT,    /* the argument is what to send */
    COMMAND_CHANNEL, /* the argument, perhaps empty, is a channel */
    COMMAND_NAME,    /* the argument, perhaps empty, is a sender */
    COMMAND_HELP,
    COMMAND_QUIT,
    COMMAND_UNKNOWN /* the argument is the word */
};

/* `typed`: valid UTF-8. *ret_argument points into it. */
enum command command_parse(struct span typed, struct span *ret_argument);

/* The name of the n-th command, with its slash; NULL: there are no more. */
const char *command_name(size_t n);

/* Appends the lines that /help shows; `completes`: the Tab key does. 0, or -1 (buffer full). */
int command_add_help(bool completes, struct buf *b);

#endif
