/* SPDX-License-Identifier: MIT */
#include "client/outbox.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __APPLE__
#include <sys/random.h> /* getentropy() */
#endif

#include "client/outbox_dir.h"
#include "client/outbox_file.h"
#include "client/outbox_numbers.h"
#include "common/file.h"

#define REASON_MAX 4096u

enum error_kind outbox_open(struct outbox *o, const char *directory, struct error *e)
{
    *o = (struct outbox){.lock_fd = -1};
    buf_init(&o->directory, OUTBOX_PATH_MAX);
    outbox_numbers_init(o);
    if (!*directory)
        return error_set(e, ERROR_LOCAL, "the name of the outbox is empty");
    if (strlen(directory) > OUTBOX_PATH_MAX)
        return error_set(e, ERROR_LOCAL, "the name of the outbox is longer than %d bytes",
                         OUTBOX_PATH_MAX);
    if (buf_add_str(&o->directory, directory))
        return error_set(e, ERROR_LOCAL, "no memory for the outbox %s", directory);
    while (o->directory.len > 1 && o->directory.data[o->directory.len - 1] == '/')
        o->directory.data[--o->directory.len] = '\0';
    char key[KEY_LEN + 1];
    enum error_kind kind = key_make(key, e);
    memcpy(o->run, key, OUTBOX_RUN_LEN);
    return kind ? kind : outbox_dir_make(o, e);
}

void outbox_close(struct outbox *o)
{
    outbox_unlock(o);
    outbox_abandon(o);
    buf_release(&o->directory);
    buf_release(&o->numbers);
}

/* --- the lock --------------------------------------------------------------------------------- */

enum error_kind outbox_lock(struct outbox *o, bool *ret_held, struct error *e)
{
    char path[OUTBOX_PATH_SIZE];
    *ret_held = o->lock_fd >= 0;
    if (*ret_held)
        return ERROR_NONE;
    outbox_dir_path(path, o, "lock", "");
    enum error_kind kind = file_lock(path, &o->lock_fd, e);
    if (kind || o->lock_fd < 0)
        return kind;
    kind = outbox_dir_clean(o, e);
    if (kind)
        outbox_unlock(o);
    *ret_held = !kind;
    return kind;
}

void outbox_unlock(struct outbox *o)
{
    if (o->directory.data && o->lock_fd >= 0)
        close(o->lock_fd);
    o->lock_fd = -1;
}

/* --- reading ---------------------------------------------------------------------------------- */

static enum error_kind load_try(const struct outbox *o, struct outbox_line *line, struct error *e)
{
    char path[OUTBOX_PATH_SIZE];
    struct buf file;
    buf_init(&file, OUTBOX_TRY_MAX);
    outbox_dir_line_path(path, o, line->number, ".try");
    enum error_kind kind = file_read_regular(path, &file, e);
    bool missing = kind == ERROR_LOCAL && errno == ENOENT;
    if (missing)
        line->try = outbox_try_none;
    else if (kind == ERROR_BAD_DATA)
        line->try = outbox_try_unknown;
    else if (!kind)
        outbox_try_parse((struct span){file.data, file.len}, line);
    buf_release(&file);
    return kind == ERROR_LOCAL && !missing ? kind : ERROR_NONE;
}

static enum error_kind load(const struct outbox *o, uint64_t number, struct outbox_line *line,
                            bool *ret_missing, struct error *e)
{
    char path[OUTBOX_PATH_SIZE];
    line->bytes.max_bytes = OUTBOX_FILE_MAX;
    buf_clear(&line->bytes);
    line->number = number;
    outbox_dir_line_path(path, o, number, "");
    enum error_kind kind = file_read_regular(path, &line->bytes, e);
    *ret_missing = kind == ERROR_LOCAL && errno == ENOENT;
    if (kind == ERROR_BAD_DATA)
        return error_set(e, kind, "it is no regular file, or too large");
    if (!kind)
        kind = outbox_file_parse(line, e);
    return kind ? kind : load_try(o, line, e);
}

enum error_kind outbox_get(struct outbox *o, uint64_t number, const char *key,
                           struct outbox_line *line, bool *ret_found, struct error *e)
{
    bool missing;
    enum error_kind kind = load(o, number, line, &missing, e);
    *ret_found = !kind && strcmp(line->key, key) == 0;
    return kind == ERROR_LOCAL && !missing ? kind : ERROR_NONE;
}

void outbox_line_release(struct outbox_line *line)
{
    buf_release(&line->bytes);
    buf_release(&line->server_bytes);
    *line = (struct outbox_line){0};
}

/* --- setting aside ---------------------------------------------------------------------------- */

static bool exists(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0;
}

/* Reason first, the line after it: whenever this ends, the line is in one of the two places, and
 * in failed/ with its reason. `there`: it is (still) in new/. */
static enum error_kind move_to_failed(struct outbox *o, uint64_t number, const char *name,
                                      const char *reason, bool there, struct error *e)
{
    char from[OUTBOX_PATH_SIZE], to[OUTBOX_PATH_SIZE], reason_name[OUTBOX_NAME_MAX];
    outbox_dir_line_path(from, o, number, "");
    outbox_dir_path(to, o, "failed", name);
    if (!there && !exists(to))
        return error_set(e, ERROR_LOCAL, "cannot move %s: it is not there any more", from);
    struct buf text;
    buf_init(&text, REASON_MAX);
    enum error_kind kind = ERROR_NONE;
    if (text_add_visible(&text, span_of(reason)) || buf_add_char(&text, '\n'))
        kind = error_set(e, ERROR_LOCAL, "no memory for the reason why a line is set aside");
    snprintf(reason_name, sizeof(reason_name), "%s.reason", name);
    if (!kind)
        kind = outbox_dir_replace(o, "failed", reason_name, (struct span){text.data, text.len}, e);
    buf_release(&text);
    if (!kind && there && rename(from, to))
        kind = error_set(e, ERROR_LOCAL, "cannot move %s to failed/: %s", from, strerror(errno));
    if (!kind)
        kind = outbox_dir_sync(o, "failed", e);
    if (!kind)
        kind = outbox_dir_sync(o, "new", e);
    if (kind)
        return kind;
    outbox_dir_line_path(from, o, number, ".try");
    unlink(from); /* what stays is removed by the next outbox_lock() */
    outbox_numbers_forget(o, number);
    return ERROR_NONE;
}

enum error_kind outbox_set_aside(struct outbox *o, const struct outbox_line *line,
                                 const char *reason, struct error *e)
{
    char name[OUTBOX_NAME_MAX], suffix[KEY_LEN + 2], path[OUTBOX_PATH_SIZE];
    snprintf(suffix, sizeof(suffix), ".%s", line->key);
    outbox_dir_name(name, line->number, suffix);
    outbox_dir_line_path(path, o, line->number, "");
    bool there;
    enum error_kind kind = outbox_file_holds(path, line->key, &there, e);
    return kind ? kind : move_to_failed(o, line->number, name, reason, there, e);
}

/* The inode number tells two files apart that are there at the same time, so nothing is lost. */
static enum error_kind set_aside_damaged(struct outbox *o, uint64_t number, struct error *e)
{
    char name[OUTBOX_NAME_MAX], suffix[KEY_LEN], path[OUTBOX_PATH_SIZE];
    char fault[128], reason[256];
    struct stat info;
    snprintf(fault, sizeof(fault), "%.*s", (int)sizeof(fault) - 1, e->text);
    outbox_dir_line_path(path, o, number, "");
    if (lstat(path, &info))
        return error_set(e, ERROR_LOCAL, "cannot look at %s: %s", path, strerror(errno));
    snprintf(suffix, sizeof(suffix), ".damaged-%016" PRIx64, (uint64_t)info.st_ino);
    outbox_dir_name(name, number, suffix);
    snprintf(reason, sizeof(reason), "the file of the line is damaged: %s", fault);
    enum error_kind kind = move_to_failed(o, number, name, reason, true, e);
    if (kind)
        return kind;
    return error_set(e, ERROR_BAD_DATA,
                     "line %" PRIu64 " of the outbox is damaged: %s; it is "
                     "kept as %s/failed/%s",
                     number, fault, o->directory.data, name);
}

enum error_kind outbox_next(struct outbox *o, uint64_t upto, struct outbox_line *line,
                            bool *ret_found, struct error *e)
{
    struct error own = {0}; /* the sentence goes into the .reason, so one is needed */
    e = e ? e : &own;
    *ret_found = false;
    for (;;) {
        uint64_t number;
        bool missing;
        enum error_kind kind = outbox_numbers_next(o, &number, e);
        if (kind || number == 0 || number > upto)
            return kind;
        kind = load(o, number, line, &missing, e);
        if (kind == ERROR_BAD_DATA)
            kind = set_aside_damaged(o, number, e);
        if (kind == ERROR_LOCAL && !missing)
            return kind;
        o->next++;
        if (kind)
            outbox_numbers_forget(o, number);
        if (missing)
            continue;
        *ret_found = !kind;
        return kind;
    }
}

/* --- what becomes of a line ------------------------------------------------------------------- */

enum error_kind outbox_record_try(struct outbox *o, const struct outbox_line *line, struct error *e)
{
    char name[OUTBOX_NAME_MAX], path[OUTBOX_PATH_SIZE];
    struct buf file;
    if (line->try.attempts == 0) {
        outbox_dir_line_path(path, o, line->number, ".try");
        if (unlink(path) == 0) /* it may be in a batch next, and must not come back beside that */
            return outbox_dir_sync(o, "new", e);
        if (errno == ENOENT)
            return ERROR_NONE;
        return error_set(e, ERROR_LOCAL, "cannot remove %s: %s", path, strerror(errno));
    }
    buf_init(&file, OUTBOX_TRY_MAX);
    outbox_dir_name(name, line->number, ".try");
    enum error_kind kind =
        outbox_try_make(&file, line)
            ? error_set(e, ERROR_LOCAL, "no memory for a try of the outbox")
            : outbox_dir_replace(o, "new", name, (struct span){file.data, file.len}, e);
    buf_release(&file);
    return kind;
}

enum error_kind outbox_remove(struct outbox *o, const struct outbox_line *line, struct error *e)
{
    char path[OUTBOX_PATH_SIZE];
    outbox_dir_line_path(path, o, line->number, "");
    enum error_kind kind = outbox_file_unlink(path, line->key, e);
    if (!kind)
        kind = outbox_dir_sync(o, "new", e);
    if (kind)
        return kind;
    outbox_dir_line_path(path, o, line->number, ".try");
    unlink(path); /* what stays is removed by the next outbox_lock() */
    outbox_numbers_forget(o, line->number);
    return ERROR_NONE;
}

struct damaged {
    uint64_t number;
    bool found;
};

static enum error_kind find_damaged(void *context, const char *name, struct error *e)
{
    (void)e;
    struct damaged *damaged = context;
    uint64_t number;
    const char *rest = outbox_dir_number(name, &number);
    if (rest && number == damaged->number && strncmp(rest, ".damaged-", 9) == 0)
        damaged->found = true;
    return ERROR_NONE;
}

enum error_kind outbox_state(struct outbox *o, uint64_t number, const char key[KEY_LEN + 1],
                             enum outbox_state *ret, struct error *e)
{
    char path[OUTBOX_PATH_SIZE], name[OUTBOX_NAME_MAX], found[KEY_LEN + 1];
    char suffix[KEY_LEN + 2];
    outbox_dir_line_path(path, o, number, "");
    enum error_kind kind = outbox_file_key(path, found, e);
    *ret = OUTBOX_WAITS;
    if (kind == ERROR_LOCAL)
        return kind;
    if (kind ? exists(path) : strcmp(found, key) == 0)
        return ERROR_NONE;
    snprintf(suffix, sizeof(suffix), ".%s", key);
    outbox_dir_name(name, number, suffix);
    outbox_dir_path(path, o, "failed", name);
    *ret = OUTBOX_SET_ASIDE;
    if (exists(path))
        return ERROR_NONE;
    struct damaged damaged = {.number = number};
    kind = outbox_dir_each(o, "failed", find_damaged, &damaged, e);
    *ret = damaged.found ? OUTBOX_SET_ASIDE : OUTBOX_GONE;
    return kind;
}

struct upto {
    uint64_t number;
    int64_t count;
};

static enum error_kind count_one(void *context, const char *name, struct error *e)
{
    (void)e;
    struct upto *upto = context;
    uint64_t number;
    const char *rest = outbox_dir_number(name, &number);
    upto->count += rest && !*rest && number <= upto->number;
    return ERROR_NONE;
}

struct of_run {
    const char *run;
    int64_t count;
};

static enum error_kind count_failed(void *context, const char *name, struct error *e)
{
    (void)e;
    struct of_run *of_run = context;
    uint64_t number;
    const char *rest = outbox_dir_number(name, &number);
    if (rest && *rest == '.' && strlen(rest) == 1 + KEY_LEN &&
        strncmp(rest + 1, of_run->run, OUTBOX_RUN_LEN) == 0)
        of_run->count++;
    return ERROR_NONE;
}

enum error_kind outbox_count_failed(struct outbox *o, int64_t *ret, struct error *e)
{
    struct of_run of_run = {.run = o->run};
    enum error_kind kind = outbox_dir_each(o, "failed", count_failed, &of_run, e);
    *ret = of_run.count;
    return kind;
}

enum error_kind outbox_count(struct outbox *o, uint64_t number, int64_t *ret, struct error *e)
{
    struct upto upto = {.number = number};
    enum error_kind kind = outbox_dir_each(o, "new", count_one, &upto, e);
    *ret = upto.count;
    return kind;
}
