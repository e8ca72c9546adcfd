/* SPDX-License-Identifier: MIT */
#include "common/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static const int stop_signals[] = {SIGINT, SIGTERM, SIGHUP};
#define STOP_SIGNALS (sizeof(stop_signals) / sizeof(stop_signals[0]))

#define NUDGE_SECONDS 1

static atomic_int first_signal; /* lock-free, so handlers may use it; other threads read it */
static int pipes[2][2] = {{-1, -1}, {-1, -1}};

static void on_stop(int signal_number)
{
    int saved = errno;
    int none = 0;
    int stage = atomic_compare_exchange_strong(&first_signal, &none, signal_number) ? 0 : 1;
    (void)!write(pipes[stage][1], "", 1);
    alarm(NUDGE_SECONDS);
    errno = saved;
}

/* Once a second after the first signal. After the second one the program has had its chance: a
 * call that still blocks is not worth waiting for. */
static void on_nudge(int signal_number)
{
    (void)signal_number;
    struct pollfd p = {.fd = pipes[1][0], .events = POLLIN};
    if (poll(&p, 1, 0) > 0)
        stop_die();
    alarm(NUDGE_SECONDS);
}

static int make_pipe(int ends[2])
{
    if (pipe(ends))
        return -1;
    for (int i = 0; i < 2; i++) {
        if (fcntl(ends[i], F_SETFD, FD_CLOEXEC) || fcntl(ends[i], F_SETFL, O_NONBLOCK))
            return -1;
    }
    return 0;
}

enum error_kind stop_init(struct error *e)
{
    if (make_pipe(pipes[0]) || make_pipe(pipes[1]))
        return error_set(e, ERROR_LOCAL, "cannot make a pipe: %s", strerror(errno));
    struct sigaction action = {.sa_handler = on_nudge}; /* no SA_RESTART: interrupt write(2) */
    sigemptyset(&action.sa_mask);
    sigaction(SIGALRM, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
    sigaction(SIGXFSZ, &action, NULL); /* a file size limit is an error of write(2), too */
    action.sa_handler = on_stop;
    for (size_t i = 0; i < STOP_SIGNALS; i++)
        sigaddset(&action.sa_mask, stop_signals[i]);
    for (size_t i = 0; i < STOP_SIGNALS; i++) {
        struct sigaction before;
        if (sigaction(stop_signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(stop_signals[i], &action, NULL);
    }
    return ERROR_NONE;
}

int stop_signal(void)
{
    return atomic_load(&first_signal);
}

int stop_fd(void)
{
    return pipes[0][0];
}

int stop_now_fd(void)
{
    return pipes[1][0];
}

void stop_block_here(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    for (size_t i = 0; i < STOP_SIGNALS; i++)
        sigaddset(&set, stop_signals[i]);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

void stop_die(void)
{
    int signal_number = atomic_load(&first_signal);
    if (!signal_number)
        return;
    signal(signal_number, SIG_DFL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal_number);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    raise(signal_number);
}
