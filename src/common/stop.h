/* SPDX-License-Identifier: MIT */
/*
 * stop: SIGINT, SIGTERM and SIGHUP turned into something poll() can watch.
 *
 * The first signal makes stop_fd() readable for good, the second stop_now_fd(): everybody who
 * waits watches one of the two, nobody drains them. A signal that was ignored when the program
 * started (nohup, background jobs) stays ignored. SIGPIPE is ignored: a reader that went
 * away shows as EPIPE.
 *
 * Handlers are process-wide, so is this state; it belongs to this module alone. After the first
 * signal SIGALRM repeats once a second: a write(2) that was entered just as the
 * signal came is still interrupted (EINTR) and can look at stop_signal(). A second after a second
 * signal the process dies by the first one, whatever it waits for.
 */
#ifndef CHANCAT_STOP_H
#define CHANCAT_STOP_H

#include "common/error.h"

/* Installs the handlers. Before threads start. ERROR_LOCAL: no descriptors left. */
enum error_kind stop_init(struct error *e);

/* The signal that came first, or 0. Any thread. */
int stop_signal(void);

int stop_fd(void);     /* readable once a signal came */
int stop_now_fd(void); /* readable once a second one came */

/* Blocks the stop signals in the calling thread, so that the main thread gets them. */
void stop_block_here(void);

/* Ends the process by the signal that came, as a shell expects. Returns only if none did. */
void stop_die(void);

/* Is called right before that, in a signal handler perhaps: something that must not be left as it
 * is. */
void stop_before_death(void (*last_act)(void));

#endif
