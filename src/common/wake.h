/* SPDX-License-Identifier: MIT */
/*
 * wake: a pipe to oneself, so that a thread that waits in poll() can be woken by another thread or
 * by a signal handler.
 *
 * That it was woken is kept until wake_clear(), however often: it says "look", not what at. Who
 * waits for it as an end that is for good never clears it.
 */
#ifndef CHANCAT_WAKE_H
#define CHANCAT_WAKE_H

#include <stdbool.h>

#include "common/error.h"

/* All zero: not open. */
struct wake {
    bool open;
    int fds[2];
};

/* Both ends are close-on-exec and never block. ERROR_LOCAL: no descriptors left; then it is
 * not open. */
enum error_kind wake_open(struct wake *w, struct error *e);

/* What is not open may be closed, too. */
void wake_close(struct wake *w);

/* Any thread, and async-signal-safe; errno stays. */
void wake_up(const struct wake *w);

/* Is readable once wake_up() was called; -1 when it is not open. */
int wake_fd(const struct wake *w);

/* Was it woken? Forgets it. */
bool wake_clear(const struct wake *w);

#endif
