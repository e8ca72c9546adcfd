/* SPDX-License-Identifier: MIT */
#include "server/store_schema.h"

#include "server/store_keys.h"

/* What makes a database of version i + 1 out of one of version i. */
static const char *const schema[] = {
    "CREATE TABLE message (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " channel TEXT NOT NULL, sender TEXT NOT NULL, content TEXT NOT NULL, time INTEGER NOT NULL);"
    "CREATE INDEX message_channel ON message (channel, id);"
    "PRAGMA user_version = 1",
    STORE_KEYS_SCHEMA "PRAGMA user_version = 2",
    STORE_KEYS_GAPS STORE_SCHEMA_TOUCH,
};

_Static_assert(sizeof(schema) / sizeof(schema[0]) == STORE_SCHEMA_VERSION,
               "the last step makes the present version");

enum error_kind store_sql_failed(sqlite3 *db, const char *what, struct error *e)
{
    return error_set(e, ERROR_LOCAL, "%s: %s", what, db ? sqlite3_errmsg(db) : "no memory");
}

enum error_kind store_sql_execute(sqlite3 *db, const char *sql, struct error *e)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK
               ? ERROR_NONE
               : store_sql_failed(db, "database", e);
}

/* A query for one number. */
static enum error_kind query_int(sqlite3 *db, const char *sql, int *ret, struct error *e)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        return store_sql_failed(db, "database", e);
    enum error_kind kind = ERROR_NONE;
    if (sqlite3_step(statement) == SQLITE_ROW)
        *ret = sqlite3_column_int(statement, 0);
    else
        kind = store_sql_failed(db, "database", e);
    sqlite3_finalize(statement);
    return kind;
}

/* A version says little: many programs count theirs from 1. */
static enum error_kind check_owner(sqlite3 *db, int version, struct error *e)
{
    int ours = 0;
    if (version > STORE_SCHEMA_VERSION)
        return error_set(e, ERROR_LOCAL,
                         "the database has version %d, this program knows version %d", version,
                         STORE_SCHEMA_VERSION);
    enum error_kind kind =
        query_int(db,
                  version == 0 ? "SELECT count(*) = 0 FROM sqlite_master"
                               : "SELECT count(*) = 5 FROM pragma_table_info('message')"
                                 " WHERE name IN ('id', 'channel', 'sender', 'content', 'time')",
                  &ours, e);
    if (!kind && !ours)
        kind = error_set(e, ERROR_LOCAL, "the database belongs to another program");
    return kind;
}

enum error_kind store_schema_look(sqlite3 *db, int *ret_version, struct error *e)
{
    enum error_kind kind = query_int(db, "PRAGMA user_version", ret_version, e);
    return kind ? kind : check_owner(db, *ret_version, e);
}

enum error_kind store_schema_create(sqlite3 *db, struct error *e)
{
    int version = 0;
    enum error_kind kind = store_sql_execute(db, "BEGIN IMMEDIATE", e);
    if (!kind)
        kind = store_schema_look(db, &version, e);
    for (int i = version; !kind && i < STORE_SCHEMA_VERSION; i++)
        kind = store_sql_execute(db, schema[i], e);
    if (!kind)
        kind = store_sql_execute(db, "COMMIT", e);
    if (kind)
        store_sql_execute(db, "ROLLBACK", NULL);
    return kind;
}
