/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/resource.h>

#include "common/wake.h"

static bool readable(const struct wake *w)
{
    struct pollfd p = {.fd = wake_fd(w), .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

static void is_woken_until_it_is_cleared(void **state)
{
    (void)state;
    struct wake w;
    assert_int_equal(wake_open(&w, NULL), ERROR_NONE);
    assert_false(readable(&w));
    assert_false(wake_clear(&w));
    wake_up(&w);
    wake_up(&w);
    assert_true(readable(&w));
    assert_true(wake_clear(&w));
    assert_false(readable(&w));
    wake_close(&w);
    assert_int_equal(wake_fd(&w), -1);
    wake_close(&w);
}

/* More than a pipe holds: nobody is held up, and errno is none of a handler's business. */
static void waking_never_blocks(void **state)
{
    (void)state;
    struct wake w;
    assert_int_equal(wake_open(&w, NULL), ERROR_NONE);
    errno = 0;
    for (int i = 0; i < 2 * 1024 * 1024; i++)
        wake_up(&w);
    assert_int_equal(errno, 0);
    assert_true(wake_clear(&w));
    assert_false(readable(&w));
    for (int i = 0; i < 2; i++)
        assert_true(fcntl(w.fds[i], F_GETFD) & FD_CLOEXEC);
    wake_close(&w);
}

static void without_descriptors_it_says_so(void **state)
{
    (void)state;
    struct wake w;
    struct error e;
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    enum error_kind kind = wake_open(&w, &e);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(kind, ERROR_LOCAL);
    assert_int_equal(wake_fd(&w), -1);
    wake_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_woken_until_it_is_cleared),
        cmocka_unit_test(waking_never_blocks),
        cmocka_unit_test(without_descriptors_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
