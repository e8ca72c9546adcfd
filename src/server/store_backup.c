/* SPDX-License-Identifier: MIT */
/*
 * store_backup() on SQLite: VACUUM INTO, which reads one state of the database and writes a
 * database without free pages and without a log. SQLite's other way, the backup interface, copies
 * pages and begins anew whenever another process has written; on a busy server it might not end.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#include "common/buf.h"
#include "server/store_files.h"
#include "server/store_impl.h"
#include "server/store_schema.h"

#define PATH_BYTES 4200
#define BUSY_MS    5000
#define LOOK_STEPS 10000 /* of SQLite's machine between two looks whether to stop; under 1 ms */

typedef bool stop_fn(void);

static int look(void *context)
{
    stop_fn **stop = context;
    return (*stop)();
}

static enum error_kind copy(sqlite3 *db, const char *to, struct error *e)
{
    sqlite3_stmt *statement;
    int r = sqlite3_prepare_v2(db, "VACUUM INTO ?1", -1, &statement, NULL);
    if (r == SQLITE_OK) {
        sqlite3_bind_text(statement, 1, to, -1, SQLITE_STATIC);
        r = sqlite3_step(statement);
        sqlite3_finalize(statement);
    }
    if (r == SQLITE_DONE)
        return ERROR_NONE;
    return (r & 0xff) == SQLITE_INTERRUPT
               ? error_set(e, ERROR_STOPPED, "the backup was stopped by a signal")
               : store_sql_failed(db, "cannot make the backup", e);
}

/* What SQLite leaves beside a copy that was not completed. */
static void remove_journal(const char *to)
{
    struct buf name;
    buf_init(&name, PATH_BYTES);
    if (!buf_addf(&name, "%s-journal", to))
        unlink(name.data);
    buf_release(&name);
}

enum error_kind store_sqlite_backup(const char *where, const char *to, bool (*stop)(void),
                                    struct error *e)
{
    char what[300];
    int version;
    sqlite3 *db;
    snprintf(what, sizeof(what), "database %.200s", where);
    /* Writable: a reader that cannot write leaves a log behind where there was none. */
    int r = store_files_open(where, SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXRESCODE, &db);
    enum error_kind kind = r == SQLITE_OK ? ERROR_NONE : store_sql_failed(db, what, e);
    if (!kind) {
        sqlite3_busy_timeout(db, BUSY_MS);
        sqlite3_progress_handler(db, LOOK_STEPS, look, &stop);
        kind = store_schema_look(db, &version, e);
    }
    if (!kind && version == 0)
        kind = error_set(e, ERROR_LOCAL, "%s: there is nothing in it", what);
    if (!kind)
        kind = copy(db, to, e);
    sqlite3_close(db);
    if (kind)
        remove_journal(to);
    return kind;
}
