/* SPDX-License-Identifier: MIT */
#include "client/outbox_batch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/outbox_dir.h"
#include "client/outbox_file.h"
#include "client/outbox_numbers.h"
#include "common/file.h"
#include "common/form.h"
#include "common/hash.h"
#include "common/record.h"

#define BATCH_VERSION "chancat-batch-1"
#define FIELDS        9
#define MEMBER_MAX    64u /* bytes of the text of one */
#define RECORD_MAX    (OUTBOX_HEADER_MAX + BATCH_LINES_MAX * MEMBER_MAX)

void outbox_batch_init(struct outbox_batch *b)
{
    *b = (struct outbox_batch){0};
    buf_init(&b->server, OUTBOX_HEADER_MAX);
    buf_init(&b->members, BATCH_LINES_MAX * sizeof(struct outbox_member));
}

void outbox_batch_release(struct outbox_batch *b)
{
    buf_release(&b->server);
    buf_release(&b->members);
}

void outbox_batch_clear(struct outbox_batch *b)
{
    struct buf server = b->server, members = b->members;
    buf_clear(&server);
    buf_clear(&members);
    *b = (struct outbox_batch){.server = server, .members = members, .try = outbox_try_none};
}

enum error_kind outbox_batch_begin(struct outbox_batch *b, struct span server, struct error *e)
{
    outbox_batch_clear(b);
    if (buf_add(&b->server, server.data, server.len) ||
        buf_reserve(&b->members, b->members.max_bytes))
        return error_set(e, ERROR_LOCAL, "no memory for a batch");
    return key_make(b->key, e);
}

static bool add_member(struct outbox_batch *b, uint64_t number, const char *key)
{
    struct outbox_member m = {.number = number};
    memcpy(m.key, key, KEY_LEN);
    if (number > INT64_MAX || buf_add(&b->members, &m, sizeof(m)))
        return false;
    b->first = b->first ? b->first : number;
    b->last = number;
    return true;
}

bool outbox_batch_add(struct outbox_batch *b, const struct outbox_line *line)
{
    return add_member(b, line->number, line->key);
}

size_t outbox_batch_count(const struct outbox_batch *b)
{
    return b->members.len / sizeof(struct outbox_member);
}

const struct outbox_member *outbox_batch_at(const struct outbox_batch *b, size_t i)
{
    return (const struct outbox_member *)(const void *)b->members.data + i;
}

size_t outbox_batch_find(const struct outbox_batch *b, const struct outbox_line *line)
{
    size_t i = 0, count = outbox_batch_count(b);
    while (i < count && (outbox_batch_at(b, i)->number != line->number ||
                         strcmp(outbox_batch_at(b, i)->key, line->key) != 0))
        i++;
    return i;
}

/* --- the record ------------------------------------------------------------------------------- */

static void record_path(char ret[OUTBOX_PATH_SIZE], const struct outbox *o,
                        const struct outbox_batch *b)
{
    char name[OUTBOX_NAME_MAX];
    outbox_dir_batch_name(name, b->stored, b->first, b->last);
    outbox_dir_path(ret, o, "", name);
}

/* 0, or -1 (buffer full). */
static int make_record(struct buf *file, struct buf *list, const struct outbox_batch *b)
{
    size_t count = outbox_batch_count(b);
    for (size_t i = 0; i < count; i++) {
        const struct outbox_member *m = outbox_batch_at(b, i);
        if (buf_addf(list, "%" PRIu64 " %s\n", m->number, m->key))
            return -1;
    }
    if (buf_addf(file, BATCH_VERSION " %s ", b->key) ||
        form_add_encoded(file, (struct span){b->server.data, b->server.len}) ||
        buf_addf(file, " %" PRId64 " %" PRId64 " %" PRId64 " %d %d %zu %zu ", b->try.watermark,
                 b->try.attempts, b->try.first_s, b->try.keyed, (int)b->state, b->done, count))
        return -1;
    struct span all = {list->data, list->len};
    uint64_t sum = hash_add(hash_add(HASH_START, (struct span){file->data, file->len}), all);
    return record_end(file, sum) || buf_add(file, all.data, all.len) ? -1 : 0;
}

enum error_kind outbox_batch_record(struct outbox *o, const struct outbox_batch *b, struct error *e)
{
    char name[OUTBOX_NAME_MAX];
    struct buf file, list;
    buf_init(&file, RECORD_MAX);
    buf_init(&list, RECORD_MAX);
    outbox_dir_batch_name(name, b->stored, b->first, b->last);
    enum error_kind kind =
        make_record(&file, &list, b)
            ? error_set(e, ERROR_LOCAL, "no memory for the record of a batch")
            : outbox_dir_replace(o, "", name, (struct span){file.data, file.len}, e);
    buf_release(&file);
    buf_release(&list);
    return kind;
}

/* `NUMBER KEY` of each line; false: that is not what stands there. */
static bool read_members(struct span list, int64_t count, struct outbox_batch *b)
{
    for (int64_t i = 0; i < count; i++) {
        const char *end = list.len ? memchr(list.data, '\n', list.len) : NULL;
        size_t len = end ? (size_t)(end - list.data) : 0;
        int64_t number;
        if (len <= KEY_LEN + 1 || list.data[len - KEY_LEN - 1] != ' ' ||
            !record_decimal((struct span){list.data, len - KEY_LEN - 1}, &number) ||
            !outbox_file_is_key((struct span){end - KEY_LEN, KEY_LEN}) ||
            (uint64_t)number <= b->last || !add_member(b, (uint64_t)number, end - KEY_LEN))
            return false;
        list.data += len + 1;
        list.len -= len + 1;
    }
    return list.len == 0;
}

/* NULL, or what is wrong. */
static const char *read_record(struct span file, struct outbox_batch *b)
{
    struct span fields[FIELDS], list;
    int64_t state, done, count;
    const char *fault = record_read(file, BATCH_VERSION, fields, FIELDS, &list);
    if (fault)
        return fault;
    if (!outbox_file_is_key(fields[0]) || form_add_decoded(&b->server, fields[1]) != 1 ||
        !outbox_try_read(fields + 2, &b->try) || !record_decimal(fields[6], &state) ||
        state > OUTBOX_BATCH_ANSWERED || !record_decimal(fields[7], &done) ||
        !record_decimal(fields[8], &count) || done > count ||
        (state == OUTBOX_BATCH_WHOLE && done > 0) || !read_members(list, count, b))
        return "a field in it is wrong";
    memcpy(b->key, fields[0].data, KEY_LEN);
    b->state = (enum outbox_batch_state)state;
    b->done = (size_t)done;
    return NULL;
}

/* Reads the record with the name of b->first and b->last. */
static enum error_kind load_record(struct outbox *o, struct outbox_batch *b, struct error *e)
{
    char path[OUTBOX_PATH_SIZE];
    struct buf file;
    bool stored = b->stored;
    uint64_t first = b->first, last = b->last;
    buf_init(&file, RECORD_MAX);
    record_path(path, o, b);
    outbox_batch_clear(b);
    enum error_kind kind = file_read_regular(path, &file, e);
    const char *fault = "it is no regular file, or too large";
    if (!kind)
        fault = read_record((struct span){file.data, file.len}, b);
    if (!kind && !fault && (b->first != first || b->last != last))
        fault = "its name is not that of its lines";
    buf_release(&file);
    if (kind != ERROR_LOCAL && fault)
        kind = error_set(e, ERROR_BAD_DATA, "the record of their batch, %s, is damaged: %s", path,
                         fault);
    b->stored = stored;
    b->first = first;
    b->last = last;
    return kind;
}

/* Until this has worked once, a loss of power could bring a record back that was removed. */
static enum error_kind sync_removal(struct outbox *o, struct error *e)
{
    enum error_kind kind = outbox_dir_sync(o, "", e);
    o->unsynced = kind != ERROR_NONE;
    return kind;
}

enum error_kind outbox_batch_forget(struct outbox *o, struct outbox_batch *b, struct error *e)
{
    char path[OUTBOX_PATH_SIZE];
    record_path(path, o, b);
    if (unlink(path) && errno != ENOENT)
        return error_set(e, ERROR_LOCAL, "cannot remove %s: %s", path, strerror(errno));
    outbox_batch_clear(b);
    return sync_removal(o, e);
}

/* --- its end ---------------------------------------------------------------------------------- */

/* Its lines from `from` up to `to` have been dealt with: they are removed, durably. */
static enum error_kind remove_lines(struct outbox *o, const struct outbox_batch *b, size_t from,
                                    size_t to, struct error *e)
{
    char path[OUTBOX_PATH_SIZE];
    for (size_t i = from; i < to; i++) {
        const struct outbox_member *m = outbox_batch_at(b, i);
        outbox_dir_line_path(path, o, m->number, "");
        enum error_kind kind = outbox_file_unlink(path, m->key, e);
        if (kind)
            return kind;
        outbox_numbers_forget(o, m->number);
    }
    enum error_kind kind = outbox_dir_sync(o, "new", e);
    for (size_t i = from; !kind && i < to && !b->stored; i++) {
        outbox_dir_line_path(path, o, outbox_batch_at(b, i)->number, ".try");
        unlink(path); /* what stays is removed by the next outbox_lock() */
    }
    return kind;
}

/* The record has nothing more to say. If a crash brings it back, it says that once more. */
static void end_record(struct outbox *o, struct outbox_batch *b)
{
    char path[OUTBOX_PATH_SIZE];
    record_path(path, o, b);
    unlink(path);
    outbox_batch_clear(b);
}

/* All of a batch that is stored. */
static enum error_kind remove_all(struct outbox *o, struct outbox_batch *b, struct error *e)
{
    enum error_kind kind = remove_lines(o, b, 0, outbox_batch_count(b), e);
    if (!kind)
        end_record(o, b);
    return kind;
}

enum error_kind outbox_batch_stored(struct outbox *o, struct outbox_batch *b, struct error *e)
{
    char from[OUTBOX_PATH_SIZE], to[OUTBOX_PATH_SIZE];
    record_path(from, o, b);
    b->stored = true;
    record_path(to, o, b);
    if (rename(from, to))
        return error_set(e, ERROR_LOCAL, "cannot rename %s: %s", from, strerror(errno));
    enum error_kind kind = outbox_dir_sync(o, "", e);
    return kind ? kind : remove_all(o, b, e);
}

enum error_kind outbox_batch_next(struct outbox *o, struct outbox_batch *b, size_t i, int64_t id,
                                  struct error *e)
{
    enum error_kind kind = ERROR_NONE;
    if (id > 0) {
        b->done = i + 1;
        if (b->try.watermark >= 0 && id > b->try.watermark)
            b->try.watermark = id;
        kind = outbox_batch_record(o, b, e);
        if (!kind)
            kind = remove_lines(o, b, i, i + 1, e);
    }
    if (!kind && i + 1 == outbox_batch_count(b))
        end_record(o, b);
    return kind;
}

/* --- what was left behind --------------------------------------------------------------------- */

struct search {
    struct outbox *o;
    struct span server;
    struct outbox_batch *b;
};

/* Does any of its lines still wait? */
static enum error_kind any_waits(struct outbox *o, const struct outbox_batch *b, bool *ret,
                                 struct error *e)
{
    char path[OUTBOX_PATH_SIZE];
    enum error_kind kind = ERROR_NONE;
    *ret = false;
    for (size_t i = b->done; !kind && !*ret && i < outbox_batch_count(b); i++) {
        const struct outbox_member *m = outbox_batch_at(b, i);
        outbox_dir_line_path(path, o, m->number, "");
        kind = outbox_file_holds(path, m->key, ret, e);
    }
    return kind;
}

enum error_kind outbox_batch_end(struct outbox *o, struct outbox_batch *b, struct error *e)
{
    bool waits;
    enum error_kind kind = any_waits(o, b, &waits, e);
    if (!kind && !waits)
        end_record(o, b);
    return kind;
}

/* Does what its writer had left to do. b->first is 0 afterwards when nothing is left of it. */
static enum error_kind go_on(struct outbox *o, struct outbox_batch *b, struct error *e)
{
    enum error_kind kind = ERROR_NONE;
    if (b->stored)
        return remove_all(o, b, e);
    if (b->state == OUTBOX_BATCH_WHOLE)
        return ERROR_NONE;
    if (b->done > 0)
        kind = remove_lines(o, b, b->done - 1, b->done, e);
    return kind ? kind : outbox_batch_end(o, b, e);
}

static enum error_kind look_at(void *context, const char *name, struct error *e)
{
    struct search *s = context;
    struct outbox_batch *b = s->b;
    bool stored;
    uint64_t first, last;
    if (b->first || !outbox_dir_batch(name, &stored, &first, &last))
        return ERROR_NONE;
    b->stored = stored;
    b->first = first;
    b->last = last;
    enum error_kind kind = load_record(s->o, b, e);
    if (!kind)
        kind = go_on(s->o, b, e);
    if (!kind && !span_equal((struct span){b->server.data, b->server.len}, s->server))
        outbox_batch_clear(b);
    return kind;
}

enum error_kind outbox_batch_load(struct outbox *o, struct span server, struct outbox_batch *b,
                                  struct error *e)
{
    struct search search = {o, server, b};
    outbox_batch_clear(b);
    enum error_kind kind = o->unsynced ? sync_removal(o, e) : ERROR_NONE;
    return kind ? kind : outbox_dir_each(o, "", look_at, &search, e);
}
