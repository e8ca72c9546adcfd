/* SPDX-License-Identifier: MIT */
#include "server/pg_append.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/hash.h"
#include "server/store_queue.h"

#define ARRAY_MAX (256u << 20)
#define KEPT_MIN  (64u << 10) /* of each array from one group to the next */
#define MARGIN_MS 500         /* PostgreSQL says first that a lock did not come */

/* A server that is cut off must not hold its locks for long. And a plan that was made when the
 * tables were small is kept for a while: it must be good when they are large, too. */
#define SETTINGS                                                                                   \
    "SELECT pg_catalog.set_config('lock_timeout', $1, true),"                                      \
    " pg_catalog.set_config('idle_in_transaction_session_timeout', '10s', true),"                  \
    " pg_catalog.set_config('enable_seqscan', 'off', true)"

/* When the network fails in the midst of a run, the server waits for the rest of it with the locks
 * held, and that is no idle transaction: only TCP can tell that nobody is there any more, and would
 * take its time, two hours by default. */
static const char keepalive_sql[] =
    "SELECT pg_catalog.set_config('tcp_keepalives_idle', '10', false),"
    " pg_catalog.set_config('tcp_keepalives_interval', '5', false),"
    " pg_catalog.set_config('tcp_keepalives_count', '3', false)";

static const char lock_all_sql[] = "SELECT pg_catalog.pg_advisory_xact_lock(" PG_ALL_CHANNELS ")";
static const char share_all_sql[] =
    "SELECT pg_catalog.pg_advisory_xact_lock_shared(" PG_ALL_CHANNELS ")";
static const char lock_sql[] =
    "SELECT pg_catalog.pg_advisory_xact_lock(k) FROM pg_catalog.unnest($1) AS k";
static const char draw_sql[] = "SELECT pg_catalog.nextval('chancat.message_id'), " PG_NOW
                               " FROM pg_catalog.generate_series(1, $1)";
static const char find_keys_sql[] = "SELECT name, fingerprint, ids, time FROM chancat.append_key"
                                    " WHERE name = ANY ($1) AND time > " PG_NOW " - $2";
static const char doubt_sql[] =
    "SELECT count(*) FROM chancat.message WHERE channel_key = $1 AND id = $2 AND channel = $3"
    " AND sender = $4 AND content = $5 AND time = $6";
static const char probe_sql[] =
    "SELECT pg_catalog.pg_logical_emit_message(true, 'chancatd', 'probe')";
static const char insert_sql[] =
    "INSERT INTO chancat.message (channel_key, id, channel, sender, content, time)"
    " SELECT r.k, r.i, r.c, r.s, r.t, $6 FROM unnest($1, $2, $3, $4, $5) AS r (k, i, c, s, t)";
static const char drop_keys_sql[] =
    "DELETE FROM chancat.append_key WHERE name = ANY ($1) AND time <= " PG_NOW " - $2";
static const char insert_keys_sql[] =
    "INSERT INTO chancat.append_key (name, fingerprint, ids, time)"
    " SELECT r.n, r.f, r.i, $4 FROM unnest($1, $2, $3) AS r (n, f, i)";

int64_t pg_channel_key(struct span channel)
{
    return (int64_t)hash_add(HASH_START, channel);
}

/* The buffers, to treat them alike. */
static size_t each_buf(struct pg_append *p, struct buf **ret)
{
    struct buf *all[] = {&p->locks,    &p->keys,  &p->ids,          &p->channels, &p->senders,
                         &p->contents, &p->names, &p->fingerprints, &p->key_ids,  &p->packed};
    memcpy(ret, all, sizeof(all));
    return sizeof(all) / sizeof(all[0]);
}

void pg_append_init(struct pg_append *p)
{
    struct buf *all[16];
    *p = (struct pg_append){.link.prepares = true};
    for (size_t i = 0, n = each_buf(p, all); i < n; i++)
        buf_init(all[i], ARRAY_MAX);
}

void pg_append_release(struct pg_append *p)
{
    struct buf *all[16];
    pg_close(&p->link);
    for (size_t i = 0, n = each_buf(p, all); i < n; i++)
        buf_release(all[i]);
}

static void give_memory_back(struct pg_append *p)
{
    struct buf *all[16];
    for (size_t i = 0, n = each_buf(p, all); i < n; i++)
        buf_shrink(all[i], KEPT_MIN);
}

static enum error_kind no_memory(struct error *e)
{
    error_set(e, ERROR_LOCAL, "no memory to store messages");
    return ERROR_UNREACHABLE;
}

/* After a failure, so that nothing of the transaction is left. */
static void roll_back(struct pg_append *p)
{
    struct pg_step step = {.sql = "ROLLBACK"};
    bool reads_only = pg_failed_with(&p->link, "25006");
    pg_run(&p->link, &step, 1, clock_deadline(STORE_WAIT_MAX_MS), NULL);
    pg_clear(&step, 1);
    if (reads_only) /* another server is the one to write to by now */
        pg_close(&p->link);
}

/* --- 1: locks, ids, keys ---------------------------------------------------------------------- */

struct run {
    struct pg_step steps[PG_STEPS_MAX];
    size_t count;
};

static struct pg_step *add_step(struct run *r, const char *sql)
{
    struct pg_step *step = &r->steps[r->count++];
    *step = (struct pg_step){.sql = sql};
    return step;
}

static int compare_keys(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The distinct keys of a group's channels, ascending; more than PG_LOCKS_MAX: not all of them. */
static size_t collect_locks(const struct store_append *group, int64_t locks[PG_LOCKS_MAX + 1])
{
    size_t count = 0;
    for (const struct store_append *a = group; a; a = a->next) {
        for (size_t i = 0; i < a->count; i++) {
            if (i > 0 && span_equal(a->messages[i].channel, a->messages[i - 1].channel))
                continue;
            int64_t key = pg_channel_key(a->messages[i].channel);
            size_t at = 0;
            while (at < count && locks[at] != key)
                at++;
            if (at == count)
                locks[count++] = key;
            if (count > PG_LOCKS_MAX)
                return count;
        }
    }
    qsort(locks, count, sizeof(*locks), compare_keys);
    return count;
}

static bool add_locks(struct pg_append *p, struct run *r, const struct store_append *group)
{
#ifdef CHANCATD_TEST_WITHOUT_LOCKS /* for the test that shows what they are good for */
    (void)p, (void)r, (void)group, (void)collect_locks, (void)lock_all_sql, (void)share_all_sql,
        (void)lock_sql;
    return true;
#else
    int64_t locks[PG_LOCKS_MAX + 1] = {0};
    size_t count = collect_locks(group, locks);
    add_step(r, count > PG_LOCKS_MAX ? lock_all_sql : share_all_sql);
    if (count > PG_LOCKS_MAX)
        return true;
    bool good = pg_array_begin(&p->locks, PG_INT8) == 0;
    for (size_t i = 0; good && i < count; i++)
        good = pg_array_int8(&p->locks, locks[i]) == 0;
    if (good && count > 0)
        pg_add_array(add_step(r, lock_sql), &p->locks, count, PG_INT8);
    return good;
#endif
}

static int64_t count_messages(const struct store_append *group)
{
    int64_t count = 0;
    for (const struct store_append *a = group; a; a = a->next)
        count += (int64_t)a->count;
    return count;
}

static bool add_names(struct pg_append *p, const struct store_append *group, size_t *ret_count)
{
    *ret_count = 0;
    bool good = pg_array_begin(&p->names, PG_TEXT) == 0;
    for (const struct store_append *a = group; good && a; a = a->next) {
        if (a->key.len > 0) {
            good = pg_array_bytes(&p->names, a->key) == 0;
            ++*ret_count;
        }
    }
    return good;
}

static struct pg_step *add_doubt(struct run *r, const struct store_message *m)
{
    struct pg_step *step = add_step(r, doubt_sql);
    pg_add_int8(step, pg_channel_key(m->channel));
    pg_add_int8(step, m->id);
    pg_add_bytea(step, m->channel);
    pg_add_bytea(step, m->sender);
    pg_add_bytea(step, m->content);
    pg_add_int8(step, m->time_s);
    return step;
}

static struct pg_step *add_draw(struct run *r, int64_t messages)
{
    struct pg_step *step = add_step(r, draw_sql);
    pg_add_int8(step, messages);
    return step;
}

static struct pg_step *add_find_keys(struct pg_append *p, struct run *r, size_t names)
{
    struct pg_step *step = add_step(r, find_keys_sql);
    pg_add_array(step, &p->names, names, PG_TEXT);
    pg_add_int8(step, STORE_KEY_KEPT_S);
    return step;
}

/* What the first round trip brings; NULL: that was not asked for. */
struct drawn {
    struct run run;
    struct pg_step *doubt, *ids, *keys;
    int used; /* ids that were given to messages */
};

static bool add_first_steps(struct pg_append *p, struct drawn *d, const struct store_append *group,
                            const char *timeout)
{
    struct run *r = &d->run;
    int64_t messages = count_messages(group);
    size_t names;
    add_step(r, PG_BEGIN);
    pg_add_text(add_step(r, SETTINGS), timeout);
    if (!add_locks(p, r, group) || !add_names(p, group, &names))
        return false;
    d->doubt = p->doubt ? add_doubt(r, p->doubt) : NULL;
    d->ids = messages > 0 ? add_draw(r, messages) : NULL;
    d->keys = names > 0 ? add_find_keys(p, r, names) : NULL;
    return true;
}

/* --- between: what each append comes to ------------------------------------------------------- */

static bool give_ids(struct drawn *d, struct store_append *a)
{
    for (size_t i = 0; i < a->count; i++, d->used++) {
        if (d->used >= PQntuples(d->ids->result))
            return false;
        a->messages[i].id = pg_int8(d->ids->result, d->used, 0);
        a->messages[i].time_s = pg_int8(d->ids->result, 0, 1);
    }
    return true;
}

/* The key was used: for the same messages, which then have their ids and time, or for others. */
static void replay(struct store_append *a, const PGresult *keys, int row)
{
    struct span ids = pg_bytes(keys, row, 2);
    if (pg_int8(keys, row, 1) != store_append_fingerprint(a) ||
        ids.len != a->count * STORE_ID_BYTES) {
        a->kind = ERROR_REFUSED;
        return;
    }
    for (size_t i = 0; i < a->count; i++) {
        a->messages[i].id = store_id_at(ids, i);
        a->messages[i].time_s = pg_int8(keys, row, 3);
    }
    a->replayed = true;
}

/* The same for a key that an earlier append of this group uses. */
static void replay_earlier(struct store_append *a, const struct store_append *earlier)
{
    if (store_append_fingerprint(earlier) != store_append_fingerprint(a)) {
        a->kind = ERROR_REFUSED;
        return;
    }
    for (size_t i = 0; i < a->count; i++) {
        a->messages[i].id = earlier->messages[i].id;
        a->messages[i].time_s = earlier->messages[i].time_s;
    }
    a->replayed = true;
}

/* Is its key used already? Then it has ended. */
static bool find_key(const struct drawn *d, const struct store_append *group,
                     struct store_append *a)
{
    for (int row = 0; a->key.len > 0 && row < PQntuples(d->keys->result); row++) {
        if (span_equal(pg_bytes(d->keys->result, row, 0), a->key)) {
            replay(a, d->keys->result, row);
            return true;
        }
    }
    for (const struct store_append *b = group; a->key.len > 0 && b != a; b = b->next) {
        if (!b->kind && span_equal(b->key, a->key)) {
            replay_earlier(a, b);
            return true;
        }
    }
    return false;
}

/* False: fewer ids than messages came. */
static bool decide(struct drawn *d, struct store_append *group)
{
    for (struct store_append *a = group; a; a = a->next) {
        a->replayed = false;
        a->kind = store_append_is_late(a) ? ERROR_UNREACHABLE : ERROR_NONE; /* locks take a while */
        if (!a->kind && a->count > 0 && !find_key(d, group, a) && !give_ids(d, a))
            return false;
    }
    return true;
}

/* --- 2: messages, keys, commit ---------------------------------------------------------------- */

static bool is_new(const struct store_append *a)
{
    return !a->kind && !a->replayed && a->count > 0;
}

static bool begin_arrays(struct pg_append *p)
{
    return !pg_array_begin(&p->keys, PG_INT8) && !pg_array_begin(&p->ids, PG_INT8) &&
           !pg_array_begin(&p->channels, PG_BYTEA) && !pg_array_begin(&p->senders, PG_BYTEA) &&
           !pg_array_begin(&p->contents, PG_BYTEA) && !pg_array_begin(&p->names, PG_TEXT) &&
           !pg_array_begin(&p->fingerprints, PG_INT8) && !pg_array_begin(&p->key_ids, PG_BYTEA);
}

static bool put_messages(struct pg_append *p, const struct store_append *a)
{
    bool good = true;
    for (size_t i = 0; good && i < a->count; i++) {
        const struct store_message *m = &a->messages[i];
        good = !pg_array_int8(&p->keys, pg_channel_key(m->channel)) &&
               !pg_array_int8(&p->ids, m->id) && !pg_array_bytes(&p->channels, m->channel) &&
               !pg_array_bytes(&p->senders, m->sender) && !pg_array_bytes(&p->contents, m->content);
    }
    return good;
}

/* All of them as one element, see replay(). */
static int put_ids(struct pg_append *p, const struct store_append *a)
{
    int bad = 0;
    buf_clear(&p->packed);
    for (size_t i = 0; !bad && i < a->count; i++)
        bad = pg_pack_int8(&p->packed, a->messages[i].id);
    return bad ? bad : pg_array_bytes(&p->key_ids, (struct span){p->packed.data, p->packed.len});
}

static bool put_key(struct pg_append *p, const struct store_append *a)
{
    return !pg_array_bytes(&p->names, a->key) &&
           !pg_array_int8(&p->fingerprints, store_append_fingerprint(a)) && !put_ids(p, a);
}

static void add_messages(struct pg_append *p, struct run *r, size_t count, int64_t time_s)
{
    struct pg_step *step = add_step(r, insert_sql);
    pg_add_array(step, &p->keys, count, PG_INT8);
    pg_add_array(step, &p->ids, count, PG_INT8);
    pg_add_array(step, &p->channels, count, PG_BYTEA);
    pg_add_array(step, &p->senders, count, PG_BYTEA);
    pg_add_array(step, &p->contents, count, PG_BYTEA);
    pg_add_int8(step, time_s);
}

/* Those that are too old are somebody's no more. One that another server's append has taken
 * meanwhile, in other channels, fails the transaction; the next try finds it. */
static void add_keys(struct pg_append *p, struct run *r, size_t count, int64_t time_s)
{
    struct pg_step *step = add_step(r, drop_keys_sql);
    pg_add_array(step, &p->names, count, PG_TEXT);
    pg_add_int8(step, STORE_KEY_KEPT_S);
    step = add_step(r, insert_keys_sql);
    pg_add_array(step, &p->names, count, PG_TEXT);
    pg_add_array(step, &p->fingerprints, count, PG_INT8);
    pg_add_array(step, &p->key_ids, count, PG_BYTEA);
    pg_add_int8(step, time_s);
}

/* *ret_first: a message that is new, if there is one. False: no memory. */
static bool add_second_steps(struct pg_append *p, struct run *r, const struct store_append *group,
                             const struct store_message **ret_first)
{
    size_t messages = 0, keys = 0;
    bool probes = false, good = begin_arrays(p);
    *ret_first = NULL;
    for (const struct store_append *a = group; good && a; a = a->next) {
        probes |= a->count == 0;
        if (!is_new(a))
            continue;
        good = put_messages(p, a) && (a->key.len == 0 || put_key(p, a));
        messages += a->count;
        keys += a->key.len > 0;
        if (!*ret_first)
            *ret_first = &a->messages[0];
    }
    if (probes)
        add_step(r, probe_sql);
    if (messages > 0)
        add_messages(p, r, messages, (*ret_first)->time_s);
    if (keys > 0)
        add_keys(p, r, keys, (*ret_first)->time_s);
    add_step(r, "COMMIT");
    return good;
}

static enum error_kind write_and_commit(struct pg_append *p, struct store_append *group,
                                        struct error *e)
{
    struct run r = {.count = 0};
    const struct store_message *first;
    if (!add_second_steps(p, &r, group, &first)) {
        roll_back(p);
        return no_memory(e);
    }
    enum pg_end end = pg_run(&p->link, r.steps, r.count, clock_deadline(STORE_WAIT_MAX_MS), e);
    pg_clear(r.steps, r.count);
    if (end == PG_FAILED)
        roll_back(p);
    if (end == PG_LOST)
        p->doubt = first;
    return end == PG_DONE            ? ERROR_NONE
           : end == PG_LOST && first ? ERROR_UNKNOWN
                                     : ERROR_UNREACHABLE;
}

/* --- both ------------------------------------------------------------------------------------- */

/* The locks are there, and the transaction is open. */
static enum error_kind go_on(struct pg_append *p, struct drawn *d, struct store_append *group,
                             struct error *e)
{
    bool stored = d->doubt && pg_int8(d->doubt->result, 0, 0) > 0;
    p->doubt = NULL; /* what is known now stays so: the transaction in doubt has ended */
    if (stored) {
        roll_back(p);
        return ERROR_NONE;
    }
    if (!decide(d, group)) {
        roll_back(p);
        error_set(e, ERROR_LOCAL, "PostgreSQL gave fewer ids than were asked for");
        return ERROR_UNREACHABLE;
    }
    return write_and_commit(p, group, e);
}

static enum error_kind try_group(struct pg_append *p, struct store_append *group, int64_t deadline,
                                 struct error *e)
{
    char timeout[32];
    struct drawn d = {.used = 0};
    int left = clock_left_ms(deadline);
    snprintf(timeout, sizeof(timeout), "%d", left > 0 ? left : 1); /* 0 would be for ever */
    if (!add_first_steps(p, &d, group, timeout))
        return no_memory(e);
    enum pg_end end = pg_run(&p->link, d.run.steps, d.run.count, deadline + MARGIN_MS, e);
    enum error_kind kind = end == PG_DONE ? go_on(p, &d, group, e) : ERROR_UNREACHABLE;
    pg_clear(d.run.steps, d.run.count);
    if (end == PG_FAILED)
        roll_back(p);
    return kind;
}

static enum error_kind connect_now(struct pg_append *p, const char *uri, int64_t deadline,
                                   struct error *e)
{
    struct pg_step step = {.sql = keepalive_sql};
    enum error_kind kind = pg_open(&p->link, uri, deadline, e);
    if (!kind && pg_run(&p->link, &step, 1, deadline, e) == PG_LOST) /* refused: it may go on */
        kind = ERROR_LOCAL;
    pg_clear(&step, 1);
    return kind;
}

enum error_kind pg_append_group(struct pg_append *p, const char *uri, struct store_append *group,
                                int64_t deadline, struct error *e)
{
    enum error_kind kind = p->link.conn || !connect_now(p, uri, deadline, e)
                               ? try_group(p, group, deadline, e)
                               : ERROR_UNREACHABLE;
    give_memory_back(p);
    return kind && p->doubt ? ERROR_UNKNOWN : kind;
}
