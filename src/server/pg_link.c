/* SPDX-License-Identifier: MIT */
#include "server/pg_link.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/hash.h"

#define BINARY 1

static void put_be(char *to, uint64_t number, size_t bytes)
{
    for (size_t i = bytes; i-- > 0; number >>= 8)
        to[i] = (char)(number & 0xff);
}

/* libpq's sentence has lines and ends with one. */
static enum error_kind failed(const char *what, const char *text, struct error *e)
{
    size_t len = strcspn(text, "\n");
    while (len > 0 && strchr(" \t\r.", text[len - 1]))
        len--;
    return error_set(e, ERROR_LOCAL, "%s: %.*s", what, (int)(len < 400 ? len : 400), text);
}

/* Waits until the socket can be read or written to, as asked. False: not in time, or stopped. */
static bool wait_for(const struct pg_link *link, short events, int64_t deadline)
{
    struct pollfd p = {.fd = PQsocket(link->conn), .events = events};
    int r;
    do
        r = poll(&p, 1, clock_left_ms(deadline));
    while (r < 0 && errno == EINTR && !(link->stop && link->stop()));
    return r > 0;
}

static bool connect_until(const struct pg_link *link, int64_t deadline)
{
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    while (status == PGRES_POLLING_READING || status == PGRES_POLLING_WRITING) {
        if (!wait_for(link, status == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline))
            return false;
        status = PQconnectPoll(link->conn);
    }
    return status == PGRES_POLLING_OK;
}

static void ignore_notice(void *context, const PGresult *result)
{
    (void)context, (void)result;
}

/* --- a connection ----------------------------------------------------------------------------- */

/* What a URI, a service and the environment say together, as comma-separated lists. */
struct servers {
    char *hosts, *addresses, *ports;
    size_t count;
};

static size_t count_items(const char *list)
{
    size_t count = list && *list;
    for (; count && *list; list++)
        count += *list == ',';
    return count;
}

/* NULL: there is none, or no memory. */
static char *copy_item(const char *list, size_t at)
{
    for (; list && at > 0; at--)
        list = strchr(list, ',') ? strchr(list, ',') + 1 : NULL;
    return list && *list && *list != ',' ? strndup(list, strcspn(list, ",")) : NULL;
}

/* Where libpq stumbles over a URI it shows over what, which may be half of a password; what comes
 * of trying to connect names the host alone, and one that was read as it was meant has no @. */
static bool may_show_secret(const char *uri, const char *text)
{
    static const char *const tries[] = {"connection to server ", "could not translate host name "};
    bool tried = false;
    for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++)
        tried |= strncmp(text, tries[i], strlen(tries[i])) == 0;
    return (strchr(uri, '@') || strstr(uri, "password")) && (!tried || strchr(text, '@'));
}

static void find_servers(PGconn *conn, struct servers *ret)
{
    PQconninfoOption *options = PQconninfo(conn);
    *ret = (struct servers){.count = 0};
    for (const PQconninfoOption *o = options; o && o->keyword; o++) {
        char **to = strcmp(o->keyword, "host") == 0       ? &ret->hosts
                    : strcmp(o->keyword, "hostaddr") == 0 ? &ret->addresses
                    : strcmp(o->keyword, "port") == 0     ? &ret->ports
                                                          : NULL;
        if (to && o->val)
            *to = strdup(o->val);
    }
    PQconninfoFree(options);
    ret->count = count_items(ret->addresses ? ret->addresses : ret->hosts);
}

static void release_servers(struct servers *s)
{
    free(s->hosts);
    free(s->addresses);
    free(s->ports);
}

/* With one server of many, or (NULL) with those that the URI names. */
static PGconn *start(const char *uri, const struct servers *s, size_t at)
{
    char *host = s ? copy_item(s->hosts, at) : NULL;
    char *address = s ? copy_item(s->addresses, at) : NULL;
    char *port = s ? copy_item(s->ports, count_items(s->ports) > 1 ? at : 0) : NULL;
    /* What stands later counts, and a URI that is expanded may say otherwise. */
    const char *const names[] = {
        "target_session_attrs", "application_name", "dbname", "host", "hostaddr", "port", NULL};
    const char *const values[] = {"read-write", "chancatd", uri, host, address, port, NULL};
    PGconn *conn = PQconnectStartParams(names, values, 1);
    if (conn)
        PQsetNoticeReceiver(conn, ignore_notice, NULL);
    free(host);
    free(address);
    free(port);
    return conn;
}

static enum error_kind finish(const struct pg_link *link, const char *uri, int64_t deadline,
                              struct error *e)
{
    PGconn *conn = link->conn;
    const char *what = "cannot connect to PostgreSQL";
    if (!conn)
        return error_set(e, ERROR_LOCAL, "no memory");
    if (PQstatus(conn) == CONNECTION_BAD && may_show_secret(uri, PQerrorMessage(conn)))
        return error_set(e, ERROR_LOCAL,
                         "libpq cannot use this URI; what is special in a URI must be written as"
                         " %%XX in a user's name or password");
    if (PQstatus(conn) == CONNECTION_BAD || !connect_until(link, deadline))
        return failed(what,
                      clock_left_ms(deadline) == 0 ? "no answer in time" : PQerrorMessage(conn), e);
    if (PQsetnonblocking(conn, 1) || !PQenterPipelineMode(conn))
        return failed(what, PQerrorMessage(conn), e);
    return ERROR_NONE;
}

/* libpq goes on to the next server when one refuses, but not when one is silent. So each is asked
 * by itself, with its share of the time that is left. */
static enum error_kind try_servers(struct pg_link *link, const char *uri, const struct servers *s,
                                   int64_t deadline, struct error *e)
{
    enum error_kind kind = ERROR_LOCAL;
    for (size_t at = 0; kind && at < s->count; at++) {
        int share = clock_left_ms(deadline) / (int)(s->count - at);
        pg_close(link);
        link->conn = start(uri, s, at);
        kind = finish(link, uri, clock_deadline(share), e);
    }
    return kind;
}

enum error_kind pg_open(struct pg_link *link, const char *uri, int64_t deadline, struct error *e)
{
    struct servers servers;
    link->conn = start(uri, NULL, 0);
    find_servers(link->conn, &servers);
    enum error_kind kind = servers.count > 1 ? try_servers(link, uri, &servers, deadline, e)
                                             : finish(link, uri, deadline, e);
    if (kind)
        pg_close(link);
    release_servers(&servers);
    return kind;
}

void pg_close(struct pg_link *link)
{
    PQfinish(link->conn);
    link->conn = NULL;
    link->prepared_count = 0;
}

/* --- a run ------------------------------------------------------------------------------------ */

/* What was sent, in order: each gets a result. */
struct sent {
    size_t count;
    struct {
        size_t step;
        bool prepares; /* it is only made ready */
    } items[2 * PG_STEPS_MAX];
};

static bool is_prepared(const struct pg_link *link, const char *sql)
{
    for (size_t i = 0; i < link->prepared_count; i++) {
        if (link->prepared[i] == sql)
            return true;
    }
    return false;
}

/* Statements are constants: one has one address for as long as the program runs. */
static void is_prepared_now(struct pg_link *link, const char *sql)
{
    if (link->prepared_count < PG_NAMES_MAX)
        link->prepared[link->prepared_count++] = sql;
}

static void note_sent(struct sent *sent, size_t step, bool prepares)
{
    sent->items[sent->count].step = step;
    sent->items[sent->count++].prepares = prepares;
}

static bool send_step(const struct pg_link *link, const struct pg_step *s, size_t at,
                      struct sent *sent)
{
    char name[32];
    Oid types[PG_PARAMS_MAX];
    const char *values[PG_PARAMS_MAX];
    int lengths[PG_PARAMS_MAX], formats[PG_PARAMS_MAX];
    for (int k = 0; k < s->count; k++) {
        const struct pg_param *p = &s->params[k];
        types[k] = p->type;
        values[k] = p->data ? p->data : p->number;
        lengths[k] = (int)p->len;
        formats[k] = BINARY;
    }
    bool named = link->prepares && s->count > 0;
    if (named) {
        snprintf(name, sizeof(name), "chancat_%016" PRIx64, hash_add(HASH_START, span_of(s->sql)));
        if (!is_prepared(link, s->sql)) {
            if (!PQsendPrepare(link->conn, name, s->sql, s->count, types))
                return false;
            note_sent(sent, at, true);
        }
    }
    note_sent(sent, at, false);
    return named ? PQsendQueryPrepared(link->conn, name, s->count, values, lengths, formats, BINARY)
                 : PQsendQueryParams(link->conn, s->sql, s->count, types, values, lengths, formats,
                                     BINARY);
}

static bool send_steps(const struct pg_link *link, const struct pg_step *steps, size_t count,
                       struct sent *sent)
{
    bool good = true;
    for (size_t i = 0; good && i < count; i++)
        good = send_step(link, &steps[i], i, sent);
    return good && PQpipelineSync(link->conn);
}

/* Until a result can be taken; what is not sent yet goes meanwhile. */
static bool wait_for_result(const struct pg_link *link, int64_t deadline)
{
    PGconn *conn = link->conn;
    for (;;) {
        int unsent = PQflush(conn);
        if (unsent < 0)
            return false;
        if (!PQisBusy(conn)) /* an early answer: the rest is sent while the next is waited for */
            return true;
        if (!wait_for(link, (short)(unsent ? POLLIN | POLLOUT : POLLIN), deadline) ||
            !PQconsumeInput(conn))
            return false;
    }
}

/* The next result that is one: between them libpq says NULL. */
static PGresult *next_result(const struct pg_link *link, int64_t deadline)
{
    PGresult *result = NULL;
    for (int i = 0; i < 2 && !result; i++) {
        if (!wait_for_result(link, deadline))
            return NULL;
        result = PQgetResult(link->conn);
    }
    return result;
}

static enum pg_end lose(struct pg_link *link, struct error *e)
{
    failed("the connection to PostgreSQL was lost",
           PQstatus(link->conn) == CONNECTION_BAD ? PQerrorMessage(link->conn)
                                                  : "no answer in time",
           e);
    pg_close(link);
    return PG_LOST;
}

static void note_failure(struct pg_link *link, const PGresult *result, struct error *e)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    memset(link->sqlstate, 0, sizeof(link->sqlstate));
    if (state)
        memcpy(link->sqlstate, state, strnlen(state, sizeof(link->sqlstate) - 1));
    failed("PostgreSQL", text ? text : "it failed", e);
    if (pg_failed_with(link, "26000") || pg_failed_with(link, "42P05"))
        link->prepares = false; /* a pooler: names are not ours alone */
}

/* Behind a pooler the server's side of this connection may have been another's that listened. What
 * nobody takes would be kept for ever. */
static void drop_word(struct pg_link *link)
{
    PGnotify *notify;
    while (!link->listens && (notify = PQnotifies(link->conn)))
        PQfreemem(notify);
}

/* The result of a statement that was done, or made ready. */
static void take_result(struct pg_link *link, struct pg_step *steps, const struct sent *sent,
                        size_t at, PGresult *result)
{
    struct pg_step *step = at < sent->count ? &steps[sent->items[at].step] : NULL;
    if (step && !sent->items[at].prepares) {
        step->result = result;
        return;
    }
    PQclear(result);
    if (step)
        is_prepared_now(link, step->sql);
}

/* All results of a run, up to the mark behind its last statement. */
static enum pg_end take_results(struct pg_link *link, struct pg_step *steps,
                                const struct sent *sent, int64_t deadline, struct error *e)
{
    enum pg_end end = PG_DONE;
    for (size_t at = 0;;) {
        PGresult *result = next_result(link, deadline);
        ExecStatusType status = PQresultStatus(result);
        if (!result) {
            return lose(link, e);
        } else if (status == PGRES_PIPELINE_SYNC) {
            PQclear(result);
            drop_word(link);
            return end;
        } else if (status == PGRES_FATAL_ERROR && PQstatus(link->conn) == CONNECTION_BAD) {
            PQclear(result);
            return lose(link, e);
        } else if (status == PGRES_FATAL_ERROR) {
            note_failure(link, result, e);
            end = PG_FAILED;
        }
        if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
            take_result(link, steps, sent, at, result);
        else
            PQclear(result);
        at++;
    }
}

enum pg_end pg_run(struct pg_link *link, struct pg_step *steps, size_t count, int64_t deadline,
                   struct error *e)
{
    struct sent sent = {.count = 0};
    link->sqlstate[0] = '\0';
    for (size_t i = 0; i < count; i++)
        steps[i].result = NULL;
    if (!link->conn) {
        error_set(e, ERROR_LOCAL, "there is no connection to PostgreSQL");
        return PG_LOST;
    }
    if (!send_steps(link, steps, count, &sent))
        return lose(link, e);
    return take_results(link, steps, &sent, deadline, e);
}

void pg_clear(struct pg_step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        PQclear(steps[i].result);
        steps[i].result = NULL;
    }
}

bool pg_failed_with(const struct pg_link *link, const char *state)
{
    return strncmp(link->sqlstate, state, strlen(state)) == 0;
}

static struct pg_param *add(struct pg_step *step, Oid type, const char *data, size_t len)
{
    struct pg_param *p = &step->params[step->count++];
    p->type = type;
    p->data = data;
    p->len = len;
    return p;
}

void pg_add_int8(struct pg_step *step, int64_t number)
{
    struct pg_param *p = add(step, PG_INT8, NULL, sizeof(p->number));
    put_be(p->number, (uint64_t)number, sizeof(p->number));
}

void pg_add_bytea(struct pg_step *step, struct span bytes)
{
    add(step, PG_BYTEA, bytes.data ? bytes.data : "", bytes.len);
}

void pg_add_text(struct pg_step *step, const char *text)
{
    add(step, PG_TEXT, text, strlen(text));
}

/* --- arrays: dimensions, has nulls, element type, then length and lower bound of the one
 * dimension; then each element behind its length. All numbers are big-endian. ------------------ */

enum { ARRAY_HEADER = 20, ARRAY_TYPE_AT = 8, ARRAY_COUNT_AT = 12, ARRAY_BOUND_AT = 16 };

int pg_array_begin(struct buf *b, Oid type)
{
    char header[ARRAY_HEADER] = {0};
    put_be(header, 1, 4);
    put_be(header + ARRAY_TYPE_AT, type, 4);
    put_be(header + ARRAY_BOUND_AT, 1, 4);
    buf_clear(b);
    return buf_add(b, header, sizeof(header));
}

int pg_array_bytes(struct buf *b, struct span bytes)
{
    char len[4];
    put_be(len, bytes.len, sizeof(len));
    return buf_add(b, len, sizeof(len)) || buf_add(b, bytes.data ? bytes.data : "", bytes.len) ? -1
                                                                                               : 0;
}

int pg_pack_int8(struct buf *b, int64_t number)
{
    char bytes[8];
    put_be(bytes, (uint64_t)number, sizeof(bytes));
    return buf_add(b, bytes, sizeof(bytes));
}

int pg_array_int8(struct buf *b, int64_t number)
{
    char bytes[8];
    put_be(bytes, (uint64_t)number, sizeof(bytes));
    return pg_array_bytes(b, (struct span){bytes, sizeof(bytes)});
}

static Oid array_of(Oid type)
{
    return type == PG_INT8 ? 1016u : type == PG_BYTEA ? 1001u : 1009u;
}

void pg_add_array(struct pg_step *step, struct buf *b, size_t count, Oid type)
{
    put_be(b->data + ARRAY_COUNT_AT, count, 4);
    add(step, array_of(type), b->data, b->len);
}

int64_t pg_int8(const PGresult *result, int row, int column)
{
    const unsigned char *at = (const unsigned char *)PQgetvalue(result, row, column);
    uint64_t number = 0;
    for (int i = 0; i < PQgetlength(result, row, column); i++)
        number = number << 8 | at[i];
    return (int64_t)number;
}

struct span pg_bytes(const PGresult *result, int row, int column)
{
    return (struct span){PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column)};
}
