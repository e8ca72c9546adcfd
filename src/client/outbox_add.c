/* SPDX-License-Identifier: MIT */
/*
 * The part of outbox.h that puts lines in.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "client/outbox.h"
#include "client/outbox_dir.h"
#include "client/outbox_file.h"
#include "client/outbox_numbers.h"
#include "common/clock.h"
#include "common/file.h"

#define LINK_STEPS       64 /* numbers tried before looking for the highest again */
#define LINK_LOOKS       1000
#define DESCRIPTORS_LEFT 8

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
            outbox_dir_line_path(target, o, ++o->last_number, "");
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

/* Others need descriptors, too: the receiving thread, and outbox_commit() itself. */
static bool has_room(int fd)
{
    int beyond = fcntl(fd, F_DUPFD_CLOEXEC, fd + DESCRIPTORS_LEFT);
    if (beyond >= 0)
        close(beyond);
    return beyond >= 0;
}

enum error_kind outbox_put_line(struct outbox *o, struct span server, struct span channel,
                                struct span sender, struct span content, struct error *e)
{
    struct outbox_line line = {
        .server = server, .channel = channel, .sender = sender, .content = content};
    struct outbox_added *added = &o->group[o->group_count];
    struct buf file;
    buf_init(&file, OUTBOX_FILE_MAX);
    enum error_kind kind = key_make(line.key, e);
    memcpy(line.key, o->run, OUTBOX_RUN_LEN);
    if (!kind)
        kind = outbox_file_make(&file, &line, e);
    if (!kind)
        kind = outbox_dir_write(o, (struct span){file.data, file.len}, &added->file, e);
    buf_release(&file);
    if (kind)
        return kind;
    if (o->group_count > 0 && !has_room(added->file.fd)) {
        outbox_dir_drop(o, &added->file);
        return error_set(e, ERROR_LOCAL, "too many files are open");
    }
    memcpy(added->key, line.key, sizeof(added->key));
    o->group_count++;
    return ERROR_NONE;
}

/* The first *ret_count of the group are on disk in tmp/. All are handed to the disk before any is
 * waited for. */
static enum error_kind sync_group(struct outbox *o, size_t *ret_count, struct error *e)
{
    for (size_t i = 0; i < o->group_count && o->group_count > 1; i++)
        file_begin_sync(o->group[i].file.fd);
    for (*ret_count = 0; *ret_count < o->group_count; ++*ret_count) {
        enum error_kind kind = outbox_dir_finish(o, &o->group[*ret_count].file, e);
        if (kind)
            return kind;
    }
    return ERROR_NONE;
}

/* Somebody has removed the name of a file that we still have. */
static enum error_kind store_again(struct outbox *o, int fd, struct error *e)
{
    struct buf file;
    buf_init(&file, OUTBOX_FILE_MAX);
    enum error_kind kind = file_read_open(fd, &file, e);
    if (!kind)
        kind = outbox_dir_store(o, (struct span){file.data, file.len}, link_in_new, o, e);
    buf_release(&file);
    return kind;
}

static enum error_kind link_group(struct outbox *o, size_t *count, struct error *e)
{
    for (size_t i = 0; i < *count; i++) {
        bool vanished;
        struct outbox_added *added = &o->group[i];
        enum error_kind kind = outbox_dir_place(o, &added->file, link_in_new, o, &vanished, e);
        if (vanished)
            kind = store_again(o, added->file.fd, e);
        added->number = o->last_number;
        if (kind) {
            *count = i;
            return kind;
        }
    }
    return ERROR_NONE;
}

/* What may be gone after a crash is not accepted. What is gone already has been sent, or set
 * aside, and so have been those before it. */
static void take_back(struct outbox *o, size_t *count)
{
    char path[OUTBOX_PATH_SIZE];
    for (; *count > 0; --*count) {
        outbox_dir_line_path(path, o, o->group[*count - 1].number, "");
        if (unlink(path) && errno == ENOENT)
            break;
    }
    (void)outbox_dir_sync(o, "new", NULL);
}

enum error_kind outbox_commit(struct outbox *o, size_t *ret_accepted, char ret_key[KEY_LEN + 1],
                              uint64_t *ret_number, struct error *e)
{
    size_t count;
    enum error_kind kind = sync_group(o, &count, e),
                    linked = link_group(o, &count, kind ? NULL : e);
    kind = kind ? kind : linked;
    struct error why;
    if (count > 0 && outbox_dir_sync(o, "new", &why)) {
        take_back(o, &count);
        if (count < o->group_count)
            kind = error_set(e, ERROR_LOCAL, "%s", why.text);
    }
    for (size_t i = 0; i < count; i++)
        outbox_numbers_forget(o, o->group[i].number); /* it was perhaps another line's before */
    if (count > 0) {
        memcpy(ret_key, o->group[count - 1].key, KEY_LEN + 1);
        *ret_number = o->group[count - 1].number;
    }
    outbox_abandon(o);
    *ret_accepted = count;
    return kind;
}

void outbox_abandon(struct outbox *o)
{
    while (o->group_count > 0)
        outbox_dir_drop(o, &o->group[--o->group_count].file);
}

enum error_kind outbox_add(struct outbox *o, struct span server, struct span channel,
                           struct span sender, struct span content, char ret_key[KEY_LEN + 1],
                           uint64_t *ret_number, struct error *e)
{
    size_t accepted;
    enum error_kind kind = outbox_put_line(o, server, channel, sender, content, e);
    return kind ? kind : outbox_commit(o, &accepted, ret_key, ret_number, e);
}
