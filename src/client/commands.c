/* SPDX-License-Identifier: MIT */
#include "client/commands.h"

#include <string.h>

static const struct {
    const char *name;
    enum command command;
    const char *argument;
    const char *help;
} table[] = {
    {"/channel", COMMAND_CHANNEL, "NAME", "go to another channel"},
    {"/name", COMMAND_NAME, "NAME", "write under another name"},
    {"/help", COMMAND_HELP, "", "show this"},
    {"/quit", COMMAND_QUIT, "", "leave (as Ctrl-D on an empty line)"},
};

#define COMMANDS (sizeof(table) / sizeof(table[0]))

const char *command_name(size_t n)
{
    return n < COMMANDS ? table[n].name : NULL;
}

static struct span first_word(struct span text)
{
    size_t n = 0;
    while (n < text.len && text.data[n] != ' ' && text.data[n] != '\t')
        n++;
    return (struct span){text.data, n};
}

enum command command_parse(struct span typed, struct span *ret_argument)
{
    *ret_argument = typed;
    if (typed.len == 0 || typed.data[0] != '/')
        return COMMAND_TEXT;
    if (typed.len > 1 && typed.data[1] == '/') {
        *ret_argument = (struct span){typed.data + 1, typed.len - 1};
        return COMMAND_TEXT;
    }
    struct span word = first_word(typed);
    for (size_t i = 0; i < COMMANDS; i++) {
        if (!span_equal(word, span_of(table[i].name)))
            continue;
        *ret_argument = text_trim((struct span){typed.data + word.len, typed.len - word.len});
        return table[i].command;
    }
    *ret_argument = word;
    return COMMAND_UNKNOWN;
}

int command_add_help(bool completes, struct buf *b)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (buf_addf(b, "%-8s %-4s  %s\n", table[i].name, table[i].argument, table[i].help))
            return -1;
    }
    if (buf_addf(b, "%-13s  %s\n", "//TEXT", "send /TEXT"))
        return -1;
    return completes ? buf_addf(b, "%-13s  %s\n", "Tab", "complete a command, a channel or a name")
                     : 0;
}
