/* SPDX-License-Identifier: MIT */
/*
 * screen_complete: what the Tab key does on the screen's line: commands and senders at its
 * beginning, channels after /channel, senders elsewhere. A part of screen.c, under the same lock.
 *
 * Not built with READLINE=0.
 */
#ifndef CHANCAT_SCREEN_COMPLETE_H
#define CHANCAT_SCREEN_COMPLETE_H

#include "client/seen.h"

/* Tells readline, which must have been initialized. The names stay the caller's, and are read
 * whenever Tab is typed. */
void screen_complete_from(const struct seen *senders, const struct seen *channels);

#endif
