/* SPDX-License-Identifier: MIT */
#include "common/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
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
    void (*writer)(void *context, const char *line, size_t len);
    void *writer_context;
    bool never_block;
    pthread_mutex_t stderr_lock; /* with never_block: room that was seen is still there */
    unsigned lost;               /* under it: lines, since one got out */
} state = {.name = "chancat", .level = LOG_NORMAL, .stderr_lock = PTHREAD_MUTEX_INITIALIZER};

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

void log_set_writer(void (*writer)(void *context, const char *line, size_t len), void *context)
{
    state.writer = writer;
    state.writer_context = context;
}

void log_never_block(void)
{
    state.never_block = true;
}

static void write_whole(const char *line, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = write(STDERR_FILENO, line + done, len - done);
        if (n > 0)
            done += (size_t)n;
        else if (n < 0 && (errno != EINTR || stop_signal()))
            break; /* nowhere left to complain, or nobody reads and the run must end */
    }
}

/* A pipe that can be written to at all takes PIPE_BUF bytes at once. */
static void write_or_lose(const char *line, size_t len, int wait_ms)
{
    char told[64];
    struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&fd, 1, stop_signal() ? 0 : wait_ms) != 1 || !(fd.revents & POLLOUT)) {
        state.lost++;
        return;
    }
    size_t before = 0;
    if (state.lost)
        before = (size_t)snprintf(told, sizeof(told), "%.30s: %u lines were lost\n", state.name,
                                  state.lost);
    state.lost = 0;
    write_whole(told, before);
    bool cut = len + before > PIPE_BUF;
    write_whole(line, cut ? PIPE_BUF - before - 1 : len);
    if (cut)
        write_whole("\n", 1);
}

static void write_line(const char *line, size_t len, int wait_ms)
{
    if (state.writer) {
        state.writer(state.writer_context, line, len);
        return;
    }
    if (state.lock)
        state.lock(state.context);
    if (state.never_block) {
        pthread_mutex_lock(&state.stderr_lock);
        write_or_lose(line, len, wait_ms);
        pthread_mutex_unlock(&state.stderr_lock);
    } else {
        write_whole(line, len);
    }
    if (state.unlock)
        state.unlock(state.context);
}

/* What could not be said might hold anything, and there is no room to make it safe. */
static void say_no_memory(int wait_ms)
{
    char line[128];
    int len = snprintf(line, sizeof(line), "%.60s: no memory, not even to say what is wrong\n",
                       state.name);
    write_line(line, (size_t)len, wait_ms);
}

static void say(int wait_ms, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void say(int wait_ms, const char *format, va_list args)
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
        write_line(line.data, line.len, wait_ms);
    else
        say_no_memory(wait_ms);
    buf_release(&line);
}

void log_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(LOG_WAIT_MS, format, args);
    va_end(args);
}

void log_warn(const char *format, ...)
{
    if (state.level < LOG_NORMAL)
        return;
    va_list args;
    va_start(args, format);
    say(LOG_WAIT_MS, format, args);
    va_end(args);
}

void log_info(const char *format, ...)
{
    if (state.level < LOG_VERBOSE)
        return;
    va_list args;
    va_start(args, format);
    say(0, format, args);
    va_end(args);
}
