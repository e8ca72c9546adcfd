/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/listen.h"

#define PASSED_FD 3

static void what_is_no_address_is_usage(void **state)
{
    (void)state;
    static const char *const table[] = {
        "",
        "127.0.0.1",
        ":80",
        "127.0.0.1:",
        "127.0.0.1:x",
        "::1:80",
        "[]:80",
        "unix:",
        "127.0.0.1:-1",
        "127.0.0.1:65536",
        "127.0.0.1:99999",
        "127.0.0.1:123456789012345",
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct listener l;
        struct error e = {0};
        assert_int_equal(listen_open(&l, table[i], &e), ERROR_USAGE);
        assert_true(e.text[0] != '\0');
        listen_close(&l);
        assert_int_equal(listen_check(table[i], NULL), ERROR_USAGE);
    }
}

/* Also one that is in use; and then nothing has been made or taken. */
static void an_address_is_checked_without_taking_it(void **state)
{
    (void)state;
    struct listener l;
    struct error e;
    assert_int_equal(listen_open(&l, "127.0.0.1:0", NULL), ERROR_NONE);
    assert_int_equal(listen_check(l.url + 7, &e), ERROR_NONE);
    listen_close(&l);
    assert_int_equal(listen_check("127.0.0.1:80", &e), ERROR_NONE);
    assert_int_equal(listen_check("192.0.2.1:10080", &e), ERROR_LOCAL); /* not of this machine */
    assert_non_null(strstr(e.text, "cannot listen on 192.0.2.1:10080: "));
    assert_int_equal(listen_check("unix:/nonexistent/x", &e), ERROR_LOCAL);
    char path[200] = "unix:";
    memset(path + 5, 'x', sizeof(path) - 6);
    assert_int_equal(listen_check(path, &e), ERROR_USAGE);
}

static void port_0_picks_one_and_tells_it(void **state)
{
    (void)state;
    struct listener first, second;
    struct error e;
    assert_int_equal(listen_open(&first, "127.0.0.1:0", NULL), ERROR_NONE);
    assert_int_equal(strncmp(first.url, "http://127.0.0.1:", 17), 0);
    assert_true(atoi(first.url + 17) > 0);
    assert_int_equal(listen_open(&second, first.url + 7, &e), ERROR_LOCAL); /* taken */
    listen_close(&second);
    listen_close(&first);
    assert_int_equal(first.fd, -1);
}

static void a_unix_socket_replaces_only_a_dead_one(void **state)
{
    (void)state;
    struct listener first, second;
    char path[64], address[80];
    snprintf(path, sizeof(path), "/tmp/listen-test-%ld", (long)getpid());
    snprintf(address, sizeof(address), "unix:%s", path);
    assert_int_equal(listen_open(&first, address, NULL), ERROR_NONE);
    assert_string_equal(first.url, address);
    assert_int_equal(listen_open(&second, address, NULL), ERROR_LOCAL); /* alive */
    listen_close(&second);
    assert_int_equal(access(path, F_OK), 0);
    close(first.fd); /* as after kill -9: the file stays */
    assert_int_equal(listen_open(&second, address, NULL), ERROR_NONE);
    listen_close(&second);
    assert_int_equal(access(path, F_OK), -1);
    FILE *file = fopen(path, "w"); /* not a socket: never removed */
    assert_non_null(file);
    fclose(file);
    assert_int_equal(listen_open(&second, address, NULL), ERROR_LOCAL);
    listen_close(&second);
    assert_int_equal(unlink(path), 0);
}

/* As a service manager does before it starts a program. */
static void pass(int fd, const char *count)
{
    char pid[32];
    snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", count, 1);
    if (fd != PASSED_FD)
        assert_int_equal(dup2(fd, PASSED_FD), PASSED_FD);
}

/* What a socket that was passed is called; it is closed. */
static void assert_inherited(int fd, const char *url)
{
    struct listener l;
    pass(fd, "1");
    assert_int_equal(listen_inherit(&l, NULL), ERROR_NONE);
    assert_int_equal(l.fd, PASSED_FD);
    assert_true(l.inherited);
    assert_string_equal(l.url, url);
    assert_int_equal(fcntl(l.fd, F_GETFD), FD_CLOEXEC);
    listen_close(&l);
}

static void a_socket_that_was_passed_is_taken(void **state)
{
    (void)state;
    struct listener made, l;
    char path[64], address[80];
    assert_int_equal(listen_open(&made, "127.0.0.1:0", NULL), ERROR_NONE);
    assert_inherited(made.fd, made.url);
    listen_close(&made);
    snprintf(path, sizeof(path), "/tmp/listen-test-%ld", (long)getpid());
    snprintf(address, sizeof(address), "unix:%s", path);
    assert_int_equal(listen_open(&made, address, NULL), ERROR_NONE);
    assert_inherited(made.fd, address);
    assert_int_equal(access(path, F_OK), 0); /* the manager's */
    listen_close(&made);
    setenv("LISTEN_PID", "1", 1); /* another process's */
    assert_int_equal(listen_inherit(&l, NULL), ERROR_NONE);
    assert_int_equal(l.fd, -1);
    unsetenv("LISTEN_PID");
    assert_int_equal(listen_inherit(&l, NULL), ERROR_NONE);
    assert_int_equal(l.fd, -1);
}

static void what_cannot_listen_is_usage(void **state)
{
    (void)state;
    struct listener l;
    int pair[2], unbound = socket(AF_INET, SOCK_STREAM, 0),
                 datagram = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    const int wrong[] = {pair[0], unbound, datagram, STDERR_FILENO};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        pass(wrong[i], "1");
        assert_int_equal(listen_inherit(&l, NULL), ERROR_USAGE);
        assert_int_equal(l.fd, -1);
    }
    static const char *const counts[] = {"2", "0", "-1", "", "one", "1one"};
    for (size_t i = 0; i < COUNT(counts); i++) {
        pass(PASSED_FD, counts[i]);
        assert_int_equal(listen_inherit(&l, NULL), ERROR_USAGE);
    }
    unsetenv("LISTEN_FDS");
    assert_int_equal(listen_inherit(&l, NULL), ERROR_USAGE);
    pass(PASSED_FD, "1");
    setenv("LISTEN_PID", "me", 1);
    assert_int_equal(listen_inherit(&l, NULL), ERROR_USAGE);
    close(PASSED_FD);
    pass(PASSED_FD, "1");
    assert_int_equal(listen_inherit(&l, NULL), ERROR_USAGE);
    const int all[] = {pair[0], pair[1], unbound, datagram};
    for (size_t i = 0; i < COUNT(all); i++)
        close(all[i]);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
}

/* Descriptor 3 is the tests' from here on. */
static int reserve_passed_fd(void **state)
{
    (void)state;
    int fd = open("/dev/null", O_RDONLY);
    return fd < 0 || dup2(fd, PASSED_FD) < 0 || (fd != PASSED_FD && close(fd)) ? -1 : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_address_is_usage),
        cmocka_unit_test(an_address_is_checked_without_taking_it),
        cmocka_unit_test(port_0_picks_one_and_tells_it),
        cmocka_unit_test(a_unix_socket_replaces_only_a_dead_one),
        cmocka_unit_test_setup(a_socket_that_was_passed_is_taken, reserve_passed_fd),
        cmocka_unit_test_setup(what_cannot_listen_is_usage, reserve_passed_fd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
