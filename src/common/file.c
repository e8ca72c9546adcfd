/* SPDX-License-Identifier: MIT */
#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define TOKEN_FILE_MAX 8192

enum error_kind file_read(const char *path, struct buf *b, struct error *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(e, ERROR_LOCAL, "cannot open %s: %s", path, strerror(errno));
    char chunk[4096];
    ssize_t n;
    int bad = 0;
    while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            bad = errno;
        else if (buf_add(b, chunk, (size_t)n))
            bad = EFBIG;
        if (bad)
            break;
    }
    close(fd);
    errno = bad;
    return bad ? error_set(e, ERROR_LOCAL, "cannot read %s: %s", path, strerror(bad)) : ERROR_NONE;
}

enum error_kind file_read_token(const char *path, struct buf *b, struct error *e)
{
    struct buf text;
    buf_init(&text, TOKEN_FILE_MAX);
    enum error_kind kind = file_read(path, &text, e);
    if (kind)
        goto out;
    size_t len = 0;
    while (len < text.len && text.data[len] > ' ' && text.data[len] < 0x7F)
        len++;
    size_t end = len;
    if (end < text.len && text.data[end] == '\r')
        end++;
    if (len == 0 || (end < text.len && text.data[end] != '\n'))
        kind = error_set(e, ERROR_LOCAL,
                         "%s: the first line must be a token of printable characters without space",
                         path);
    else if (buf_add(b, text.data, len))
        kind = error_set(e, ERROR_LOCAL, "%s: no memory for the token", path);
out:
    buf_release(&text);
    return kind;
}

static int write_all(int fd, struct span bytes)
{
    size_t done = 0;
    while (done < bytes.len) {
        ssize_t n = write(fd, bytes.data + done, bytes.len - done);
        if (n >= 0)
            done += (size_t)n;
        else if (errno != EINTR)
            return -1;
    }
    return 0;
}

/* Closes, too; errno says what went wrong first. */
static int sync_and_close(int fd, int result)
{
    int bad = result ? errno : 0;
    if (!bad && fsync(fd))
        bad = errno;
    if (close(fd) && !bad)
        bad = errno;
    errno = bad;
    return bad ? -1 : 0;
}

enum error_kind file_write_new(const char *path, struct span bytes, struct error *e)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set(e, ERROR_LOCAL, "cannot make %s: %s", path, strerror(errno));
    if (sync_and_close(fd, write_all(fd, bytes)) == 0)
        return ERROR_NONE;
    int bad = errno;
    unlink(path);
    error_set(e, ERROR_LOCAL, "cannot write %s: %s", path, strerror(bad));
    errno = bad;
    return ERROR_LOCAL;
}

enum error_kind file_sync_directory(const char *path, struct error *e)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && sync_and_close(fd, 0) == 0)
        return ERROR_NONE;
    int bad = errno;
    error_set(e, ERROR_LOCAL, "cannot put %s on disk: %s", path, strerror(bad));
    errno = bad;
    return ERROR_LOCAL;
}

enum error_kind file_lock(const char *path, int *ret_fd, struct error *e)
{
    *ret_fd = -1;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), r;
    if (fd < 0)
        return error_set(e, ERROR_LOCAL, "cannot open %s: %s", path, strerror(errno));
    do
        r = flock(fd, LOCK_EX | LOCK_NB);
    while (r && errno == EINTR);
    if (r == 0) {
        *ret_fd = fd;
        return ERROR_NONE;
    }
    int bad = errno;
    close(fd);
    if (bad == EWOULDBLOCK)
        return ERROR_NONE;
    error_set(e, ERROR_LOCAL, "cannot lock %s: %s", path, strerror(bad));
    errno = bad;
    return ERROR_LOCAL;
}

void file_fill_standard_fds(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) < 0) /* the lowest free number is taken, so this opens `fd` */
            (void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    }
}
