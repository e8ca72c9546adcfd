/* SPDX-License-Identifier: MIT */
/*
 * log: what the program says on stderr, one line each, as `name: sentence`.
 *
 * Every line is made safe first (text_add_visible), so hostile text in a
 * sentence can neither move a cursor nor forge a second line, and it leaves in one
 * write(2). Safe from every thread. Lines longer than LOG_LINE_MAX are cut.
 *
 * This module owns the only process-wide state of the program: its name, the
 * level, the guard and the writer, all set before threads start.
 */
#ifndef CHANCAT_LOG_H
#define CHANCAT_LOG_H

#include <stddef.h>

#define LOG_LINE_MAX 2048
#define LOG_WAIT_MS  1000

enum log_level {
    LOG_QUIET = 0, /* errors only */
    LOG_NORMAL,    /* errors and warnings */
    LOG_VERBOSE    /* also what the program is doing */
};

/* Call once, before any other thread exists. `name` must stay valid. */
void log_init(const char *name, enum log_level level);

/* Replaces only the level (the options are known later than the name). */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* While a line is written, `lock(context)` is held: the owner of stdout sets this when both
 * streams are one file, so that lines of both stay whole. Before threads start; NULL takes it away.
 */
void log_set_guard(void (*lock)(void *context), void (*unlock)(void *context), void *context);

/* Hands each line, its newline included, to `writer` instead of writing it to stderr: for the owner
 * of a terminal that stderr is, too. Any thread calls it. Before threads start; NULL takes it away.
 */
void log_set_writer(void (*writer)(void *context, const char *line, size_t len), void *context);

/* For a server, which must go on when nobody reads what it says: from now on a line that stderr
 * does not take within LOG_WAIT_MS (log_info: at once) is lost, and how many were is said with the
 * next one. Lines are cut to what a pipe takes whole. Before threads start. */
void log_never_block(void);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
