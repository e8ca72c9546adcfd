/* SPDX-License-Identifier: MIT */
#include "client/history.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/hash.h"

#define NAME_BYTES_MAX 100 /* of a file's name, before a hash takes over */

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

static int add_name(struct buf *path, struct span channel)
{
    size_t start = path->len;
    for (size_t i = 0; i < channel.len; i++) {
        char c = channel.data[i];
        bool plain = is_plain(c) && !(i == 0 && c == '.');
        if (path->len - start > NAME_BYTES_MAX)
            return buf_addf(path, "%%%016" PRIx64, hash_add(HASH_START, channel));
        if (plain ? buf_add_char(path, c) : buf_addf(path, "%%%02X", (unsigned char)c))
            return -1;
    }
    return 0;
}

int history_add_path(struct buf *path, struct span channel)
{
    const char *base = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int failed = -1;
    if (base && *base == '/')
        failed = buf_addf(path, "%s/chancat/history/", base);
    else if (home && *home == '/')
        failed = buf_addf(path, "%s/.local/state/chancat/history/", home);
    return failed || add_name(path, channel) ? -1 : 0;
}

static enum error_kind fail(const char *path, struct error *e)
{
    return error_set(e, ERROR_LOCAL, "cannot keep the history in %s: %s", path, strerror(errno));
}

/* All directories above `path` that are missing. */
static int make_directories(const char *path)
{
    char *copy = strdup(path);
    int failed = copy ? 0 : -1;
    for (char *slash = copy ? strchr(copy + 1, '/') : NULL; slash && !failed;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        failed = mkdir(copy, 0700) && errno != EEXIST ? -1 : 0;
        *slash = '/';
    }
    free(copy);
    return failed;
}

static int open_to_append(const char *path)
{
    int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    int fd = open(path, flags, 0600);
    if (fd < 0 && errno == ENOENT && make_directories(path) == 0)
        fd = open(path, flags, 0600);
    return fd;
}

enum error_kind history_append(const char *path, struct span line, struct error *e)
{
    struct buf bytes;
    if (line.len > HISTORY_LINE_MAX || memchr(line.data, '\n', line.len))
        return ERROR_NONE;
    int fd = open_to_append(path);
    if (fd < 0)
        return fail(path, e);
    buf_init(&bytes, HISTORY_LINE_MAX + 1);
    /* somebody else's reading rights on it are an accident */
    bool good = fchmod(fd, 0600) == 0 && buf_add(&bytes, line.data, line.len) == 0 &&
                buf_add_char(&bytes, '\n') == 0 &&
                write(fd, bytes.data, bytes.len) == (ssize_t)bytes.len;
    enum error_kind kind = good ? ERROR_NONE : fail(path, e);
    buf_release(&bytes);
    close(fd);
    return kind;
}

/* The last bytes of the file. *ret_cut: it has more. */
static enum error_kind read_end(const char *path, struct buf *b, bool *ret_cut, struct error *e)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    *ret_cut = false;
    if (fd < 0)
        return errno == ENOENT ? ERROR_NONE : fail(path, e);
    enum error_kind kind = ERROR_NONE;
    if (fstat(fd, &info) || !S_ISREG(info.st_mode) || buf_reserve(b, HISTORY_BYTES_MAX))
        kind = fail(path, e);
    else {
        off_t from = info.st_size > HISTORY_BYTES_MAX ? info.st_size - HISTORY_BYTES_MAX : 0;
        ssize_t n = pread(fd, b->data, HISTORY_BYTES_MAX, from);
        *ret_cut = from > 0;
        b->len = n > 0 ? (size_t)n : 0;
        b->data[b->len] = '\0';
        if (n < 0)
            kind = fail(path, e);
    }
    close(fd);
    return kind;
}

static size_t count_lines(struct span text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += text.data[i] == '\n';
    return count;
}

static struct span without_first_line(struct span text)
{
    const char *newline = memchr(text.data, '\n', text.len);
    size_t used = newline ? (size_t)(newline - text.data) + 1 : text.len;
    return (struct span){text.data + used, text.len - used};
}

/* Best effort: it is done again next time. */
static void shorten(const char *path, struct span kept)
{
    struct buf temporary;
    buf_init(&temporary, 8192);
    if (buf_addf(&temporary, "%s.%ld", path, (long)getpid()) == 0 &&
        file_write_new(temporary.data, kept, NULL) == ERROR_NONE &&
        rename(temporary.data, path) != 0)
        unlink(temporary.data);
    buf_release(&temporary);
}

enum error_kind history_load(const char *path, void (*add)(void *context, const char *line),
                             void *context, struct error *e)
{
    struct buf bytes;
    bool cut;
    buf_init(&bytes, HISTORY_BYTES_MAX);
    enum error_kind kind = read_end(path, &bytes, &cut, e);
    if (!bytes.data)
        return kind;
    struct span rest = {bytes.data, bytes.len};
    if (cut)
        rest = without_first_line(rest);
    size_t lines = count_lines(rest);
    cut = cut || lines > 2 * HISTORY_LINES_MAX;
    for (; lines > HISTORY_LINES_MAX; lines--)
        rest = without_first_line(rest);
    if (cut && !kind)
        shorten(path, rest);
    for (char *line = bytes.data + (rest.data - bytes.data); !kind && lines > 0; lines--) {
        char *newline = strchr(line, '\n');
        if (!newline)
            break; /* a NUL: not ours */
        *newline = '\0';
        add(context, line);
        line = newline + 1;
    }
    buf_release(&bytes);
    return kind;
}
