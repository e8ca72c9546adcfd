/* SPDX-License-Identifier: MIT */
#include "server/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/log.h"
#include "common/stop.h"
#include "server/store.h"

#define PATH_BYTES 4096

static enum error_kind failed(const char *file, int reason, struct error *e)
{
    return error_set(e, ERROR_LOCAL, "cannot make the backup %.300s: %s", file, strerror(reason));
}

static bool is_stopped(void)
{
    return stop_signal() != 0;
}

/* What is there stays. Where there are no hard links somebody may come in between. */
static int give_name(const char *made, const char *file)
{
    struct stat info;
    if (link(made, file) == 0)
        return unlink(made);
    if (errno == EEXIST || (errno != EPERM && errno != ENOTSUP && errno != ENOSYS))
        return -1;
    if (lstat(file, &info) == 0) {
        errno = EEXIST;
        return -1;
    }
    return errno == ENOENT ? rename(made, file) : -1;
}

/* The copy is in `made`, which `fd` is: now on disk and under its name. */
static enum error_kind finish(int fd, const char *made, const char *file, struct error *e)
{
    struct buf directory;
    if (fsync(fd) || give_name(made, file))
        return failed(file, errno, e);
    buf_init(&directory, PATH_BYTES);
    enum error_kind kind = file_add_directory(&directory, file)
                               ? failed(file, ENAMETOOLONG, e)
                               : file_sync_directory(directory.data, e);
    buf_release(&directory);
    return kind;
}

enum error_kind backup_write(const char *database, const char *file, struct error *e)
{
    char made[PATH_BYTES];
    struct stat info;
    int64_t from = clock_now_ms();
    /* With the directory in front a name that starts with file: is no URI to SQLite. */
    int len = snprintf(made, sizeof(made), "%s%s.XXXXXX", *file == '/' ? "" : "./", file);
    if (strcmp(database, ":memory:") == 0)
        return error_set(e, ERROR_USAGE, "a database in memory cannot be copied");
    if (len < 0 || (size_t)len >= sizeof(made))
        return failed(file, ENAMETOOLONG, e);
    if (lstat(file, &info) == 0)
        return failed(file, EEXIST, e);
    int fd = mkstemp(made);
    if (fd < 0)
        return failed(file, errno, e);
    enum error_kind kind = store_backup(database, made, is_stopped, e);
    if (!kind)
        kind = finish(fd, made, file, e);
    if (kind)
        unlink(made); /* gone already, or not complete */
    else if (fstat(fd, &info) == 0)
        log_info("%s: %lld bytes in %lld ms", file, (long long)info.st_size,
                 (long long)(clock_now_ms() - from));
    close(fd);
    return kind;
}
