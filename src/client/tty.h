/* SPDX-License-Identifier: MIT */
/*
 * tty: the modes of the terminal on stdin, given back also when the program dies without being
 * asked: by SIGQUIT (control-\), or by a second signal that came while it was ending (stop.h).
 *
 * tty_take() before the modes are changed, tty_given_back() when they have been set back; both by
 * the owner of the screen. A crash and SIGKILL leave the terminal as it is.
 */
#ifndef CHANCAT_TTY_H
#define CHANCAT_TTY_H

/* Notes the modes. The first call sets up the rest. */
void tty_take(void);

void tty_given_back(void);

#endif
