/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/notify.h"
#include "unit/scratch.h"

static int manager(const struct sockaddr_un *where, size_t len)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)where,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
                     0);
    return fd;
}

static void assert_told(int fd, const char *state)
{
    char got[100] = "";
    assert_int_equal(notify_send(state, NULL), ERROR_NONE);
    assert_int_equal(recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT), strlen(state));
    assert_string_equal(got, state);
}

static void the_manager_is_told(void **state)
{
    (void)state;
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    snprintf(where.sun_path, sizeof(where.sun_path), "%s", scratch_path("socket"));
    int fd = manager(&where, strlen(where.sun_path));
    setenv("NOTIFY_SOCKET", where.sun_path, 1);
    assert_told(fd, NOTIFY_READY);
    assert_told(fd, NOTIFY_STOPPING);
    close(fd);
    assert_int_equal(notify_send(NOTIFY_READY, NULL), ERROR_LOCAL); /* nobody reads any more */
}

#ifdef __linux__
static void a_name_outside_the_file_system_works(void **state)
{
    (void)state;
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    char name[64];
    int len = snprintf(name, sizeof(name), "@chancat-test-%ld", (long)getpid());
    memcpy(where.sun_path + 1, name + 1, (size_t)len - 1);
    int fd = manager(&where, (size_t)len);
    setenv("NOTIFY_SOCKET", name, 1);
    assert_told(fd, NOTIFY_READY);
    close(fd);
}
#endif

static void without_a_manager_nothing_happens_and_nonsense_is_told(void **state)
{
    (void)state;
    static const char *const wrong[] = {"relative", "vsock:2:1", "/nonexistent/socket"};
    struct error e;
    char path[300];
    unsetenv("NOTIFY_SOCKET");
    assert_int_equal(notify_send(NOTIFY_READY, NULL), ERROR_NONE);
    setenv("NOTIFY_SOCKET", "", 1);
    assert_int_equal(notify_send(NOTIFY_READY, NULL), ERROR_NONE);
    for (size_t i = 0; i < COUNT(wrong); i++) {
        setenv("NOTIFY_SOCKET", wrong[i], 1);
        assert_int_equal(notify_send(NOTIFY_READY, &e), ERROR_LOCAL);
        assert_non_null(strstr(e.text, "NOTIFY_SOCKET"));
    }
    memset(path, '/', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    setenv("NOTIFY_SOCKET", path, 1);
    assert_int_equal(notify_send(NOTIFY_READY, &e), ERROR_LOCAL);
    unsetenv("NOTIFY_SOCKET");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_manager_is_told, scratch_make, scratch_remove),
#ifdef __linux__
        cmocka_unit_test(a_name_outside_the_file_system_works),
#endif
        cmocka_unit_test(without_a_manager_nothing_happens_and_nonsense_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
