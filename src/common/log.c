/* SPDX-License-Identifier: MIT */
#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/stop.h"
#include "common/text.h"

static struct {
    const char *name;
    enum log_level level;
    void (*lock)(void *context);
    void (*unlock)(void *context);
    void *context;
} state = {.name = "chancat", .level = LOG_NORMAL};

void log_init(const char *name, enum log_level level)
{
    state.name = name;
    state.level = level;
}

void log_set_level(enum log_level level)
{
    state.level = level;
}

enum log_level log_get_level(void)
{
    return state.level;
}

void log_set_guard(void (*lock)(void *context), void (*unlock)(void *context), void *context)
{
    state.lock = lock;
    state.unlock = unlock;
    state.context = context;
}

static void write_line(struct span line)
{
    if (state.lock)
        state.lock(state.context);
    size_t done = 0;
    while (done < line.len) {
        ssize_t n = write(STDERR_FILENO, line.data + done, line.len - done);
        if (n > 0)
            done += (size_t)n;
        else if (n < 0 && (errno != EINTR || stop_signal()))
            break; /* nowhere left to complain, or nobody reads and the run must end */
    }
    if (state.unlock)
        state.unlock(state.context);
}

/* Without memory, which is what the sentence may be about: only ASCII is shown as it is. */
static void say_plainly(const char *sentence, size_t len)
{
    char line[LOG_LINE_MAX + 64];
    int n = snprintf(line, sizeof(line), "%.40s: %.*s\n", state.name, (int)len, sentence);
    for (int i = 0; i < n - 1; i++) {
        if (line[i] < ' ' || line[i] > '~')
            line[i] = '?';
    }
    if (n > 0)
        write_line((struct span){line, (size_t)n});
}

static void say(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

static void say(const char *format, va_list args)
{
    char sentence[LOG_LINE_MAX];
    int len = vsnprintf(sentence, sizeof(sentence), format, args);
    if (len < 0)
        return;
    if ((size_t)len >= sizeof(sentence))
        len = sizeof(sentence) - 1;
    struct buf line;
    /* each byte may become \uXXXX; the name and the newline come on top */
    buf_init(&line, sizeof(sentence) * 6 + strlen(state.name) + 4);
    if (!buf_addf(&line, "%s: ", state.name) &&
        !text_add_visible(&line, (struct span){sentence, (size_t)len}) &&
        !buf_add_char(&line, '\n'))
        write_line((struct span){line.data, line.len});
    else
        say_plainly(sentence, (size_t)len);
    buf_release(&line);
}

void log_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

void log_warn(const char *format, ...)
{
    if (state.level < LOG_NORMAL)
        return;
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

void log_info(const char *format, ...)
{
    if (state.level < LOG_VERBOSE)
        return;
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
}
