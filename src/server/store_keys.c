/* SPDX-License-Identifier: MIT */
#include "server/store_keys.h"

#include "common/clock.h"
#include "server/store_queue.h"

static const char find_sql[] = "SELECT fingerprint, first_id, messages, time, ids FROM append_key"
                               " WHERE name = ?1 AND time > ?2";
static const char add_sql[] =
    "INSERT OR REPLACE INTO append_key (name, fingerprint, first_id, messages, time)"
    " VALUES (?1, ?2, ?3, ?4, ?5)";
static const char prune_sql[] =
    "DELETE FROM append_key WHERE name IN"
    " (SELECT name FROM append_key WHERE time <= ?1 ORDER BY time LIMIT ?2)";

bool store_keys_prepare(struct store_keys *k, sqlite3 *db)
{
    const unsigned flags = SQLITE_PREPARE_PERSISTENT;
    k->prune_at = 0; /* a server that is often started still prunes */
    return sqlite3_prepare_v3(db, find_sql, -1, flags, &k->find, NULL) == SQLITE_OK &&
           sqlite3_prepare_v3(db, add_sql, -1, flags, &k->add, NULL) == SQLITE_OK &&
           sqlite3_prepare_v3(db, prune_sql, -1, flags, &k->prune, NULL) == SQLITE_OK;
}

void store_keys_release(struct store_keys *k)
{
    sqlite3_finalize(k->find);
    sqlite3_finalize(k->add);
    sqlite3_finalize(k->prune);
}

static void bind_name(sqlite3_stmt *statement, const struct store_append *a)
{
    sqlite3_bind_text64(statement, 1, a->key.data, a->key.len, SQLITE_STATIC, SQLITE_UTF8);
}

/* The row is there. */
static enum store_keys_found compare(sqlite3_stmt *row, const struct store_append *a)
{
    if (sqlite3_column_int64(row, 0) != store_append_fingerprint(a) ||
        sqlite3_column_int64(row, 2) != (int64_t)a->count)
        return STORE_KEYS_OTHER;
    const char *bytes = sqlite3_column_blob(row, 4);
    struct span ids = {bytes, (size_t)sqlite3_column_bytes(row, 4)};
    if (ids.data && ids.len != a->count * STORE_ID_BYTES)
        return STORE_KEYS_OTHER;
    for (size_t i = 0; i < a->count; i++) {
        a->messages[i].id =
            ids.data ? store_id_at(ids, i) : sqlite3_column_int64(row, 1) + (int64_t)i;
        a->messages[i].time_s = sqlite3_column_int64(row, 3);
    }
    return STORE_KEYS_SAME;
}

enum store_keys_found store_keys_find(struct store_keys *k, const struct store_append *a,
                                      int64_t now_s)
{
    bind_name(k->find, a);
    sqlite3_bind_int64(k->find, 2, now_s - STORE_KEY_KEPT_S);
    int r = sqlite3_step(k->find);
    enum store_keys_found found = r == SQLITE_ROW    ? compare(k->find, a)
                                  : r == SQLITE_DONE ? STORE_KEYS_NEW
                                                     : STORE_KEYS_FAILED;
    sqlite3_reset(k->find);
    return found;
}

static bool run(sqlite3_stmt *statement)
{
    int r = sqlite3_step(statement);
    sqlite3_reset(statement);
    return r == SQLITE_DONE;
}

bool store_keys_add(struct store_keys *k, const struct store_append *a)
{
    bind_name(k->add, a);
    sqlite3_bind_int64(k->add, 2, store_append_fingerprint(a));
    sqlite3_bind_int64(k->add, 3, a->messages[0].id);
    sqlite3_bind_int64(k->add, 4, (int64_t)a->count);
    sqlite3_bind_int64(k->add, 5, a->messages[0].time_s);
    return run(k->add);
}

bool store_keys_prune(struct store_keys *k, int64_t now_s)
{
    if (clock_left_ms(k->prune_at) != 0)
        return true;
    sqlite3_bind_int64(k->prune, 1, now_s - STORE_KEY_KEPT_S);
    sqlite3_bind_int64(k->prune, 2, STORE_KEYS_PRUNE_MAX);
    bool good = run(k->prune);
    /* As many as there may be: the next transaction goes on, so it keeps pace with any sender. */
    bool more = good && sqlite3_changes(sqlite3_db_handle(k->prune)) == STORE_KEYS_PRUNE_MAX;
    k->prune_at = more ? 0 : clock_deadline(STORE_KEYS_PRUNE_MS);
    return good;
}
