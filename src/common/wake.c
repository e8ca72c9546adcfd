/* SPDX-License-Identifier: MIT */
#include "common/wake.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum error_kind wake_open(struct wake *w, struct error *e)
{
    bool good = w->open = pipe(w->fds) == 0;
    for (int i = 0; i < 2 && good; i++)
        good = !fcntl(w->fds[i], F_SETFD, FD_CLOEXEC) && !fcntl(w->fds[i], F_SETFL, O_NONBLOCK);
    if (good)
        return ERROR_NONE;
    enum error_kind kind = error_set(e, ERROR_LOCAL, "cannot make a pipe: %s", strerror(errno));
    wake_close(w);
    return kind;
}

void wake_close(struct wake *w)
{
    for (int i = 0; i < 2 && w->open; i++)
        close(w->fds[i]);
    w->open = false;
}

void wake_up(const struct wake *w)
{
    int saved = errno;
    if (w->open)
        (void)!write(w->fds[1], "", 1); /* a pipe that is full says it already */
    errno = saved;
}

int wake_fd(const struct wake *w)
{
    return w->open ? w->fds[0] : -1;
}

bool wake_clear(const struct wake *w)
{
    char bytes[64];
    bool woken = false;
    while (w->open && read(w->fds[0], bytes, sizeof(bytes)) > 0)
        woken = true;
    return woken;
}
