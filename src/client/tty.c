/* SPDX-License-Identifier: MIT */
#include "client/tty.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "common/stop.h"

/* Rows wrap and pastes are not marked, which is how a terminal is found. */
#define ORDINARY "\033[?7h\033[?2004l\r\n"

/* Handlers read this, so it is only written while `taken` says no; that is lock-free. */
static struct termios before;
static atomic_bool taken;

/* Only async-signal-safe calls. A job in the background must leave the terminal alone: whoever is
 * in the foreground has set it, and it would be stopped. */
static void give_back_now(void)
{
    int saved = errno;
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    if (atomic_exchange(&taken, false) && tcgetpgrp(STDIN_FILENO) == getpgrp()) {
        tcsetattr(STDIN_FILENO, TCSANOW, &before);
        if (poll(&out, 1, 0) > 0 && (out.revents & POLLOUT)) /* else it would wait, for ever */
            (void)!write(STDOUT_FILENO, ORDINARY, strlen(ORDINARY));
    }
    errno = saved;
}

static void on_quit(int signal_number)
{
    give_back_now();
    signal(signal_number, SIG_DFL);
    raise(signal_number); /* once this handler has returned */
}

static void set_up(void)
{
    static bool done;
    struct sigaction action = {.sa_handler = on_quit}, old;
    if (done)
        return;
    done = true;
    stop_before_death(give_back_now);
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGQUIT, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
        sigaction(SIGQUIT, &action, NULL);
}

void tty_take(void)
{
    set_up();
    atomic_store(&taken, false);
    atomic_store(&taken, tcgetattr(STDIN_FILENO, &before) == 0);
}

void tty_given_back(void)
{
    atomic_store(&taken, false);
}
