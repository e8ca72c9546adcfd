/* SPDX-License-Identifier: MIT */
#include "server/pg_schema.h"

#include <string.h>

#include "common/log.h"

/* Of the lock under which the schema is made: "chancat" in ASCII. */
#define SCHEMA_LOCK "27980790367478132"

/* What makes a schema of version i + 1 out of one of version i. */
static const char *const steps_1[] = {
    "CREATE SCHEMA chancat",
    "CREATE SEQUENCE chancat.message_id CACHE 1",
    "CREATE TABLE chancat.message (channel_key bigint NOT NULL, id bigint NOT NULL,"
    " channel bytea NOT NULL, sender bytea NOT NULL, content bytea NOT NULL,"
    " time bigint NOT NULL, PRIMARY KEY (channel_key, id))",
    "CREATE TABLE chancat.append_key (name text COLLATE \"C\" PRIMARY KEY,"
    " fingerprint bigint NOT NULL, ids bytea NOT NULL, time bigint NOT NULL)",
    "CREATE INDEX append_key_time ON chancat.append_key (time)",
    "CREATE VIEW chancat.readable AS SELECT id, to_timestamp(time) AS time,"
    " encode(channel, 'escape') AS channel, encode(sender, 'escape') AS sender,"
    " encode(content, 'escape') AS content FROM chancat.message",
    "CREATE TABLE chancat.version (version bigint NOT NULL)",
    "INSERT INTO chancat.version VALUES (1)",
};

static const struct version {
    const char *const *steps;
    size_t count;
} versions[] = {
    {steps_1, sizeof(steps_1) / sizeof(steps_1[0])},
};

_Static_assert(sizeof(versions) / sizeof(versions[0]) == PG_SCHEMA_VERSION,
               "the last step makes the present version");

static enum error_kind run(struct pg_link *link, const char *sql, int64_t deadline, struct error *e)
{
    struct pg_step step = {.sql = sql};
    enum pg_end end = pg_run(link, &step, 1, deadline, e);
    pg_clear(&step, 1);
    return end == PG_DONE ? ERROR_NONE : ERROR_LOCAL;
}

/* A question for one number. */
static enum error_kind ask(struct pg_link *link, const char *sql, int64_t deadline, int64_t *ret,
                           struct error *e)
{
    struct pg_step step = {.sql = sql};
    enum pg_end end = pg_run(link, &step, 1, deadline, e);
    *ret = end == PG_DONE && PQntuples(step.result) == 1 ? pg_int8(step.result, 0, 0) : 0;
    pg_clear(&step, 1);
    return end == PG_DONE ? ERROR_NONE : ERROR_LOCAL;
}

/* *ret: 0 where there is no schema. */
static enum error_kind find_version(struct pg_link *link, int64_t deadline, int64_t *ret,
                                    struct error *e)
{
    int64_t there;
    *ret = 0;
    enum error_kind kind = ask(link,
                               "SELECT count(*) FROM pg_catalog.pg_namespace"
                               " WHERE nspname = 'chancat'",
                               deadline, &there, e);
    if (kind || !there)
        return kind;
    kind = ask(link,
               "SELECT count(*) FROM pg_catalog.pg_class"
               " WHERE oid = pg_catalog.to_regclass('chancat.version')::oid",
               deadline, &there, e);
    if (!kind && !there)
        kind = error_set(e, ERROR_LOCAL,
                         "the database has a schema chancat that is another program's");
    if (!kind)
        kind = ask(link, "SELECT version FROM chancat.version", deadline, ret, e);
    if (!kind && *ret > PG_SCHEMA_VERSION)
        kind = error_set(e, ERROR_LOCAL,
                         "the database has version %lld, this program knows version %d",
                         (long long)*ret, PG_SCHEMA_VERSION);
    return kind;
}

static enum error_kind check_sequence(struct pg_link *link, int64_t deadline, struct error *e)
{
    int64_t cached;
    enum error_kind kind = ask(link,
                               "SELECT count(*) FROM pg_catalog.pg_sequence WHERE seqrelid ="
                               " pg_catalog.to_regclass('chancat.message_id')::oid"
                               " AND seqcache <> 1",
                               deadline, &cached, e);
    if (!kind && cached)
        kind = error_set(e, ERROR_LOCAL,
                         "the sequence chancat.message_id has a cache, with which followers miss"
                         " messages: ALTER SEQUENCE chancat.message_id CACHE 1");
    return kind;
}

/* What is acknowledged should survive. */
static enum error_kind check_durability(struct pg_link *link, int64_t deadline, struct error *e)
{
    int64_t weak;
    enum error_kind kind =
        ask(link,
            "SELECT count(*) FROM (VALUES (pg_catalog.current_setting('synchronous_commit')"
            " IN ('off', 'local') AND (pg_catalog.current_setting('synchronous_commit')"
            " = 'off' OR pg_catalog.current_setting('synchronous_standby_names') <> ''))) v"
            " WHERE column1",
            deadline, &weak, e);
    if (!kind && weak)
        log_warn("synchronous_commit of the database is not on: messages that were acknowledged"
                 " can be lost when its server or machine fails");
    if (!kind)
        kind = ask(link, "SELECT (NOT pg_catalog.current_setting('fsync')::boolean)::int", deadline,
                   &weak, e);
    if (!kind && weak)
        log_warn("fsync of the database is off: messages that were acknowledged can be lost when"
                 " its machine fails");
    return kind;
}

static enum error_kind bring_up(struct pg_link *link, int64_t deadline, struct error *e)
{
    int64_t version = PG_SCHEMA_VERSION;
    enum error_kind kind = run(link, PG_BEGIN, deadline, e);
    if (!kind)
        kind = run(link, "SELECT pg_catalog.pg_advisory_xact_lock(" SCHEMA_LOCK ")", deadline, e);
    if (!kind) /* another server may have made it meanwhile */
        kind = find_version(link, deadline, &version, e);
    for (int64_t v = version; v < PG_SCHEMA_VERSION; v++) {
        for (size_t i = 0; !kind && i < versions[v].count; i++)
            kind = run(link, versions[v].steps[i], deadline, e);
    }
    if (!kind)
        kind = run(link, "COMMIT", deadline, e);
    if (kind)
        run(link, "ROLLBACK", deadline, NULL);
    return kind;
}

enum error_kind pg_schema_create(struct pg_link *link, int64_t deadline, struct error *e)
{
    int64_t version;
    enum error_kind kind = find_version(link, deadline, &version, e);
    if (!kind && version < PG_SCHEMA_VERSION)
        kind = bring_up(link, deadline, e);
    if (!kind)
        kind = check_sequence(link, deadline, e);
    return kind ? kind : check_durability(link, deadline, e);
}

enum error_kind pg_schema_look(struct pg_link *link, int64_t deadline, struct error *e)
{
    int64_t version, may = 1;
    enum error_kind kind = find_version(link, deadline, &version, e);
    if (!kind && version == 0)
        kind = ask(link,
                   "SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(),"
                   " 'CREATE')::int",
                   deadline, &may, e);
    if (!kind && !may)
        kind = error_set(e, ERROR_LOCAL,
                         "the database has no schema chancat, and this role may not make it");
    return kind ? kind : check_sequence(link, deadline, e);
}
