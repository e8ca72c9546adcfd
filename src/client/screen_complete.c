/* SPDX-License-Identifier: MIT */
#include "client/screen_complete.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <readline/readline.h>

#include "client/commands.h"

static const struct seen *senders_seen, *channels_seen;

static char *join(const char *a, const char *b)
{
    size_t len = strlen(a), more = strlen(b);
    char *joined = malloc(len + more + 1); /* readline frees it, and ends when there is no memory */
    if (joined) {
        memcpy(joined, a, len);
        memcpy(joined + len, b, more + 1);
    }
    return joined;
}

static char *next_command(const char *start, int state)
{
    static size_t i;
    if (!state)
        i = 0;
    for (const char *name; (name = command_name(i++)) != NULL;) {
        if (strncmp(name, start, strlen(start)) == 0)
            return join(name, "");
    }
    return NULL;
}

static char *next_seen(const struct seen *seen, const char *start, int state, const char *behind)
{
    static size_t i;
    if (!state)
        i = 0;
    while (i < seen->count) {
        const char *name = seen->names[i++];
        if (strncmp(name, start, strlen(start)) == 0)
            return join(name, behind);
    }
    return NULL;
}

static char *next_channel(const char *start, int state)
{
    return next_seen(channels_seen, start, state, "");
}

static char *next_sender(const char *start, int state)
{
    return next_seen(senders_seen, start, state, "");
}

static char *next_addressed(const char *start, int state)
{
    return next_seen(senders_seen, start, state, ":");
}

static char **complete(const char *word, int start, int end)
{
    static const char channel[] = "/channel ";
    (void)end;
    rl_attempted_completion_over = 1; /* no names of files */
    if (start == 0)
        return rl_completion_matches(word, *word == '/' ? next_command : next_addressed);
    if (start == (int)strlen(channel) && strncmp(rl_line_buffer, channel, strlen(channel)) == 0)
        return rl_completion_matches(word, next_channel);
    return rl_completion_matches(word, next_sender);
}

void screen_complete_from(const struct seen *senders, const struct seen *channels)
{
    senders_seen = senders;
    channels_seen = channels;
    rl_attempted_completion_function = complete;
    rl_basic_word_break_characters = " \t\n";
    rl_completer_word_break_characters = " \t\n";
    rl_completer_quote_characters = "";
    rl_completion_query_items = 0; /* a question would hold up all who print */
    rl_variable_bind("page-completions", "off");
}
