/* SPDX-License-Identifier: MIT */
/*
 * store_impl: what an implementation of store.h brings; a part of the stores and of store.c, for
 * nobody else.
 *
 * Each has a struct of its own that begins with a struct store. The functions are those of store.h
 * with the same names; store.c has seen to what is common to all.
 */
#ifndef CHANCATD_STORE_IMPL_H
#define CHANCATD_STORE_IMPL_H

#include "server/copy_end.h"
#include "server/store.h"

struct store_ops {
    enum error_kind (*queue)(struct store *store, struct store_append *append);
    enum error_kind (*last_id)(struct store *store, struct span channel, int64_t since_us,
                               int64_t *ret, struct error *e);
    /* NULL: one by one */
    enum error_kind (*last_ids)(struct store *store, const struct span *channels, size_t count,
                                int64_t *ret, struct error *e);
    /* count > 0 */
    enum error_kind (*find_start)(struct store *store, struct span channel, int64_t before,
                                  int64_t count, int64_t *ret_after, struct error *e);
    enum error_kind (*read)(struct store *store, struct span channel, int64_t after, int64_t upto,
                            int64_t limit, store_row_fn *row, void *context, struct error *e);
    void (*stats)(struct store *store, struct store_stats *ret);
    void (*close)(struct store *store);
    int recheck_ms;
};

struct store {
    const struct store_ops *ops;
};

typedef enum error_kind store_open_fn(const char *where, store_listener_fn *listener, void *context,
                                      struct store **ret, struct error *e);

typedef enum error_kind copy_end_open_fn(const char *where, enum copy_role role,
                                         struct copy_end **ret, struct error *e);

store_open_fn store_sqlite_open;
copy_end_open_fn store_sqlite_copy_end;
enum error_kind store_sqlite_check(const char *where, struct error *e);
enum error_kind store_sqlite_backup(const char *where, const char *to, bool (*stop)(void),
                                    struct error *e);

/* In a build without libpq all of them say so: ERROR_USAGE. */
store_open_fn store_pg_open;
copy_end_open_fn store_pg_copy_end;
enum error_kind store_pg_check(const char *where, struct error *e);
enum error_kind store_pg_backup(const char *where, const char *to, bool (*stop)(void),
                                struct error *e);

int store_pg_add_name(const char *where, struct buf *b);

/* "libpq/15.1"; NULL: built without it. */
const char *store_pg_library(void);

#endif
