/* SPDX-License-Identifier: MIT */
#include "server/store_rows.h"

#include "common/buf.h"
#include "common/log.h"

#define COLUMNS 4
#define SQL_MAX 1000

static const int sizes[STORE_ROWS_SIZES] = {STORE_ROWS_MAX, 16, 4, 1};

static const char last_sql[] =
    "SELECT max(coalesce((SELECT max(id) FROM message), 0),"
    " coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'message'), 0))";

static bool prepare_insert(sqlite3 *db, int rows, sqlite3_stmt **ret)
{
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    bool good =
        buf_add_str(&sql, "INSERT INTO message (channel, sender, content, time) VALUES") == 0;
    for (int i = 0; good && i < rows; i++)
        good = buf_add_str(&sql, i ? ",(?,?,?,?)" : "(?,?,?,?)") == 0;
    good = good &&
           sqlite3_prepare_v3(db, sql.data, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL) == SQLITE_OK;
    buf_release(&sql);
    return good;
}

bool store_rows_prepare(struct store_rows *r, sqlite3 *db)
{
    r->db = db;
    bool good = sqlite3_prepare_v3(db, last_sql, -1, SQLITE_PREPARE_PERSISTENT, &r->last, NULL) ==
                SQLITE_OK;
    for (int i = 0; good && i < STORE_ROWS_SIZES; i++)
        good = prepare_insert(db, sizes[i], &r->insert[i]);
    return good;
}

void store_rows_release(struct store_rows *r)
{
    sqlite3_finalize(r->last);
    for (int i = 0; i < STORE_ROWS_SIZES; i++)
        sqlite3_finalize(r->insert[i]);
}

static void bind_text(sqlite3_stmt *statement, int at, struct span text)
{
    sqlite3_bind_text64(statement, at, text.data ? text.data : "", text.len, SQLITE_STATIC,
                        SQLITE_UTF8);
}

static bool insert(struct store_rows *r, sqlite3_stmt *statement,
                   const struct store_message *const *messages, int count)
{
    for (int i = 0; i < count; i++) {
        const struct store_message *m = messages[i];
        bind_text(statement, COLUMNS * i + 1, m->channel);
        bind_text(statement, COLUMNS * i + 2, m->sender);
        bind_text(statement, COLUMNS * i + 3, m->content);
        sqlite3_bind_int64(statement, COLUMNS * i + 4, m->time_s);
    }
    int result = sqlite3_step(statement);
    sqlite3_reset(statement);
    if (result != SQLITE_DONE)
        return false;
    if (sqlite3_last_insert_rowid(r->db) == messages[count - 1]->id)
        return true;
    log_error("the database counts ids in another way");
    return false;
}

bool store_rows_begin(struct store_rows *r)
{
    r->count = 0;
    bool good = sqlite3_step(r->last) == SQLITE_ROW;
    r->last_id = sqlite3_column_int64(r->last, 0);
    sqlite3_reset(r->last);
    return good;
}

bool store_rows_add(struct store_rows *r, struct store_append *a, int64_t now_s)
{
    for (size_t i = 0; i < a->count; i++) {
        if (r->count == STORE_ROWS_MAX && !store_rows_end(r))
            return false;
        /* Behind the last id of all there is none: SQLite will say so. */
        r->last_id = (int64_t)((uint64_t)r->last_id + 1);
        a->messages[i].id = r->last_id;
        a->messages[i].time_s = now_s;
        r->waiting[r->count++] = &a->messages[i];
    }
    return true;
}

bool store_rows_end(struct store_rows *r)
{
    int done = 0;
    for (int i = 0; i < STORE_ROWS_SIZES; i++) {
        for (; r->count - done >= sizes[i]; done += sizes[i]) {
            if (!insert(r, r->insert[i], r->waiting + done, sizes[i]))
                return false;
        }
    }
    r->count = 0;
    return true;
}
