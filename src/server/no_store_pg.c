/* SPDX-License-Identifier: MIT */
/*
 * What stands for the store on PostgreSQL in a build without libpq.
 */
#include "server/store_impl.h"

static enum error_kind is_missing(struct error *e)
{
    return error_set(e, ERROR_USAGE, "this chancatd was built without PostgreSQL");
}

enum error_kind store_pg_open(const char *where, store_listener_fn *listener, void *context,
                              struct store **ret, struct error *e)
{
    (void)where, (void)listener, (void)context, (void)ret;
    return is_missing(e);
}

enum error_kind store_pg_check(const char *where, struct error *e)
{
    (void)where;
    return is_missing(e);
}

enum error_kind store_pg_backup(const char *where, const char *to, bool (*stop)(void),
                                struct error *e)
{
    (void)where, (void)to, (void)stop;
    return is_missing(e);
}

enum error_kind store_pg_copy_end(const char *where, enum copy_role role, struct copy_end **ret,
                                  struct error *e)
{
    (void)where, (void)role, (void)ret;
    return is_missing(e);
}

int store_pg_add_name(const char *where, struct buf *b)
{
    (void)where;
    return buf_add_str(b, "postgresql://");
}

const char *store_pg_library(void)
{
    return NULL;
}
