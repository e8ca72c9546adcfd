/* SPDX-License-Identifier: MIT */
#include "client/outbox_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"

#define SPARE_BYTES 8192
#define BATCH       "batch"
#define STORED      "stored"
#define STORE_TRIES 8 /* a cleaner may take a new file before its writer holds it: not often */

void outbox_dir_path(char ret[OUTBOX_PATH_SIZE], const struct outbox *o, const char *part,
                     const char *name)
{
    snprintf(ret, OUTBOX_PATH_SIZE, "%s%s%s%s%s", o->directory.data, *part ? "/" : "", part,
             *name ? "/" : "", name);
}

void outbox_dir_name(char ret[OUTBOX_NAME_MAX], uint64_t number, const char *suffix)
{
    snprintf(ret, OUTBOX_NAME_MAX, "%0*" PRIu64 "%s", OUTBOX_DIGITS, number, suffix);
}

void outbox_dir_line_path(char ret[OUTBOX_PATH_SIZE], const struct outbox *o, uint64_t number,
                          const char *suffix)
{
    char name[OUTBOX_NAME_MAX];
    outbox_dir_name(name, number, suffix);
    outbox_dir_path(ret, o, "new", name);
}

const char *outbox_dir_number(const char *name, uint64_t *ret)
{
    uint64_t value = 0;
    for (size_t i = 0; i < OUTBOX_DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9')
            return NULL;
        unsigned digit = (unsigned)(name[i] - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return NULL;
        value = value * 10 + digit;
    }
    *ret = value;
    return value ? name + OUTBOX_DIGITS : NULL;
}

void outbox_dir_batch_name(char ret[OUTBOX_NAME_MAX], bool stored, uint64_t first, uint64_t last)
{
    snprintf(ret, OUTBOX_NAME_MAX, "%s-%0*" PRIu64 "-%0*" PRIu64, stored ? STORED : BATCH,
             OUTBOX_DIGITS, first, OUTBOX_DIGITS, last);
}

bool outbox_dir_batch(const char *name, bool *ret_stored, uint64_t *ret_first, uint64_t *ret_last)
{
    size_t len = strcspn(name, "-");
    *ret_stored = len == strlen(STORED) && strncmp(name, STORED, len) == 0;
    if (!*ret_stored && (len != strlen(BATCH) || strncmp(name, BATCH, len) != 0))
        return false;
    name = name[len] ? outbox_dir_number(name + len + 1, ret_first) : NULL;
    name = name && *name == '-' ? outbox_dir_number(name + 1, ret_last) : NULL;
    return name && !*name && *ret_first < *ret_last;
}

static enum error_kind each_in(const char *path, outbox_each *each, void *context, struct error *e)
{
    DIR *d = opendir(path);
    if (!d)
        return error_set(e, ERROR_LOCAL, "cannot look into %s: %s", path, strerror(errno));
    enum error_kind kind = ERROR_NONE;
    const struct dirent *entry;
    while ((errno = 0, entry = readdir(d)) != NULL && !kind) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            kind = each(context, entry->d_name, e);
    }
    if (!entry && errno)
        kind = error_set(e, ERROR_LOCAL, "cannot look into %s: %s", path, strerror(errno));
    closedir(d);
    return kind;
}

enum error_kind outbox_dir_each(const struct outbox *o, const char *part, outbox_each *each,
                                void *context, struct error *e)
{
    char path[OUTBOX_PATH_SIZE];
    outbox_dir_path(path, o, part, "");
    return each_in(path, each, context, e);
}

enum error_kind outbox_dir_sync(const struct outbox *o, const char *part, struct error *e)
{
    char path[OUTBOX_PATH_SIZE];
    outbox_dir_path(path, o, part, "");
    return file_sync_directory(path, e);
}

/* --- room on a full disk ---------------------------------------------------------------------- */

static void spare_path(char ret[OUTBOX_PATH_SIZE], const struct outbox *o)
{
    snprintf(ret, OUTBOX_PATH_SIZE, "%s/spare", o->directory.data);
}

/* True: there was one, and its room is free now. */
static bool free_spare(const struct outbox *o)
{
    char path[OUTBOX_PATH_SIZE];
    spare_path(path, o);
    return unlink(path) == 0;
}

/* While there is room. Without it all goes well but for a full disk. */
static void keep_spare(const struct outbox *o)
{
    static const char bytes[SPARE_BYTES];
    char path[OUTBOX_PATH_SIZE];
    struct stat info;
    spare_path(path, o);
    if (lstat(path, &info))
        (void)file_write_new(path, (struct span){bytes, sizeof(bytes)}, NULL);
}

/* --- making it -------------------------------------------------------------------------------- */

static enum error_kind sync_parent(const char *path, struct error *e)
{
    struct buf parent;
    buf_init(&parent, OUTBOX_PATH_SIZE);
    enum error_kind kind = file_add_directory(&parent, path)
                               ? error_set(e, ERROR_LOCAL, "no memory to make %s", path)
                               : file_sync_directory(parent.data, e);
    buf_release(&parent);
    return kind;
}

static enum error_kind make_directory(const char *path, struct error *e)
{
    struct stat info;
    if (mkdir(path, 0700) == 0) {
        enum error_kind kind = sync_parent(path, e);
        if (kind)
            rmdir(path); /* or the next run would take it for one that is on disk */
        return kind;
    }
    int bad = errno; /* not only EEXIST: one that is there may lie in a place that is read-only */
    if (stat(path, &info))
        return error_set(e, ERROR_LOCAL, "cannot make the directory %s: %s", path, strerror(bad));
    if (!S_ISDIR(info.st_mode))
        return error_set(e, ERROR_LOCAL, "%s is no directory, so there can be no outbox", path);
    return ERROR_NONE;
}

static enum error_kind make_with_parents(const char *directory, struct error *e)
{
    char path[OUTBOX_PATH_SIZE];
    snprintf(path, sizeof(path), "%s", directory);
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        enum error_kind kind = make_directory(path, e);
        *slash = '/';
        if (kind)
            return kind;
    }
    return make_directory(path, e);
}

static const char *const parts[] = {"tmp", "failed", "new"};

static enum error_kind refuse_foreign(void *context, const char *name, struct error *e)
{
    const struct outbox *o = context;
    bool stored;
    uint64_t first, last;
    if (strcmp(name, "lock") == 0 || strcmp(name, "spare") == 0 ||
        outbox_dir_batch(name, &stored, &first, &last))
        return ERROR_NONE;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (strcmp(name, parts[i]) == 0)
            return ERROR_NONE;
    }
    return error_set(e, ERROR_LOCAL,
                     "%s is no outbox, it has \"%.60s\" in it: name a new or an empty directory",
                     o->directory.data, name);
}

enum error_kind outbox_dir_make(const struct outbox *o, struct error *e)
{
    const char *directory = o->directory.data;
    enum error_kind kind = make_with_parents(directory, e);
    struct outbox seen = {.directory = o->directory};
    if (!kind)
        kind = each_in(directory, refuse_foreign, &seen, e);
    for (size_t i = 0; !kind && i < sizeof(parts) / sizeof(parts[0]); i++) {
        char path[OUTBOX_PATH_SIZE];
        outbox_dir_path(path, o, parts[i], "");
        kind = make_directory(path, e);
    }
    /* Another process may have made them and not come to this yet. */
    if (!kind)
        kind = file_sync_directory(directory, e);
    if (!kind)
        (void)sync_parent(directory, NULL); /* it need not be ours to read */
    if (!kind)
        keep_spare(o); /* before many lines come at once */
    return kind;
}

/* --- files that come into it ------------------------------------------------------------------ */

static int lock_fd(int fd, int how)
{
    int r;
    do
        r = flock(fd, how);
    while (r && errno == EINTR);
    return r;
}

static void temporary_path(char ret[OUTBOX_PATH_SIZE], const struct outbox *o,
                           const struct outbox_temporary *t)
{
    outbox_dir_path(ret, o, "tmp", t->name);
}

void outbox_dir_drop(const struct outbox *o, struct outbox_temporary *t)
{
    char path[OUTBOX_PATH_SIZE];
    temporary_path(path, o, t);
    unlink(path);
    close(t->fd);
}

/* A cleaner that came between may have taken its name. */
static bool is_named(int fd)
{
    struct stat info;
    return fstat(fd, &info) || info.st_nlink > 0;
}

static enum error_kind open_temporary(const struct outbox *o, struct outbox_temporary *ret,
                                      struct error *e)
{
    char path[OUTBOX_PATH_SIZE];
    enum error_kind kind = key_make(ret->name, e);
    if (kind)
        return kind;
    temporary_path(path, o, ret);
    ret->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (ret->fd >= 0 && lock_fd(ret->fd, LOCK_EX) == 0)
        return ERROR_NONE;
    error_set(e, ERROR_LOCAL, "cannot make %s: %s", path, strerror(errno));
    if (ret->fd >= 0)
        outbox_dir_drop(o, ret);
    return ERROR_LOCAL;
}

enum error_kind outbox_dir_write(const struct outbox *o, struct span bytes,
                                 struct outbox_temporary *ret, struct error *e)
{
    char path[OUTBOX_PATH_SIZE];
    enum error_kind kind = open_temporary(o, ret, e);
    for (int i = 1; !kind && !is_named(ret->fd) && i < STORE_TRIES; i++) {
        close(ret->fd);
        kind = open_temporary(o, ret, e);
    }
    if (kind || file_write(ret->fd, bytes) == 0)
        return kind;
    temporary_path(path, o, ret);
    error_set(e, ERROR_LOCAL, "cannot write %s: %s", path, strerror(errno));
    outbox_dir_drop(o, ret);
    return ERROR_LOCAL;
}

enum error_kind outbox_dir_finish(const struct outbox *o, const struct outbox_temporary *t,
                                  struct error *e)
{
    char path[OUTBOX_PATH_SIZE];
    if (fsync(t->fd) == 0)
        return ERROR_NONE;
    temporary_path(path, o, t);
    return error_set(e, ERROR_LOCAL, "cannot write %s: %s", path, strerror(errno));
}

enum error_kind outbox_dir_place(const struct outbox *o, const struct outbox_temporary *t,
                                 outbox_put *put, void *context, bool *ret_vanished,
                                 struct error *e)
{
    char path[OUTBOX_PATH_SIZE];
    temporary_path(path, o, t);
    *ret_vanished = false;
    return put(context, path, ret_vanished, e);
}

enum error_kind outbox_dir_store(const struct outbox *o, struct span bytes, outbox_put *put,
                                 void *context, struct error *e)
{
    enum error_kind kind = ERROR_NONE;
    bool vanished = true;
    for (int i = 0; vanished && i < STORE_TRIES; i++) {
        struct outbox_temporary t;
        kind = outbox_dir_write(o, bytes, &t, e);
        if (kind)
            return kind;
        vanished = false;
        kind = outbox_dir_finish(o, &t, e);
        if (!kind)
            kind = outbox_dir_place(o, &t, put, context, &vanished, e);
        outbox_dir_drop(o, &t);
    }
    return kind;
}

static enum error_kind put_over(void *context, const char *path, bool *ret_vanished,
                                struct error *e)
{
    const char *target = context;
    if (rename(path, target) == 0)
        return ERROR_NONE;
    *ret_vanished = errno == ENOENT;
    return error_set(e, ERROR_LOCAL, "cannot make %s: %s", target, strerror(errno));
}

enum error_kind outbox_dir_replace(const struct outbox *o, const char *part, const char *name,
                                   struct span bytes, struct error *e)
{
    char path[OUTBOX_PATH_SIZE], directory[OUTBOX_PATH_SIZE];
    outbox_dir_path(path, o, part, name);
    outbox_dir_path(directory, o, part, "");
    enum error_kind kind = outbox_dir_store(o, bytes, put_over, path, e);
    if (kind && free_spare(o))
        kind = outbox_dir_store(o, bytes, put_over, path, e);
    return kind ? kind : file_sync_directory(directory, e);
}

/* --- cleaning up ------------------------------------------------------------------------------ */

/* A file that nobody holds has no writer any more. What cannot be opened is left alone. */
static enum error_kind clean_temporary(void *context, const char *name, struct error *e)
{
    (void)e;
    char path[OUTBOX_PATH_SIZE];
    if (strlen(name) >= OUTBOX_NAME_MAX)
        return ERROR_NONE;
    outbox_dir_path(path, context, "tmp", name);
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return ERROR_NONE;
    if (lock_fd(fd, LOCK_EX | LOCK_NB) == 0)
        unlink(path);
    close(fd);
    return ERROR_NONE;
}

static enum error_kind clean_try(void *context, const char *name, struct error *e)
{
    (void)e;
    uint64_t number;
    struct stat info;
    const char *rest = outbox_dir_number(name, &number);
    if (!rest || strcmp(rest, ".try") != 0)
        return ERROR_NONE;
    char line_name[OUTBOX_NAME_MAX], path[OUTBOX_PATH_SIZE];
    outbox_dir_name(line_name, number, "");
    outbox_dir_path(path, context, "new", line_name);
    if (lstat(path, &info) == 0 || errno != ENOENT)
        return ERROR_NONE;
    outbox_dir_path(path, context, "new", name);
    unlink(path);
    return ERROR_NONE;
}

enum error_kind outbox_dir_clean(struct outbox *o, struct error *e)
{
    keep_spare(o);
    enum error_kind kind = outbox_dir_each(o, "tmp", clean_temporary, o, e);
    return kind ? kind : outbox_dir_each(o, "new", clean_try, o, e);
}
