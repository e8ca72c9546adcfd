/* SPDX-License-Identifier: MIT */
/*
 * Instead of screen.c with READLINE=0: no terminal is capable, so nothing else is ever asked for.
 */
#include "client/screen.h"

bool screen_is_capable(void)
{
    return false;
}

const char *screen_library_version(void)
{
    return NULL;
}

enum error_kind screen_open(const struct seen *senders, const struct seen *channels,
                            struct error *e)
{
    (void)senders, (void)channels, (void)e;
    return ERROR_LOCAL;
}

void screen_close(struct buf *ret_typed)
{
    (void)ret_typed;
}

void screen_hide(void)
{
}

void screen_show(void)
{
}

int screen_signal_fd(void)
{
    return -1;
}

void screen_refresh(void)
{
}

void screen_read(void)
{
}

bool screen_take(struct buf *ret)
{
    (void)ret;
    return false;
}

bool screen_ended(void)
{
    return true;
}

void screen_prompt(const char *prompt, bool keep)
{
    (void)prompt, (void)keep;
}

bool screen_put(struct span text)
{
    (void)text;
    return false;
}

bool screen_is_empty(void)
{
    return true;
}

enum screen_event screen_event(void)
{
    return SCREEN_NOTHING;
}

void screen_forget(void)
{
}

void screen_remember(const char *line)
{
    (void)line;
}
