/* SPDX-License-Identifier: MIT */
#include "client/input.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/stop.h"

enum error_kind input_init(struct input *in, int fd, bool null_ended, size_t max_bytes,
                           struct error *e)
{
    *in = (struct input){
        .fd = fd, .end = null_ended ? '\0' : '\n', .max_bytes = max_bytes, .watch_fd = -1};
    /* a record, its CR, and two reads: one in the middle of it, one behind */
    buf_init(&in->bytes, max_bytes + 2 * INPUT_READ_BYTES);
    return wake_open(&in->wake, e);
}

void input_release(struct input *in)
{
    buf_release(&in->bytes);
    wake_close(&in->wake);
}

void input_stop(struct input *in)
{
    wake_up(&in->wake);
}

/* Waits until stdin can be read. INPUT_RECORD stands for "go on". */
static enum input_result wait_readable(struct input *in, int64_t deadline, struct error *e)
{
    struct pollfd fds[] = {
        {.fd = stop_fd(), .events = POLLIN},
        {.fd = wake_fd(&in->wake), .events = POLLIN},
        {.fd = in->watch_fd},
        {.fd = in->fd, .events = POLLIN},
    };
    int ready;
    while ((ready = poll(fds, 4, clock_left_ms(deadline))) < 0) {
        if (errno != EINTR)
            return error_set(e, ERROR_LOCAL, "cannot wait for standard input: %s", strerror(errno)),
                   INPUT_FAILED;
    }
    if (fds[0].revents)
        return INPUT_STOPPED;
    if (ready == 0)
        return INPUT_LATER;
    if (fds[1].revents || (fds[2].revents & (POLLERR | POLLHUP)))
        in->stopped = true;
    return INPUT_RECORD;
}

/* One read into the buffer; sets at_end. */
static enum input_result fill(struct input *in, int64_t deadline, struct error *e)
{
    enum input_result r = wait_readable(in, deadline, e);
    if (r != INPUT_RECORD || in->stopped)
        return r;
    buf_consume(&in->bytes, in->used);
    in->searched -= in->used;
    in->used = 0;
    if (buf_reserve(&in->bytes, INPUT_READ_BYTES)) {
        error_set(e, ERROR_LOCAL, "no memory for standard input");
        return INPUT_FAILED;
    }
    ssize_t n = read(in->fd, in->bytes.data + in->bytes.len, INPUT_READ_BYTES);
    if (n > 0)
        in->bytes.len += (size_t)n;
    else if (n == 0)
        in->at_end = true;
    else if (errno != EINTR && errno != EAGAIN) {
        error_set(e, ERROR_LOCAL, "cannot read standard input: %s", strerror(errno));
        return INPUT_FAILED;
    }
    return INPUT_RECORD;
}

/* Gives out bytes[used..to) as a record and steps over `skip` bytes behind it. */
static enum input_result give(struct input *in, size_t to, size_t skip, struct span *ret)
{
    struct span record = {in->bytes.data + in->used, to - in->used};
    in->used = in->searched = to + skip;
    in->line++;
    if (in->passing_over || record.len > in->max_bytes + 1) { /* 1: a CR may still go */
        in->passing_over = false;
        return INPUT_TOO_LONG;
    }
    if (in->end == '\n' && skip && record.len && record.data[record.len - 1] == '\r')
        record.len--;
    if (record.len > in->max_bytes)
        return INPUT_TOO_LONG;
    *ret = record;
    return INPUT_RECORD;
}

enum input_result input_next(struct input *in, int64_t deadline, struct span *ret, struct error *e)
{
    *ret = (struct span){"", 0};
    for (;;) {
        size_t left = in->bytes.len - in->searched;
        char *end = left ? memchr(in->bytes.data + in->searched, in->end, left) : NULL;
        if (end)
            return give(in, (size_t)(end - in->bytes.data), 1, ret);
        in->searched = in->bytes.len;
        if (in->at_end) {
            if (in->used < in->bytes.len || in->passing_over)
                return give(in, in->bytes.len, 0, ret);
            return INPUT_END;
        }
        if (in->stopped) { /* half a record is no record: the rest of it was never read */
            in->used = in->searched = in->bytes.len;
            return INPUT_END;
        }
        if (in->bytes.len - in->used > in->max_bytes + 1) { /* drop what is too long already */
            in->passing_over = true;
            in->used = in->bytes.len;
        }
        if (in->passing_over && clock_left_ms(deadline) == 0)
            return INPUT_LATER; /* it may go on for ever */
        enum input_result r = fill(in, deadline, e);
        if (r != INPUT_RECORD)
            return r;
    }
}

int64_t input_count_rest(struct input *in)
{
    int64_t count = 0;
    for (size_t i = in->used; i < in->bytes.len; i++)
        count += in->bytes.data[i] == in->end;
    if (!in->stopped && in->bytes.len > in->used && in->bytes.data[in->bytes.len - 1] != in->end)
        count++;
    return count;
}
