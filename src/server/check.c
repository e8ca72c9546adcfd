/* SPDX-License-Identifier: MIT */
#include "server/check.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/text.h"
#include "server/listen.h"
#include "server/store.h"

#define PATH_BYTES 4096

/* May files be made in the directory of `path`, or in the lowest above it that is there? */
static enum error_kind check_directory(const char *path, struct error *e)
{
    struct buf at, above;
    struct stat info;
    buf_init(&at, PATH_BYTES);
    buf_init(&above, PATH_BYTES);
    int bad = file_add_directory(&at, path);
    while (!bad && stat(at.data, &info) && errno == ENOENT && strcmp(at.data, "/") != 0) {
        buf_clear(&above);
        bad = file_add_directory(&above, at.data);
        buf_clear(&at);
        bad = bad || buf_add(&at, above.data, above.len);
    }
    enum error_kind kind = ERROR_NONE;
    if (bad)
        kind = error_set(e, ERROR_LOCAL, "no memory");
    else if (access(at.data, W_OK | X_OK))
        kind =
            error_set(e, ERROR_LOCAL, "cannot make files in %.300s: %s", at.data, strerror(errno));
    buf_release(&at);
    buf_release(&above);
    return kind;
}

/* The folders above the default database are made at a start, but no others. */
static enum error_kind check_database(const struct server_options *o, const char *path,
                                      struct error *e)
{
    struct stat info;
    enum error_kind kind = o->database ? ERROR_NONE : check_directory(path, e);
    if (kind || (!o->database && lstat(path, &info) && errno == ENOENT))
        return kind;
    return store_check(path, e);
}

/* A socket that was passed is listened on in the place of what is asked for. */
static enum error_kind check_listen(const char *address, struct error *e)
{
    struct listener l;
    enum error_kind kind = listen_inherit(&l, e);
    bool passed = l.fd >= 0;
    listen_close(&l);
    return kind || passed ? kind : listen_check(address, e);
}

static int add_sentence(const struct server_options *o, const char *path, struct buf *b)
{
    return buf_add_str(b, "chancatd: good: address ") || text_add_visible(b, span_of(o->listen)) ||
           buf_add_str(b, ", database ") || store_add_name(path, b) ||
           buf_add_str(b, o->token.len ? ", with a token\n" : ", without a token\n");
}

enum error_kind check_configuration(const struct server_options *o, struct buf *sentence,
                                    struct error *e)
{
    struct buf path;
    buf_init(&path, PATH_BYTES);
    enum error_kind kind = check_listen(o->listen, e);
    if (!kind)
        kind = server_options_add_database(o, &path, e);
    if (!kind)
        kind = check_database(o, path.data, e);
    if (!kind && add_sentence(o, path.data, sentence))
        kind = error_set(e, ERROR_LOCAL, "no memory");
    buf_release(&path);
    return kind;
}
