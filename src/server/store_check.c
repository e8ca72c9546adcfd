/* SPDX-License-Identifier: MIT */
/*
 * store_check() on SQLite: a look at a database from outside.
 */
#include <ctype.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "server/store_files.h"
#include "server/store_impl.h"
#include "server/store_keys.h"
#include "server/store_rows.h"
#include "server/store_schema.h"

#define PATH_BYTES 4096
#define BUSY_MS    5000

/* A path as a URI: whatever could mean something there is encoded. */
static int add_uri(struct buf *b, const char *path)
{
    int bad = buf_add_str(b, "file:");
    for (; *path && !bad; path++) {
        unsigned char c = (unsigned char)*path;
        bad = isalnum(c) ? buf_add_char(b, *path) : buf_addf(b, "%%%02X", c);
    }
    return bad;
}

/* Where there is a write-ahead log a server runs or was killed, and the log belongs to what is
 * read; opening leaves it as it is. Where there is none, opening in the usual way would make one,
 * of which a server that runs as somebody else could be locked out: the file is read as it stands.
 */
static int open_to_look(const char *path, sqlite3 **ret)
{
    struct buf name;
    buf_init(&name, 3 * PATH_BYTES);
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_EXRESCODE;
    int r = SQLITE_NOMEM;
    *ret = NULL;
    if (!buf_addf(&name, "%s-wal", path)) {
        bool has_log = access(name.data, F_OK) == 0;
        buf_clear(&name);
        if (!add_uri(&name, path) && (has_log || !buf_add_str(&name, "?immutable=1")))
            r = sqlite3_open_v2(name.data, ret, flags, NULL);
    }
    buf_release(&name);
    return r;
}

/* What a server would do with these tables, short of doing it. An older version has messages, and
 * the rest is made when it is opened. */
static enum error_kind look_at_tables(sqlite3 *db, struct error *e)
{
    struct store_keys keys = {0};
    struct store_rows rows = {0};
    int version;
    enum error_kind kind = store_schema_look(db, &version, e);
    if (!kind && ((version > 0 && !store_rows_prepare(&rows, db)) ||
                  (version == STORE_SCHEMA_VERSION && !store_keys_prepare(&keys, db))))
        kind = store_sql_failed(db, "database", e);
    store_keys_release(&keys);
    store_rows_release(&rows);
    return kind;
}

static enum error_kind look_inside(const char *where, struct error *e)
{
    char what[300];
    struct error why;
    sqlite3 *db;
    snprintf(what, sizeof(what), "database %.200s", where);
    enum error_kind kind =
        open_to_look(where, &db) == SQLITE_OK ? ERROR_NONE : store_sql_failed(db, what, e);
    if (!kind) {
        sqlite3_busy_timeout(db, BUSY_MS);
        if (look_at_tables(db, &why))
            kind = error_set(e, ERROR_LOCAL, "%.200s: %.250s", where, why.text);
    }
    sqlite3_close(db);
    return kind;
}

enum error_kind store_sqlite_check(const char *where, struct error *e)
{
    enum error_kind kind = store_files_look(where, e);
    bool exists = strcmp(where, ":memory:") != 0 && access(where, F_OK) == 0;
    return kind || !exists ? kind : look_inside(where, e);
}
