/* SPDX-License-Identifier: MIT */
#include "client/cursor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/form.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/record.h"

#define VERSION    "chancat-cursor-1"
#define FILE_MAX   (4u * 1024 * 1024) /* a channel of 1 MiB, encoded, fits */
#define NAMES_MAX  8192u              /* a link may lead to a longer name than CURSOR_PATH_MAX */
#define SHOWN_MAX  60u                /* bytes of a server's or channel's name in a sentence */
#define SHOWN_SIZE (SHOWN_MAX + 4)

/* --- the line --------------------------------------------------------------------------------- */

static int make_line(struct buf *b, const struct cursor *c, struct message_mark mark)
{
    if (buf_addf(b, VERSION " %" PRId64 " %016" PRIx64 " ", mark.id, mark.fingerprint) ||
        form_add_encoded(b, c->server) || buf_add_char(b, ' ') || form_add_encoded(b, c->channel) ||
        buf_add_char(b, ' '))
        return -1;
    return record_end(b, hash_add(HASH_START, (struct span){b->data, b->len}));
}

/* A name for a sentence: one line, not too long. */
static void show(char ret[SHOWN_SIZE], struct span name)
{
    struct buf b;
    buf_init(&b, SHOWN_MAX * 8);
    size_t len = name.len < SHOWN_MAX ? name.len : SHOWN_MAX;
    (void)text_add_visible(&b, (struct span){name.data, len});
    len = b.len < SHOWN_MAX ? b.len : SHOWN_MAX;
    len = len ? text_valid_prefix(b.data, len) : 0;
    snprintf(ret, SHOWN_SIZE, "%.*s%s", (int)len, len ? b.data : "",
             name.len > SHOWN_MAX || b.len > len ? "..." : "");
    buf_release(&b);
}

static void show_encoded(char ret[SHOWN_SIZE], struct span encoded)
{
    struct buf b;
    buf_init(&b, FILE_MAX);
    bool good = form_add_decoded(&b, encoded) == 1;
    show(ret, good ? (struct span){b.data, b.len} : encoded);
    buf_release(&b);
}

static enum error_kind belongs_elsewhere(const struct cursor *c, struct span server,
                                         struct span channel, struct error *e)
{
    char theirs[2][SHOWN_SIZE], ours[2][SHOWN_SIZE];
    show_encoded(theirs[0], channel);
    show_encoded(theirs[1], server);
    show(ours[0], c->channel);
    show(ours[1], c->server);
    return error_set(
        e, ERROR_USAGE,
        "the cursor file belongs to channel \"%s\" of %s, not to channel \"%s\" of %s: "
        "name another file, or remove %s to start anew",
        theirs[0], theirs[1], ours[0], ours[1], c->path.data);
}

/* ERROR_BAD_DATA: e says what is wrong, as "it ...". */
static enum error_kind parse(const struct cursor *c, struct span file, struct message_mark *ret,
                             struct error *e)
{
    struct span fields[4], rest;
    struct buf ours;
    struct message_mark mark;
    const char *fault = record_read(file, VERSION, fields, 4, &rest);
    if (!fault && rest.len)
        fault = "it has more than one line";
    if (!fault &&
        (!record_decimal(fields[0], &mark.id) || !record_hex(fields[1], &mark.fingerprint)))
        fault = "a number in it is wrong";
    if (fault)
        return error_set(e, ERROR_BAD_DATA, "%s", fault);
    buf_init(&ours, FILE_MAX);
    enum error_kind kind = ERROR_NONE;
    if (form_add_encoded(&ours, c->server) || buf_add_char(&ours, ' ') ||
        form_add_encoded(&ours, c->channel))
        kind = error_set(e, ERROR_LOCAL, "no memory for the cursor file %s", c->path.data);
    /* The two fields are neighbours, with one space between them. */
    else if (!span_equal((struct span){ours.data, ours.len},
                         (struct span){fields[2].data, fields[2].len + 1 + fields[3].len}))
        kind = belongs_elsewhere(c, fields[2], fields[3], e);
    else
        *ret = mark;
    buf_release(&ours);
    return kind;
}

/* ERROR_BAD_DATA as parse(); *ret_missing: with ERROR_LOCAL, there is no such file. */
static enum error_kind read_mark(const struct cursor *c, const char *path, struct message_mark *ret,
                                 bool *ret_missing, struct error *e)
{
    struct buf file;
    buf_init(&file, FILE_MAX);
    enum error_kind kind = file_read_regular(path, &file, e);
    *ret_missing = kind == ERROR_LOCAL && errno == ENOENT;
    if (kind == ERROR_BAD_DATA)
        error_set(e, kind, "it is no regular file, or too large");
    if (!kind)
        kind = parse(c, (struct span){file.data, file.len}, ret, e);
    buf_release(&file);
    return kind;
}

/* --- opening ---------------------------------------------------------------------------------- */

static enum error_kind no_memory(const char *path, struct error *e)
{
    return error_set(e, ERROR_LOCAL, "no memory for the cursor file %s", path);
}

/* c->path: where a link leads to, so that rename() does not replace the link. */
static enum error_kind resolve(struct cursor *c, const char *path, struct error *e)
{
    struct stat info;
    size_t len = strlen(path);
    if (len == 0 || len > CURSOR_PATH_MAX || path[len - 1] == '/')
        return error_set(e, ERROR_USAGE,
                         "\"%.100s\" cannot be a cursor file: the name must have 1 "
                         "to %d bytes and no closing slash",
                         path, CURSOR_PATH_MAX);
    char *target = NULL;
    if (lstat(path, &info) == 0 && S_ISLNK(info.st_mode)) {
        target = realpath(path, NULL);
        if (!target)
            return error_set(e, ERROR_LOCAL,
                             "the cursor file %s is a symbolic link that leads "
                             "nowhere: %s; remove the link or make the file it names",
                             path, strerror(errno));
    }
    int bad = buf_add_str(&c->path, target ? target : path);
    free(target);
    if (bad)
        return no_memory(path, e);
    if (stat(c->path.data, &info) == 0 && !S_ISREG(info.st_mode))
        return error_set(e, ERROR_USAGE, "the cursor file %s is no regular file: name another one",
                         c->path.data);
    if (buf_addf(&c->tmp, "%s.tmp", c->path.data) || buf_addf(&c->prev, "%s.prev", c->path.data) ||
        file_add_directory(&c->directory, c->path.data))
        return no_memory(path, e);
    return ERROR_NONE;
}

static enum error_kind lock(struct cursor *c, struct error *e)
{
    struct buf path;
    buf_init(&path, NAMES_MAX);
    enum error_kind kind =
        buf_addf(&path, "%s.lock", c->path.data) ? no_memory(c->path.data, e) : ERROR_NONE;
    if (!kind)
        kind = file_lock(path.data, &c->lock_fd, e);
    buf_release(&path);
    if (!kind && c->lock_fd < 0)
        kind = error_set(e, ERROR_LOCAL,
                         "another run uses the cursor file %s: wait for its end, "
                         "or name another file",
                         c->path.data);
    return kind;
}

static enum error_kind load_previous(struct cursor *c, const char *fault, struct error *e)
{
    bool missing;
    struct error own = {0};
    enum error_kind kind = read_mark(c, c->prev.data, &c->saved, &missing, &own);
    if (!kind) {
        c->found = c->damaged = true;
        log_warn(
            "the cursor file %s is damaged (%s): going on from %s, which is older, so messages "
            "may be printed again",
            c->path.data, fault, c->prev.data);
        return ERROR_NONE;
    }
    if (kind == ERROR_BAD_DATA || missing)
        return error_set(e, ERROR_LOCAL,
                         "the cursor file %s is damaged (%s), and the one before it, "
                         "%s.prev, %s%s%s; remove both to start anew",
                         c->path.data, fault, c->path.data,
                         missing ? "is missing" : "is damaged, too (", missing ? "" : own.text,
                         missing ? "" : ")");
    return error_set(e, kind, "%s", own.text);
}

static enum error_kind load(struct cursor *c, struct error *e)
{
    bool missing;
    struct error own = {0};
    enum error_kind kind = read_mark(c, c->path.data, &c->saved, &missing, &own);
    c->found = !kind;
    if (!kind || missing)
        return ERROR_NONE;
    return kind == ERROR_BAD_DATA ? load_previous(c, own.text, e)
                                  : error_set(e, kind, "%s", own.text);
}

static enum error_kind write_tmp(struct cursor *c, struct message_mark mark, struct error *e)
{
    struct buf line;
    buf_init(&line, FILE_MAX);
    unlink(c->tmp.data); /* a run that was killed may have left one; the lock is ours */
    enum error_kind kind = make_line(&line, c, mark)
                               ? no_memory(c->path.data, e)
                               : file_write_new(c->tmp.data, (struct span){line.data, line.len}, e);
    buf_release(&line);
    return kind;
}

static enum error_kind cannot_save(const struct cursor *c, struct error *e)
{
    return error_set(e, ERROR_LOCAL, "cannot save the cursor file %s: %s", c->path.data,
                     strerror(errno));
}

enum error_kind cursor_open(struct cursor *c, const char *path, struct span server,
                            struct span channel, struct error *e)
{
    *c = (struct cursor){.server = server, .channel = channel, .lock_fd = -1};
    struct buf *names[] = {&c->path, &c->tmp, &c->prev, &c->directory};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        buf_init(names[i], NAMES_MAX);
    enum error_kind kind = resolve(c, path, e);
    if (!kind)
        kind = lock(c, e);
    if (!kind)
        kind = load(c, e);
    if (!kind)
        kind = write_tmp(c, c->saved, e);
    if (kind)
        return kind;
    /* What is there already is written anew, so that a FILE whose place nothing can take (a bind
     * mount, somebody else's in a sticky directory) is told now. */
    if (c->found && !c->damaged && rename(c->tmp.data, c->path.data))
        kind = cannot_save(c, e);
    if (!c->found || c->damaged || kind)
        unlink(c->tmp.data);
    return kind ? kind : file_sync_directory(c->directory.data, e);
}

void cursor_close(struct cursor *c)
{
    if (c->path.data && c->lock_fd >= 0)
        close(c->lock_fd);
    c->lock_fd = -1;
    buf_release(&c->path);
    buf_release(&c->tmp);
    buf_release(&c->prev);
    buf_release(&c->directory);
}

/* --- saving ----------------------------------------------------------------------------------- */

/* FILE is never absent meanwhile. Without hard links there is no FILE.prev, which is no error. */
static void keep_previous(const struct cursor *c)
{
    if (!c->found || c->damaged)
        return; /* what is damaged must not take the place of the good one */
    unlink(c->prev.data);
    (void)!link(c->path.data, c->prev.data);
}

enum error_kind cursor_save(struct cursor *c, struct message_mark mark, struct error *e)
{
    if (c->found && !c->damaged && mark.id == c->saved.id &&
        mark.fingerprint == c->saved.fingerprint)
        return ERROR_NONE;
    enum error_kind kind = write_tmp(c, mark, e);
    if (kind)
        return kind;
    keep_previous(c);
    if (rename(c->tmp.data, c->path.data)) {
        cannot_save(c, e);
        unlink(c->tmp.data);
        return ERROR_LOCAL;
    }
    kind = file_sync_directory(c->directory.data, e);
    if (kind)
        return kind;
    c->found = true;
    c->damaged = false;
    c->saved = mark;
    return ERROR_NONE;
}
