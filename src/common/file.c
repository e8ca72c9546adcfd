/* SPDX-License-Identifier: MIT */
#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOKEN_FILE_MAX 8192

/* Appends all that is left. 0, or what went wrong. */
static int read_rest(int fd, struct buf *b)
{
    char chunk[4096];
    ssize_t n;
    int bad = 0;
    while (!bad && (n = read(fd, chunk, sizeof(chunk))) != 0) {
        if (n < 0)
            bad = errno == EINTR ? 0 : errno;
        else if (buf_add(b, chunk, (size_t)n))
            bad = (size_t)n > b->max_bytes - b->len ? EFBIG : ENOMEM;
    }
    return bad;
}

static int read_and_close(int fd, struct buf *b)
{
    int bad = read_rest(fd, b);
    close(fd);
    return bad;
}

enum error_kind file_read_open(int fd, struct buf *b, struct error *e)
{
    int bad = lseek(fd, 0, SEEK_SET) < 0 ? errno : read_rest(fd, b);
    return bad ? error_set(e, ERROR_LOCAL, "cannot read what was written: %s", strerror(bad))
               : ERROR_NONE;
}

enum error_kind file_read(const char *path, struct buf *b, struct error *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(e, ERROR_LOCAL, "cannot open %s: %s", path, strerror(errno));
    int bad = read_and_close(fd, b);
    if (bad)
        error_set(e, ERROR_LOCAL, "cannot read %s: %s", path, strerror(bad));
    errno = bad;
    return bad ? ERROR_LOCAL : ERROR_NONE;
}

enum error_kind file_read_regular(const char *path, struct buf *b, struct error *e)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    int bad = fd < 0 ? errno : 0;
    /* What a link or a socket makes open() say differs from system to system. */
    int known = fd < 0 ? lstat(path, &info) : fstat(fd, &info);
    if (known == 0 && !S_ISREG(info.st_mode)) {
        if (fd >= 0)
            close(fd);
        return error_set(e, ERROR_BAD_DATA, "%s is no regular file", path);
    }
    if (fd >= 0)
        bad = read_and_close(fd, b);
    if (bad == EFBIG)
        error_set(e, ERROR_BAD_DATA, "%s is larger than %zu bytes", path, b->max_bytes);
    else if (bad)
        error_set(e, ERROR_LOCAL, "cannot read %s: %s", path, strerror(bad));
    errno = bad;
    return bad == EFBIG ? ERROR_BAD_DATA : bad ? ERROR_LOCAL : ERROR_NONE;
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

int file_write(int fd, struct span bytes)
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

void file_begin_sync(int fd)
{
#ifdef POSIX_FADV_DONTNEED
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); /* Linux starts to write then */
#else
    (void)fd;
#endif
}

int file_add_directory(struct buf *b, const char *path)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    while (len > 0 && path[len - 1] != '/')
        len--;
    while (len > 1 && path[len - 1] == '/')
        len--;
    return len ? buf_add(b, path, len) : buf_add_char(b, '.');
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
    if (sync_and_close(fd, file_write(fd, bytes)) == 0)
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
    if (fd >= 0 && (bad == EINVAL || bad == ENOTSUP))
        return ERROR_NONE; /* a file system where directories cannot be synced */
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
