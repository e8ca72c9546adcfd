/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/stop.h"

static bool readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

/* Each case in a child: signals are the whole process's. Returns its wait status. */
static int in_child(void (*run)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        run();
        _exit(100);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void two_stages(void)
{
    bool good = stop_init(NULL) == ERROR_NONE && !readable(stop_fd()) && stop_signal() == 0;
    raise(SIGTERM);
    good = good && readable(stop_fd()) && !readable(stop_now_fd()) && stop_signal() == SIGTERM;
    raise(SIGINT);
    good = good && readable(stop_fd()) && readable(stop_now_fd()) && stop_signal() == SIGTERM;
    _exit(good ? 0 : 1);
}

static void dies(void)
{
    stop_init(NULL);
    raise(SIGHUP);
    stop_die();
}

static int last_act_ends[2];

static void last_act(void)
{
    (void)!write(last_act_ends[1], "!", 1);
}

static void dies_after_a_last_act(void)
{
    stop_init(NULL);
    stop_before_death(last_act);
    raise(SIGTERM);
    stop_die();
}

static void was_ignored(void)
{
    signal(SIGHUP, SIG_IGN);
    stop_init(NULL);
    raise(SIGHUP);
    _exit(stop_signal() == 0 && !readable(stop_fd()) ? 0 : 1);
}

/* A write that was entered before the signal is interrupted, however late it blocked. */
static void blocked_write(void)
{
    int ends[2];
    static char bytes[1 << 20];
    if (pipe(ends) || stop_init(NULL))
        _exit(2);
    raise(SIGTERM);
    ssize_t n = write(ends[1], bytes, sizeof(bytes)); /* nobody reads */
    _exit(n < (ssize_t)sizeof(bytes) ? 0 : 1);
}

static void the_first_signal_asks_the_second_insists(void **state)
{
    (void)state;
    assert_int_equal(in_child(two_stages), 0);
}

static void the_process_dies_by_the_signal(void **state)
{
    (void)state;
    int status = in_child(dies);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGHUP);
}

static void something_is_done_before(void **state)
{
    (void)state;
    char byte = 0;
    assert_int_equal(pipe(last_act_ends), 0);
    int status = in_child(dies_after_a_last_act);
    assert_true(WIFSIGNALED(status));
    close(last_act_ends[1]);
    assert_int_equal(read(last_act_ends[0], &byte, 1), 1);
    assert_int_equal(byte, '!');
    close(last_act_ends[0]);
}

static void an_ignored_signal_stays_ignored(void **state)
{
    (void)state;
    assert_int_equal(in_child(was_ignored), 0);
}

static void a_blocked_write_is_nudged(void **state)
{
    (void)state;
    assert_int_equal(in_child(blocked_write), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_signal_asks_the_second_insists),
        cmocka_unit_test(the_process_dies_by_the_signal),
        cmocka_unit_test(something_is_done_before),
        cmocka_unit_test(an_ignored_signal_stays_ignored),
        cmocka_unit_test(a_blocked_write_is_nudged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
