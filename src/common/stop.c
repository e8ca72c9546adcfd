/* SPDX-License-Identifier: MIT */
#include "common/stop.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "common/wake.h"

static const int stop_signals[] = {SIGINT, SIGTERM, SIGHUP};
#define STOP_SIGNALS (sizeof(stop_signals) / sizeof(stop_signals[0]))

#define NUDGE_SECONDS 1

static atomic_int first_signal; /* lock-free, so handlers may use it; other threads read it */
static struct wake stages[2];
static void (*_Atomic last)(void);

static void on_stop(int signal_number)
{
    int none = 0;
    int stage = atomic_compare_exchange_strong(&first_signal, &none, signal_number) ? 0 : 1;
    wake_up(&stages[stage]);
    alarm(NUDGE_SECONDS);
}

/* Once a second after the first signal. After the second one the program has had its chance: a
 * call that still blocks is not worth waiting for. */
static void on_nudge(int signal_number)
{
    (void)signal_number;
    struct pollfd p = {.fd = wake_fd(&stages[1]), .events = POLLIN};
    if (poll(&p, 1, 0) > 0)
        stop_die();
    alarm(NUDGE_SECONDS);
}

enum error_kind stop_init(struct error *e)
{
    for (int i = 0; i < 2; i++) {
        if (wake_open(&stages[i], e))
            return ERROR_LOCAL;
    }
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
    return wake_fd(&stages[0]);
}

int stop_now_fd(void)
{
    return wake_fd(&stages[1]);
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
    void (*last_act)(void) = atomic_load(&last);
    if (last_act)
        last_act();
    signal(signal_number, SIG_DFL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal_number);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    raise(signal_number);
}

void stop_before_death(void (*last_act)(void))
{
    atomic_store(&last, last_act);
}
