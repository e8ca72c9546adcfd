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
#include "common/clock.h"
#include "common/file.h"

#define NUMBERS_MAX (8u * 1024 * 1024) /* lines given out and still waiting, and one look */
#define LINK_STEPS  64                 /* numbers tried before looking for the highest again */
#define LINK_LOOKS  1000
#define REASON_MAX  4096u

enum error_kind outbox_open(struct outbox *o, const char *directory, struct error *e)
{
    *o = (struct outbox){.lock_fd = -1};
    buf_init(&o->directory, OUTBOX_PATH_MAX);
    buf_init(&o->numbers, NUMBERS_MAX * sizeof(uint64_t));
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
    buf_release(&o->directory);
    buf_release(&o->numbers);
}

/* DIR/new/N with `suffix`. */
static void new_path(char ret[OUTBOX_PATH_SIZE], const struct outbox *o, uint64_t number,
                     const char *suffix)
{
    char name[OUTBOX_NAME_MAX];
    outbox_dir_name(name, number, suffix);
    outbox_dir_path(ret, o, "new", name);
}

static enum error_kind sync_part(const struct outbox *o, const char *part, struct error *e)
{
    char path[OUTBOX_PATH_SIZE];
    outbox_dir_path(path, o, part, "");
    return file_sync_directory(path, e);
}

static uint64_t *numbers_of(const struct buf *b)
{
    return (uint64_t *)(void *)b->data;
}

static size_t count_of(const struct buf *b)
{
    return b->len / sizeof(uint64_t);
}

/* The number may be used again for another line. */
static void forget(struct outbox *o, uint64_t number)
{
    for (size_t i = o->next; i-- > 0;) {
        if (numbers_of(&o->numbers)[i] == number) {
            numbers_of(&o->numbers)[i] = 0;
            return;
        }
    }
}

/* --- adding ----------------------------------------------------------------------------------- */

static enum error_kind see_number(void *context, const char *name, struct error *e)
{
    (void)e;
    struct outbox *o = context;
    uint64_t number;
    if (outbox_dir_number(name, &number) && number > o->last_number)
        o->last_number = number;
    return ERROR_NONE;
}

static enum error_kind see_highest(struct outbox *o, struct error *e)
{
    o->looked_ms = clock_now_ms();
    enum error_kind kind = outbox_dir_each(o, "new", see_number, o, e);
    return kind ? kind : outbox_dir_each(o, "failed", see_number, o, e);
}

enum error_kind outbox_highest(struct outbox *o, uint64_t *ret, struct error *e)
{
    enum error_kind kind = see_highest(o, e);
    *ret = o->last_number;
    return kind;
}

static enum error_kind link_in_new(void *context, const char *path, bool *ret_vanished,
                                   struct error *e)
{
    struct outbox *o = context;
    char target[OUTBOX_PATH_SIZE];
    for (int look = 0; look < LINK_LOOKS; look++) {
        bool stale = clock_now_ms() - o->looked_ms >= OUTBOX_LOOK_MS;
        enum error_kind kind = look || stale || !o->last_number ? see_highest(o, e) : ERROR_NONE;
        if (kind)
            return kind;
        for (int step = 0; step < LINK_STEPS; step++) {
            if (o->last_number == UINT64_MAX)
                return error_set(e, ERROR_LOCAL, "%s has no number left: remove the file %" PRIu64,
                                 o->directory.data, o->last_number);
            new_path(target, o, ++o->last_number, "");
            if (link(path, target) == 0)
                return ERROR_NONE;
            if (errno == EEXIST)
                continue;
            *ret_vanished = errno == ENOENT;
            return error_set(e, ERROR_LOCAL, "cannot make %s: %s%s", target, strerror(errno),
                             errno == EPERM || errno == EOPNOTSUPP
                                 ? ": an outbox needs a file system that has hard links"
                                 : "");
        }
    }
    return error_set(e, ERROR_LOCAL, "cannot find a free number in %s/new", o->directory.data);
}

/* What may be gone after a crash is not accepted. Gone already: it has been sent, or set aside. */
static enum error_kind take_back(struct outbox *o, struct error *e)
{
    char path[OUTBOX_PATH_SIZE];
    new_path(path, o, o->last_number, "");
    if (unlink(path) && errno == ENOENT)
        return ERROR_NONE;
    (void)sync_part(o, "new", NULL);
    return error_rekind(e, ERROR_LOCAL);
}

enum error_kind outbox_add(struct outbox *o, struct span server, struct span channel,
                           struct span sender, struct span content, char ret_key[KEY_LEN + 1],
                           uint64_t *ret_number, struct error *e)
{
    struct outbox_line line = {
        .server = server, .channel = channel, .sender = sender, .content = content};
    struct buf file;
    buf_init(&file, OUTBOX_FILE_MAX);
    enum error_kind kind = key_make(line.key, e);
    memcpy(line.key, o->run, OUTBOX_RUN_LEN);
    if (!kind)
        kind = outbox_file_make(&file, &line, e);
    if (!kind)
        kind = outbox_dir_store(o, (struct span){file.data, file.len}, link_in_new, o, e);
    if (!kind && sync_part(o, "new", e))
        kind = take_back(o, e);
    buf_release(&file);
    if (kind)
        return kind;
    memcpy(ret_key, line.key, sizeof(line.key));
    *ret_number = o->last_number;
    forget(o, o->last_number); /* it was perhaps another line's before */
    return ERROR_NONE;
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

static int compare(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return x < y ? -1 : x > y;
}

static void sort(struct buf *b)
{
    if (b->len)
        qsort(b->data, count_of(b), sizeof(uint64_t), compare);
}

/* One look into new/. `fresh` is cut to the lowest ones whenever twice as many have come. */
struct look {
    const struct buf *given;
    struct buf kept, fresh;
};

static void keep_lowest(struct buf *fresh)
{
    sort(fresh);
    if (count_of(fresh) > OUTBOX_SCAN_MAX)
        fresh->len = OUTBOX_SCAN_MAX * sizeof(uint64_t);
}

static enum error_kind look_at(void *context, const char *name, struct error *e)
{
    struct look *look = context;
    uint64_t number;
    const char *rest = outbox_dir_number(name, &number);
    if (!rest || *rest)
        return ERROR_NONE;
    bool given = look->given->len && bsearch(&number, look->given->data, count_of(look->given),
                                             sizeof(number), compare);
    if (count_of(&look->fresh) == 2 * OUTBOX_SCAN_MAX)
        keep_lowest(&look->fresh);
    if (buf_add(given ? &look->kept : &look->fresh, &number, sizeof(number)))
        return error_set(e, ERROR_LOCAL, "no memory for the lines that wait in the outbox");
    return ERROR_NONE;
}

static enum error_kind look_anew(struct outbox *o, struct error *e)
{
    struct look look = {.given = &o->numbers};
    buf_init(&look.kept, o->numbers.max_bytes);
    buf_init(&look.fresh, 2 * OUTBOX_SCAN_MAX * sizeof(uint64_t));
    sort(&o->numbers);
    enum error_kind kind = outbox_dir_each(o, "new", look_at, &look, e);
    keep_lowest(&look.fresh);
    size_t given = count_of(&look.kept);
    if (!kind && buf_add(&look.kept, look.fresh.data, look.fresh.len))
        kind = error_set(e, ERROR_LOCAL, "too many lines wait in %s", o->directory.data);
    buf_release(&look.fresh);
    if (kind) {
        buf_release(&look.kept);
        return kind;
    }
    buf_release(&o->numbers);
    o->numbers = look.kept;
    o->next = given;
    return ERROR_NONE;
}

static enum error_kind load_try(const struct outbox *o, struct outbox_line *line, struct error *e)
{
    char path[OUTBOX_PATH_SIZE];
    struct buf file;
    buf_init(&file, OUTBOX_TRY_MAX);
    new_path(path, o, line->number, ".try");
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
    new_path(path, o, number, "");
    enum error_kind kind = file_read_regular(path, &line->bytes, e);
    *ret_missing = kind == ERROR_LOCAL && errno == ENOENT;
    if (kind == ERROR_BAD_DATA)
        return error_set(e, kind, "it is no regular file, or too large");
    if (!kind)
        kind = outbox_file_parse(line, e);
    return kind ? kind : load_try(o, line, e);
}

void outbox_line_release(struct outbox_line *line)
{
    buf_release(&line->bytes);
    buf_release(&line->server_bytes);
    *line = (struct outbox_line){0};
}

void outbox_rewind(struct outbox *o)
{
    buf_clear(&o->numbers);
    o->next = 0;
}

/* --- setting aside ---------------------------------------------------------------------------- */

static bool exists(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0;
}

/* Is DIR/new/N the line with this key, and not one that came later? ERROR_LOCAL: nobody knows. */
static enum error_kind holds(const char *path, const char *key, bool *ret, struct error *e)
{
    char found[KEY_LEN + 1];
    enum error_kind kind = outbox_file_key(path, found, e);
    *ret = !kind && strcmp(found, key) == 0;
    return kind == ERROR_BAD_DATA ? ERROR_NONE : kind;
}

/* Reason first, the line after it: whenever this ends, the line is in one of the two places, and
 * in failed/ with its reason. `there`: it is (still) in new/. */
static enum error_kind move_to_failed(struct outbox *o, uint64_t number, const char *name,
                                      const char *reason, bool there, struct error *e)
{
    char from[OUTBOX_PATH_SIZE], to[OUTBOX_PATH_SIZE], reason_name[OUTBOX_NAME_MAX];
    new_path(from, o, number, "");
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
        kind = sync_part(o, "failed", e);
    if (!kind)
        kind = sync_part(o, "new", e);
    if (kind)
        return kind;
    new_path(from, o, number, ".try");
    unlink(from); /* what stays is removed by the next outbox_lock() */
    forget(o, number);
    return ERROR_NONE;
}

enum error_kind outbox_set_aside(struct outbox *o, const struct outbox_line *line,
                                 const char *reason, struct error *e)
{
    char name[OUTBOX_NAME_MAX], suffix[KEY_LEN + 2], path[OUTBOX_PATH_SIZE];
    snprintf(suffix, sizeof(suffix), ".%s", line->key);
    outbox_dir_name(name, line->number, suffix);
    new_path(path, o, line->number, "");
    bool there;
    enum error_kind kind = holds(path, line->key, &there, e);
    return kind ? kind : move_to_failed(o, line->number, name, reason, there, e);
}

/* The inode number tells two files apart that are there at the same time, so nothing is lost. */
static enum error_kind set_aside_damaged(struct outbox *o, uint64_t number, struct error *e)
{
    char name[OUTBOX_NAME_MAX], suffix[KEY_LEN], path[OUTBOX_PATH_SIZE];
    char fault[128], reason[256];
    struct stat info;
    snprintf(fault, sizeof(fault), "%.*s", (int)sizeof(fault) - 1, e->text);
    new_path(path, o, number, "");
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
        enum error_kind kind = ERROR_NONE;
        bool missing;
        if (o->next == count_of(&o->numbers))
            kind = look_anew(o, e);
        if (kind || o->next == count_of(&o->numbers) || numbers_of(&o->numbers)[o->next] > upto)
            return kind;
        uint64_t number = numbers_of(&o->numbers)[o->next];
        kind = load(o, number, line, &missing, e);
        if (kind == ERROR_BAD_DATA)
            kind = set_aside_damaged(o, number, e);
        if (kind == ERROR_LOCAL && !missing)
            return kind;
        o->next++;
        if (kind)
            forget(o, number);
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
        new_path(path, o, line->number, ".try");
        if (unlink(path) == 0 || errno == ENOENT)
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
    new_path(path, o, line->number, "");
    bool there;
    enum error_kind kind = holds(path, line->key, &there, e);
    if (!kind && there && unlink(path) && errno != ENOENT)
        kind = error_set(e, ERROR_LOCAL, "cannot remove %s: %s", path, strerror(errno));
    if (!kind)
        kind = sync_part(o, "new", e);
    if (kind)
        return kind;
    new_path(path, o, line->number, ".try");
    unlink(path); /* what stays is removed by the next outbox_lock() */
    forget(o, line->number);
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
    new_path(path, o, number, "");
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
