/* SPDX-License-Identifier: MIT */
#include "client/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
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

void output_lock(struct output *out)
{
    lock(&out->lock);
}

void output_unlock(struct output *out)
{
    unlock(&out->lock);
}

void output_set_frame(struct output *out, const struct output_frame *frame)
{
    output_lock(out);
    out->frame = frame;
    output_unlock(out);
}

static bool wait_writable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    return poll(&p, 1, -1) >= 0 || errno == EINTR;
}

/* How many bytes are left of the line that is in work. */
static size_t rest_of_line(const char *bytes, size_t len, size_t written)
{
    const char *from = bytes + written;
    const char *newline = written ? memchr(from, '\n', len - written) : NULL;
    return newline && from[-1] != '\n' ? (size_t)(newline - from) + 1 : 0;
}

/* A signal came in the middle: the `rest` still goes out, if the reader takes it in time. At most
 * PIPE_BUF bytes after POLLOUT do not block. */
static void finish(int fd, const char *bytes, size_t rest, size_t *written)
{
    int64_t deadline = clock_deadline(OUTPUT_GRACE_MS);
    while (rest && clock_left_ms(deadline) > 0) {
        struct pollfd fds[] = {{.fd = fd, .events = POLLOUT},
                               {.fd = stop_now_fd(), .events = POLLIN}};
        if (poll(fds, 2, clock_left_ms(deadline)) < 0 && errno == EINTR)
            continue;
        if (fds[1].revents || !(fds[0].revents & POLLOUT))
            return;
        ssize_t n = write(fd, bytes + *written, rest < PIPE_BUF ? rest : PIPE_BUF);
        if (n < 0 && errno != EINTR)
            return;
        if (n > 0) {
            *written += (size_t)n;
            rest -= (size_t)n;
        }
    }
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

static enum output_result write_framed(struct output *out, struct buf *b, bool whole,
                                       size_t *ret_written, struct error *e)
{
    size_t written = 0;
    output_lock(out);
    const struct output_frame *frame = out->frame;
    if (frame)
        frame->open(frame->context);
    enum output_result r = write_all(out->fd, b->data, b->len, &written, e);
    if (r == OUTPUT_STOPPED)
        finish(out->fd, b->data, whole ? b->len - written : rest_of_line(b->data, b->len, written),
               &written);
    if (r == OUTPUT_STOPPED && whole && written == b->len)
        r = OUTPUT_OK;
    if (frame)
        frame->close(frame->context);
    output_unlock(out);
    if (ret_written)
        *ret_written = written;
    buf_clear(b);
    return r;
}

enum output_result output_write(struct output *out, struct buf *b, size_t *ret_written,
                                struct error *e)
{
    return write_framed(out, b, false, ret_written, e);
}

enum output_result output_write_whole(struct output *out, struct buf *b, struct error *e)
{
    return write_framed(out, b, true, NULL, e);
}

enum error_kind output_sync(const struct output *out, struct error *e)
{
    struct stat info;
    if (fstat(out->fd, &info) || !S_ISREG(info.st_mode) || fdatasync(out->fd) == 0)
        return ERROR_NONE;
    return error_set(e, ERROR_LOCAL, "cannot put standard output on disk: %s", strerror(errno));
}

bool output_is_closed(const struct output *out)
{
    int flags = fcntl(out->fd, F_GETFL);
    return flags < 0 || (flags & O_ACCMODE) == O_RDONLY;
}

bool output_is_gone(const struct output *out)
{
    struct pollfd p = {.fd = out->fd};
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLERR | POLLHUP)) != 0;
}
