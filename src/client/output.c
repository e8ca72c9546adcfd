/* SPDX-License-Identifier: MIT */
#include "client/output.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/stop.h"

static void lock(void *context)
{
    pthread_mutex_lock(context);
}

static void unlock(void *context)
{
    pthread_mutex_unlock(context);
}

static bool same_file(int a, int b)
{
    struct stat of_a, of_b;
    return fstat(a, &of_a) == 0 && fstat(b, &of_b) == 0 && of_a.st_dev == of_b.st_dev &&
           of_a.st_ino == of_b.st_ino;
}

void output_init(struct output *out, int fd)
{
    *out = (struct output){.fd = fd};
    pthread_mutex_init(&out->lock, NULL);
    out->guards_stderr = same_file(fd, STDERR_FILENO);
    if (out->guards_stderr)
        log_set_guard(lock, unlock, &out->lock);
}

void output_release(struct output *out)
{
    if (out->guards_stderr)
        log_set_guard(NULL, NULL, NULL);
    pthread_mutex_destroy(&out->lock);
}

static bool wait_writable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    return poll(&p, 1, -1) >= 0 || errno == EINTR;
}

static enum output_result write_all(int fd, const char *bytes, size_t len, size_t *written,
                                    struct error *e)
{
    while (*written < len) {
        /* A signal that comes right here is seen after stop's nudge has interrupted write(). */
        ssize_t n = write(fd, bytes + *written, len - *written);
        if (n >= 0) {
            *written += (size_t)n;
            continue;
        }
        if (errno == EPIPE || errno == ECONNRESET)
            return OUTPUT_GONE;
        if (errno == EINTR && stop_signal())
            return OUTPUT_STOPPED;
        bool again = errno == EINTR || ((errno == EAGAIN || errno == EWOULDBLOCK) &&
                                        !stop_signal() && wait_writable(fd));
        if (again)
            continue;
        if (stop_signal())
            return OUTPUT_STOPPED;
        error_set(e, ERROR_LOCAL, "cannot write to standard output: %s", strerror(errno));
        return OUTPUT_FAILED;
    }
    return OUTPUT_OK;
}

enum output_result output_write(struct output *out, struct buf *b, size_t *ret_written,
                                struct error *e)
{
    size_t written = 0;
    pthread_mutex_lock(&out->lock);
    enum output_result r = write_all(out->fd, b->data, b->len, &written, e);
    pthread_mutex_unlock(&out->lock);
    if (ret_written)
        *ret_written = written;
    buf_clear(b);
    return r;
}

bool output_is_gone(const struct output *out)
{
    struct pollfd p = {.fd = out->fd};
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLERR | POLLHUP)) != 0;
}
