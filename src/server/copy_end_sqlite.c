/* SPDX-License-Identifier: MIT */
/*
 * An end of a copy that is an SQLite database.
 *
 * The source is read in one transaction that stays open, so it is one state of the database; as
 * with a backup, a server's write-ahead log grows meanwhile. The target is locked for this process
 * alone (locking_mode EXCLUSIVE) before anything is looked at.
 */
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "server/store_files.h"
#include "server/store_impl.h"
#include "server/store_queue.h"
#include "server/store_schema.h"

#define BUSY_MS     5000
#define CACHE_KIB   "-32000"   /* of the target, whose index grows in many places */
#define TEXT_MAX    (1u << 30) /* of a page; no row of SQLite is larger */
#define COLUMNS     5
#define ROWS        50 /* in one statement */
#define KEYS_BEFORE 2  /* the version that brought keys; the next brought gaps */

/* From WRITE_ROWS on they are the target's. */
enum statement {
    LAST,
    HIGHEST,
    READ,
    READ_KEYS,
    WRITE_ROWS,
    WRITE_ROW,
    DROP_KEYS,
    WRITE_KEY,
    RAISE,
    RAISE_FIRST,
    STATEMENTS
};

#define ROW   "(?,?,?,?,?)"
#define FIVE  ROW "," ROW "," ROW "," ROW "," ROW
#define TEN   FIVE "," FIVE
#define WRITE "INSERT INTO message (id, channel, sender, content, time) VALUES"

static const char *const statement_sql[STATEMENTS] = {
    [LAST] = "SELECT id FROM message ORDER BY id DESC LIMIT 1",
    [HIGHEST] = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'message'), 0)",
    [READ] = "SELECT id, time, channel, sender, content FROM message WHERE id > ?1 ORDER BY id",
    [READ_KEYS] = "SELECT name, fingerprint, first_id, messages, time, ids FROM append_key"
                  " WHERE name > ?1 ORDER BY name LIMIT ?2",
    [WRITE_ROWS] = WRITE TEN "," TEN "," TEN "," TEN "," TEN,
    [WRITE_ROW] = WRITE ROW,
    [DROP_KEYS] = "DELETE FROM append_key WHERE name > ?1 AND (?2 IS NULL OR name <= ?2)",
    [WRITE_KEY] = "INSERT INTO append_key (name, fingerprint, first_id, messages, time, ids)"
                  " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [RAISE] = "UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'message' AND seq < ?1",
    [RAISE_FIRST] = "INSERT INTO sqlite_sequence (name, seq) SELECT 'message', ?1 WHERE NOT EXISTS"
                    " (SELECT 1 FROM sqlite_sequence WHERE name = 'message')",
};

/* Of databases that have no keys yet, or keys without gaps. */
static const char no_keys_sql[] = "SELECT ?1, ?2 WHERE 0";
static const char old_keys_sql[] =
    "SELECT name, fingerprint, first_id, messages, time, NULL FROM append_key"
    " WHERE name > ?1 ORDER BY name LIMIT ?2";

struct sqlite_end {
    struct copy_end base;
    sqlite3 *db;
    const char *name; /* for sentences */
    sqlite3_stmt *statements[STATEMENTS];
    bool writing; /* a transaction is open on the target */
    bool ended;   /* all messages were read; another step would begin anew */
    struct store_message messages[COPY_PAGE_ROWS];
    struct copy_key keys[COPY_KEYS_ROWS];
    struct buf text; /* of the page */
};

static struct sqlite_end *of(struct copy_end *base)
{
    return (struct sqlite_end *)base;
}

static enum error_kind failed(struct sqlite_end *s, struct error *e)
{
    return store_sql_failed(s->db, s->name, e);
}

static enum error_kind no_memory(struct error *e)
{
    return error_set(e, ERROR_LOCAL, "no memory for the copy");
}

static void bind_span(sqlite3_stmt *statement, int at, struct span text)
{
    sqlite3_bind_text64(statement, at, text.data ? text.data : "", text.len, SQLITE_STATIC,
                        SQLITE_UTF8);
}

/* A statement without rows, whose parameters are bound. */
static enum error_kind run(struct sqlite_end *s, enum statement which, struct error *e)
{
    int r = sqlite3_step(s->statements[which]);
    sqlite3_reset(s->statements[which]);
    return r == SQLITE_DONE ? ERROR_NONE : failed(s, e);
}

/* --- reading ---------------------------------------------------------------------------------- */

/* A question for one number; *ret stays when there is no row. */
static enum error_kind ask(struct sqlite_end *s, enum statement which, int64_t *ret,
                           struct error *e)
{
    int r = sqlite3_step(s->statements[which]);
    if (r == SQLITE_ROW)
        *ret = sqlite3_column_int64(s->statements[which], 0);
    sqlite3_reset(s->statements[which]);
    return r == SQLITE_ROW || r == SQLITE_DONE ? ERROR_NONE : failed(s, e);
}

static enum error_kind last_id(struct copy_end *base, int64_t *ret, struct error *e)
{
    *ret = COPY_NONE;
    return ask(of(base), LAST, ret, e);
}

static enum error_kind highest_id(struct copy_end *base, int64_t *ret, struct error *e)
{
    *ret = 0;
    return ask(of(base), HIGHEST, ret, e);
}

static enum error_kind seek(struct copy_end *base, int64_t after, struct error *e)
{
    struct sqlite_end *s = of(base);
    (void)e;
    s->ended = false;
    sqlite3_reset(s->statements[READ]);
    sqlite3_bind_int64(s->statements[READ], 1, after);
    return ERROR_NONE;
}

/* Copies a column behind the page's other texts, which may move them all: the place is filled in
 * later, see place(). */
static int take(struct buf *text, sqlite3_stmt *row, int column, struct span *ret)
{
    const void *bytes = sqlite3_column_blob(row, column);
    int len = sqlite3_column_bytes(row, column);
    *ret = (struct span){NULL, (size_t)len};
    return len > 0 ? (bytes ? buf_add(text, bytes, (size_t)len) : -1) : 0;
}

static void place(struct span *span, const char **at)
{
    span->data = *at;
    *at += span->len;
}

static int take_message(struct sqlite_end *s, sqlite3_stmt *row, struct store_message *m)
{
    *m = (struct store_message){.id = sqlite3_column_int64(row, 0),
                                .time_s = sqlite3_column_int64(row, 1)};
    return take(&s->text, row, 2, &m->channel) || take(&s->text, row, 3, &m->sender) ||
           take(&s->text, row, 4, &m->content);
}

static enum error_kind next(struct copy_end *base, struct copy_page *ret, struct error *e)
{
    struct sqlite_end *s = of(base);
    sqlite3_stmt *row = s->statements[READ];
    size_t count = 0;
    int r = SQLITE_ROW;
    *ret = (struct copy_page){.messages = s->messages};
    buf_shrink(&s->text, 2 * COPY_PAGE_BYTES);
    buf_clear(&s->text);
    while (!s->ended && count < COPY_PAGE_ROWS && s->text.len < COPY_PAGE_BYTES &&
           (r = sqlite3_step(row)) == SQLITE_ROW) {
        if (take_message(s, row, &s->messages[count++]))
            return no_memory(e);
    }
    if (r != SQLITE_ROW && r != SQLITE_DONE)
        return failed(s, e);
    s->ended |= r == SQLITE_DONE;
    const char *at = s->text.data ? s->text.data : "";
    for (size_t i = 0; i < count; i++) {
        place(&s->messages[i].channel, &at);
        place(&s->messages[i].sender, &at);
        place(&s->messages[i].content, &at);
    }
    ret->count = count;
    return ERROR_NONE;
}

static int add_id(struct buf *b, int64_t id)
{
    char bytes[STORE_ID_BYTES];
    for (size_t i = STORE_ID_BYTES; i-- > 0; id = (int64_t)((uint64_t)id >> 8))
        bytes[i] = (char)(id & 0xff);
    return buf_add(b, bytes, sizeof(bytes));
}

/* Ids without gaps are made, the others are there. */
static int take_ids(struct buf *text, sqlite3_stmt *row, struct span *ret)
{
    if (sqlite3_column_type(row, 5) != SQLITE_NULL)
        return take(text, row, 5, ret);
    int64_t first = sqlite3_column_int64(row, 2), count = sqlite3_column_int64(row, 3);
    int bad = count < 1 || count > INT32_MAX || first > INT64_MAX - count ? -1 : 0;
    for (int64_t i = 0; !bad && i < count; i++)
        bad = add_id(text, first + i);
    *ret = (struct span){NULL, (size_t)count * STORE_ID_BYTES};
    return bad;
}

static enum error_kind next_keys(struct copy_end *base, const char *after, struct copy_keys *ret,
                                 struct error *e)
{
    struct sqlite_end *s = of(base);
    sqlite3_stmt *row = s->statements[READ_KEYS];
    size_t count = 0;
    int r = SQLITE_DONE, bad = 0;
    *ret = (struct copy_keys){.keys = s->keys};
    buf_clear(&s->text);
    bind_span(row, 1, span_of(after));
    sqlite3_bind_int(row, 2, COPY_KEYS_ROWS);
    while (!bad && count < COPY_KEYS_ROWS && (r = sqlite3_step(row)) == SQLITE_ROW) {
        struct copy_key *k = &s->keys[count++];
        *k = (struct copy_key){.fingerprint = sqlite3_column_int64(row, 1),
                               .time_s = sqlite3_column_int64(row, 4)};
        bad = take(&s->text, row, 0, &k->name) || take_ids(&s->text, row, &k->ids);
    }
    enum error_kind kind = bad ? error_set(e, ERROR_LOCAL, "%s: a key is damaged", s->name)
                           : r == SQLITE_ROW || r == SQLITE_DONE ? ERROR_NONE
                                                                 : failed(s, e);
    sqlite3_reset(row);
    const char *at = s->text.data ? s->text.data : "";
    for (size_t i = 0; i < count; i++) {
        place(&s->keys[i].name, &at);
        place(&s->keys[i].ids, &at);
    }
    ret->count = count;
    return kind;
}

/* --- writing ---------------------------------------------------------------------------------- */

static enum error_kind begin(struct sqlite_end *s, struct error *e)
{
    if (s->writing)
        return ERROR_NONE;
    sqlite3_reset(s->statements[READ]);
    enum error_kind kind = store_sql_execute(s->db, "BEGIN IMMEDIATE", e);
    s->writing = !kind;
    return kind;
}

static void bind_message(sqlite3_stmt *statement, int row, const struct store_message *m)
{
    int at = COLUMNS * row;
    sqlite3_bind_int64(statement, at + 1, m->id);
    bind_span(statement, at + 2, m->channel);
    bind_span(statement, at + 3, m->sender);
    bind_span(statement, at + 4, m->content);
    sqlite3_bind_int64(statement, at + 5, m->time_s);
}

static enum error_kind write_page(struct copy_end *base, const struct copy_page *page,
                                  struct error *e)
{
    struct sqlite_end *s = of(base);
    enum error_kind kind = begin(s, e);
    for (size_t done = 0; !kind && done < page->count;) {
        enum statement which = page->count - done >= ROWS ? WRITE_ROWS : WRITE_ROW;
        int rows = which == WRITE_ROWS ? ROWS : 1;
        for (int i = 0; i < rows; i++)
            bind_message(s->statements[which], i, &page->messages[done++]);
        kind = run(s, which, e);
        sqlite3_clear_bindings(s->statements[which]);
    }
    return kind;
}

static bool has_gaps(struct span ids)
{
    size_t count = ids.len / STORE_ID_BYTES;
    for (size_t i = 1; i < count; i++) {
        if (store_id_at(ids, i) != store_id_at(ids, i - 1) + 1)
            return true;
    }
    return false;
}

static enum error_kind write_key(struct sqlite_end *s, const struct copy_key *k, struct error *e)
{
    sqlite3_stmt *statement = s->statements[WRITE_KEY];
    if (k->ids.len < STORE_ID_BYTES || k->ids.len % STORE_ID_BYTES != 0)
        return error_set(e, ERROR_LOCAL, "a key of the source is damaged");
    bind_span(statement, 1, k->name);
    sqlite3_bind_int64(statement, 2, k->fingerprint);
    sqlite3_bind_int64(statement, 3, store_id_at(k->ids, 0));
    sqlite3_bind_int64(statement, 4, (int64_t)(k->ids.len / STORE_ID_BYTES));
    sqlite3_bind_int64(statement, 5, k->time_s);
    if (has_gaps(k->ids))
        sqlite3_bind_blob64(statement, 6, k->ids.data, k->ids.len, SQLITE_STATIC);
    else
        sqlite3_bind_null(statement, 6);
    return run(s, WRITE_KEY, e);
}

static enum error_kind replace_keys(struct copy_end *base, const char *after,
                                    const struct copy_keys *keys, bool rest, struct error *e)
{
    struct sqlite_end *s = of(base);
    sqlite3_stmt *drop = s->statements[DROP_KEYS];
    enum error_kind kind = begin(s, e);
    bind_span(drop, 1, span_of(after));
    if (rest || keys->count == 0)
        sqlite3_bind_null(drop, 2);
    else
        bind_span(drop, 2, keys->keys[keys->count - 1].name);
    if (!kind)
        kind = run(s, DROP_KEYS, e);
    for (size_t i = 0; !kind && i < keys->count; i++)
        kind = write_key(s, &keys->keys[i], e);
    return kind;
}

static enum error_kind raise_ids(struct copy_end *base, int64_t id, struct error *e)
{
    struct sqlite_end *s = of(base);
    enum error_kind kind = begin(s, e);
    for (int which = RAISE; !kind && which <= (int)RAISE_FIRST; which++) {
        sqlite3_bind_int64(s->statements[which], 1, id);
        kind = run(s, (enum statement)which, e);
    }
    return kind;
}

static enum error_kind commit(struct copy_end *base, struct error *e)
{
    struct sqlite_end *s = of(base);
    if (!s->writing)
        return ERROR_NONE;
    enum error_kind kind = store_sql_execute(s->db, "COMMIT", e);
    s->writing = kind != ERROR_NONE;
    return kind;
}

/* --- beginning and end ------------------------------------------------------------------------ */

static void close_end(struct copy_end *base)
{
    struct sqlite_end *s = of(base);
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(s->statements[i]);
    sqlite3_close(s->db); /* an open transaction goes with it */
    buf_release(&s->text);
    free(s);
}

static enum error_kind prepare(struct sqlite_end *s, enum copy_role role, int version,
                               struct error *e)
{
    int count = role == COPY_FROM ? WRITE_ROWS : STATEMENTS;
    for (int i = 0; i < count; i++) {
        const char *sql = i == READ_KEYS && version < KEYS_BEFORE    ? no_keys_sql
                          : i == READ_KEYS && version == KEYS_BEFORE ? old_keys_sql
                                                                     : statement_sql[i];
        if (sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->statements[i],
                               NULL) != SQLITE_OK)
            return failed(s, e);
    }
    return ERROR_NONE;
}

static enum error_kind open_source(struct sqlite_end *s, const char *where, struct error *e)
{
    int version;
    int64_t id;
    /* Writable: a reader that cannot write leaves a log behind where there was none. */
    if (store_files_open(where, SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXRESCODE, &s->db) != SQLITE_OK)
        return failed(s, e);
    sqlite3_busy_timeout(s->db, BUSY_MS);
    enum error_kind kind = store_sql_execute(s->db, "BEGIN", e);
    if (!kind)
        kind = store_schema_look(s->db, &version, e);
    if (!kind && version == 0)
        kind = error_set(e, ERROR_LOCAL, "%s: there is nothing in it", s->name);
    if (!kind)
        kind = prepare(s, COPY_FROM, version, e);
    return kind ? kind : last_id(&s->base, &id, e);
}

/* One of an earlier version was not begun by a copy, and would be changed by being opened. */
static enum error_kind look_at_target(struct sqlite_end *s, struct error *e)
{
    int version;
    enum error_kind kind = store_schema_look(s->db, &version, e);
    if (!kind && version != 0 && version != STORE_SCHEMA_VERSION)
        kind = error_set(e, ERROR_LOCAL,
                         "%s: it is of an earlier version, and so not from this copy", s->name);
    return kind ? kind : store_schema_create(s->db, e);
}

static enum error_kind open_target(struct sqlite_end *s, const char *where, struct error *e)
{
    enum error_kind kind = store_files_look(where, e);
    if (kind)
        return kind;
    mode_t before = umask(077); /* the files are the owner's alone */
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXRESCODE;
    kind = store_files_open(where, flags, &s->db) == SQLITE_OK ? ERROR_NONE : failed(s, e);
    if (!kind) {
        sqlite3_busy_timeout(s->db, BUSY_MS);
        kind = store_sql_execute(s->db,
                                 "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; "
                                 "PRAGMA cache_size = " CACHE_KIB "; BEGIN EXCLUSIVE",
                                 e);
        if (kind && sqlite3_errcode(s->db) == SQLITE_BUSY)
            error_set(e, ERROR_LOCAL, "%s: another program has it open", s->name);
    }
    if (!kind)
        kind = store_sql_execute(s->db, "COMMIT", e); /* the lock stays */
    if (!kind)
        kind = look_at_target(s, e);
    umask(before);
    return kind ? kind : prepare(s, COPY_TO, STORE_SCHEMA_VERSION, e);
}

static const struct copy_end_ops ops = {
    .last_id = last_id,
    .highest_id = highest_id,
    .seek = seek,
    .next = next,
    .next_keys = next_keys,
    .write = write_page,
    .replace_keys = replace_keys,
    .raise_ids = raise_ids,
    .commit = commit,
    .close = close_end,
};

enum error_kind store_sqlite_copy_end(const char *where, enum copy_role role, struct copy_end **ret,
                                      struct error *e)
{
    if (strcmp(where, ":memory:") == 0)
        return error_set(e, ERROR_USAGE, "a database in memory cannot be copied");
    struct sqlite_end *s = calloc(1, sizeof(*s));
    if (!s)
        return no_memory(e);
    s->base.ops = &ops;
    s->name = role == COPY_FROM ? "the source" : "the target";
    buf_init(&s->text, TEXT_MAX);
    enum error_kind kind = role == COPY_FROM ? open_source(s, where, e) : open_target(s, where, e);
    if (kind)
        close_end(&s->base);
    else
        *ret = &s->base;
    return kind;
}
