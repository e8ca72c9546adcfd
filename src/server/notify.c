/* SPDX-License-Identifier: MIT */
#include "server/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum error_kind notify_send(const char *state, struct error *e)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    if (!path || !*path)
        return ERROR_NONE;
    size_t len = strlen(path), size = strlen(state);
    if ((*path != '/' && *path != '@') || len >= sizeof(where.sun_path))
        return error_set(e, ERROR_LOCAL, "NOTIFY_SOCKET is no Unix socket: %.200s", path);
    memcpy(where.sun_path, path, len);
    if (*path == '@')
        where.sun_path[0] = '\0'; /* a name outside the file system, of exactly this length */
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    ssize_t n = fd < 0 ? -1
                       : sendto(fd, state, size, MSG_NOSIGNAL, (const struct sockaddr *)&where,
                                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    int reason = errno;
    if (fd >= 0)
        close(fd);
    return n == (ssize_t)size ? ERROR_NONE
                              : error_set(e, ERROR_LOCAL, "cannot tell NOTIFY_SOCKET %s: %s", state,
                                          strerror(reason));
}
