/* SPDX-License-Identifier: MIT */
#include "server/store_files.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/file.h"

#define PATH_BYTES 4200
#define LINKS_MAX  40 /* as the system's own limit */

static bool is_memory(const char *where)
{
    return strcmp(where, ":memory:") == 0;
}

int store_files_open(const char *where, int flags, sqlite3 **ret)
{
    struct buf name;
    if (strncmp(where, "file:", 5) != 0)
        return sqlite3_open_v2(where, ret, flags, NULL);
    buf_init(&name, PATH_BYTES);
    *ret = NULL;
    int r = buf_addf(&name, "./%s", where) ? SQLITE_NOMEM
                                           : sqlite3_open_v2(name.data, ret, flags, NULL);
    buf_release(&name);
    return r;
}

static enum error_kind failed(const char *path, const char *why, struct error *e)
{
    return error_set(e, ERROR_LOCAL, "database %.300s: %s", path, why);
}

/* Puts what the symbolic link `path` names into its place. -1: errno. */
static int follow(struct buf *path)
{
    char target[PATH_MAX];
    struct buf next;
    ssize_t n = readlink(path->data, target, sizeof(target) - 1);
    if (n < 0)
        return -1;
    target[n] = '\0';
    buf_init(&next, PATH_BYTES);
    int bad =
        *target == '/' ? 0 : file_add_directory(&next, path->data) || buf_add_char(&next, '/');
    bad = bad || buf_add_str(&next, target);
    buf_clear(path);
    bad = bad || buf_add(path, next.data, next.len);
    buf_release(&next);
    errno = ENAMETOOLONG;
    return bad ? -1 : 0;
}

/* Appends the path without a link at its end; what it names need not be there. */
static enum error_kind add_resolved(struct buf *b, const char *path, struct error *e)
{
    struct stat info;
    if (buf_add_str(b, path))
        return failed(path, strerror(ENAMETOOLONG), e);
    for (int links = 0; lstat(b->data, &info) == 0 && S_ISLNK(info.st_mode); links++) {
        if (links == LINKS_MAX)
            return failed(path, strerror(ELOOP), e);
        if (follow(b))
            return failed(path, strerror(errno), e);
    }
    return ERROR_NONE;
}

/* One that is not there is fine. */
static enum error_kind look_at_file(const char *path, struct error *e)
{
    struct stat info;
    if (stat(path, &info))
        return errno == ENOENT ? ERROR_NONE : failed(path, strerror(errno), e);
    if (!S_ISREG(info.st_mode))
        return failed(path, "it is no regular file", e);
    return access(path, R_OK | W_OK) ? failed(path, strerror(errno), e) : ERROR_NONE;
}

static enum error_kind look_at_directory(const char *path, struct error *e)
{
    struct buf directory;
    buf_init(&directory, PATH_BYTES);
    enum error_kind kind = ERROR_NONE;
    if (file_add_directory(&directory, path))
        kind = failed(path, strerror(ENAMETOOLONG), e);
    else if (access(directory.data, W_OK | X_OK))
        kind = error_set(e, ERROR_LOCAL, "database %.200s: cannot make files in %.200s: %s", path,
                         directory.data, strerror(errno));
    buf_release(&directory);
    return kind;
}

enum error_kind store_files_look(const char *where, struct error *e)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
    struct buf path;
    if (is_memory(where))
        return ERROR_NONE;
    buf_init(&path, PATH_BYTES);
    enum error_kind kind = add_resolved(&path, where, e);
    if (!kind)
        kind = look_at_directory(path.data, e);
    size_t len = path.len;
    for (size_t i = 0; !kind && i < sizeof(endings) / sizeof(endings[0]); i++) {
        path.len = len;
        kind = buf_add_str(&path, endings[i]) ? failed(where, strerror(ENAMETOOLONG), e)
                                              : look_at_file(path.data, e);
    }
    buf_release(&path);
    return kind;
}

void store_place_take(struct store_place *place, const char *where)
{
    struct stat info;
    *place = (struct store_place){0};
    if (!is_memory(where) && stat(where, &info) == 0)
        *place = (struct store_place){strdup(where), info.st_dev, info.st_ino};
}

void store_place_release(struct store_place *place)
{
    free(place->where);
    place->where = NULL;
}

bool store_place_holds(const struct store_place *place)
{
    struct stat info;
    if (!place->where)
        return true;
    if (stat(place->where, &info))
        return errno != ENOENT &&
               errno != ENOTDIR; /* another failure says nothing about the file */
    return info.st_dev == place->device && info.st_ino == place->inode;
}
