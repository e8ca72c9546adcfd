/* SPDX-License-Identifier: MIT */
#include "server/copy.h"

#include <inttypes.h>
#include <string.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/stop.h"
#include "server/copy_end.h"
#include "server/progress.h"

#define NAME_MAX_BYTES 65536 /* of a key; those of the server are much shorter */

/* Messages of one end, one after the other. */
struct reader {
    struct copy_end *end;
    struct copy_page page;
    size_t at;
    int64_t last; /* id of the newest that was passed */
};

struct sum {
    int64_t count;
    uint64_t hash;
};

struct copy {
    struct reader from, to;
    int64_t start;   /* the highest id that the target had before; COPY_NONE: it had none */
    int64_t last;    /* the highest id of the source */
    int64_t highest; /* and the highest that ever was */
    int64_t copied, compared, keys;
    struct progress progress;
};

static enum error_kind look_for_signal(struct error *e)
{
    return stop_signal() ? error_set(e, ERROR_STOPPED, "stopped by a signal") : ERROR_NONE;
}

/* --- reading ---------------------------------------------------------------------------------- */

static enum error_kind seek(struct reader *r, int64_t after, struct error *e)
{
    r->page = (struct copy_page){.count = 0};
    r->at = 0;
    r->last = after;
    return r->end->ops->seek(r->end, after, e);
}

/* The message that is next; NULL: there is none. */
static enum error_kind peek(struct reader *r, const struct store_message **ret, struct error *e)
{
    enum error_kind kind = ERROR_NONE;
    *ret = NULL;
    if (r->at == r->page.count) {
        kind = look_for_signal(e);
        if (!kind)
            kind = r->end->ops->next(r->end, &r->page, e);
        r->at = 0;
    }
    if (kind || r->page.count == 0)
        return kind;
    *ret = &r->page.messages[r->at];
    if ((*ret)->id <= r->last && r->last != COPY_NONE)
        return error_set(e, ERROR_LOCAL, "the id %" PRId64 " has more than one message",
                         (*ret)->id);
    return ERROR_NONE;
}

static void pass(struct reader *r)
{
    r->last = r->page.messages[r->at++].id;
}

static uint64_t add_number(uint64_t h, int64_t number)
{
    return hash_add(h, (struct span){(const char *)&number, sizeof(number)});
}

static void add_message(struct sum *sum, const struct store_message *m)
{
    sum->count++;
    sum->hash = add_number(sum->hash, m->id);
    sum->hash = add_number(sum->hash, m->time_s);
    sum->hash = hash_add_field(sum->hash, m->channel);
    sum->hash = hash_add_field(sum->hash, m->sender);
    sum->hash = hash_add_field(sum->hash, m->content);
}

/* Sums messages up to an id, at most so many. */
static enum error_kind sum_up(struct reader *r, int64_t upto, int64_t max, struct sum *ret,
                              struct error *e)
{
    const struct store_message *m;
    enum error_kind kind = ERROR_NONE;
    *ret = (struct sum){.hash = HASH_START};
    while (ret->count < max && !(kind = peek(r, &m, e)) && m && m->id <= upto) {
        add_message(ret, m);
        pass(r);
    }
    return kind;
}

/* --- comparing -------------------------------------------------------------------------------- */

/* ERROR_REFUSED names the range. */
static enum error_kind compare(struct copy *c, int64_t upto, struct error *e)
{
    struct sum from, to;
    enum error_kind kind;
    do {
        int64_t begin = c->from.last;
        kind = sum_up(&c->from, upto, COPY_RANGE_ROWS, &from, e);
        int64_t end = from.count < COPY_RANGE_ROWS ? upto : c->from.last;
        if (!kind)
            kind = sum_up(&c->to, end, INT64_MAX, &to, e);
        if (!kind && (from.count != to.count || from.hash != to.hash))
            kind =
                error_set(e, ERROR_REFUSED,
                          "of the ids above %" PRId64 " up to %" PRId64 " the source has %" PRId64
                          " messages and the target %" PRId64 ", and they are not the same",
                          begin == COPY_NONE ? 0 : begin, end, from.count, to.count);
        if (kind)
            return kind;
        c->compared += from.count;
        progress_add(&c->progress, from.count, end);
    } while (from.count == COPY_RANGE_ROWS);
    return ERROR_NONE;
}

/* The reason is said behind `what`. */
static enum error_kind explain(enum error_kind kind, const char *what, struct error *e)
{
    struct error why = *e;
    return error_set(e, kind, "%s: %.300s", what, why.text);
}

/* Afterwards the source's reader stands behind what the target has. */
static enum error_kind check_target(struct copy *c, struct error *e)
{
    static const char other[] = "the target holds other messages than the source, and is left so";
    progress_begin(&c->progress, "checking", 0, c->start);
    enum error_kind kind = seek(&c->from, COPY_NONE, e);
    if (kind || c->start == COPY_NONE)
        return kind;
    if (c->start > c->last)
        return error_set(e, ERROR_REFUSED, "%s: it has one with the id %" PRId64, other, c->start);
    kind = seek(&c->to, COPY_NONE, e);
    if (!kind)
        kind = compare(c, c->start, e);
    return kind == ERROR_REFUSED ? explain(kind, other, e) : kind;
}

static enum error_kind sum_keys(struct copy_end *end, struct sum *ret, struct error *e)
{
    struct buf after;
    struct copy_keys keys = {.count = 0};
    enum error_kind kind = ERROR_NONE;
    *ret = (struct sum){.hash = HASH_START};
    buf_init(&after, NAME_MAX_BYTES);
    do {
        kind = look_for_signal(e);
        if (!kind)
            kind = end->ops->next_keys(end, after.data ? after.data : "", &keys, e);
        for (size_t i = 0; !kind && i < keys.count; i++) {
            const struct copy_key *k = &keys.keys[i];
            ret->count++;
            ret->hash = hash_add_field(ret->hash, k->name);
            ret->hash = add_number(add_number(ret->hash, k->fingerprint), k->time_s);
            ret->hash = hash_add_field(ret->hash, k->ids);
            buf_clear(&after);
            if (buf_add(&after, k->name.data, k->name.len))
                kind = error_set(e, ERROR_LOCAL, "a key is too long");
        }
    } while (!kind && keys.count > 0);
    buf_release(&after);
    return kind;
}

static enum error_kind compare_keys(struct copy *c, struct error *e)
{
    struct sum from, to;
    enum error_kind kind = sum_keys(c->from.end, &from, e);
    if (!kind)
        kind = sum_keys(c->to.end, &to, e);
    if (!kind && (from.count != to.count || from.hash != to.hash))
        kind = error_set(e, ERROR_LOCAL,
                         "the source has %" PRId64 " keys and the target %" PRId64
                         ", and they are not the same",
                         from.count, to.count);
    return kind;
}

static enum error_kind verify(struct copy *c, struct error *e)
{
    int64_t last, highest;
    progress_begin(&c->progress, "verifying", c->start == COPY_NONE ? 0 : c->start, c->last);
    enum error_kind kind = seek(&c->from, c->start, e);
    if (!kind)
        kind = seek(&c->to, c->start, e);
    if (!kind)
        kind = compare(c, c->last, e);
    if (kind == ERROR_REFUSED)
        kind = explain(ERROR_LOCAL, "what was read back is not what was copied", e);
    if (!kind)
        kind = c->to.end->ops->last_id(c->to.end, &last, e);
    if (!kind)
        kind = c->to.end->ops->highest_id(c->to.end, &highest, e);
    if (!kind && (last != c->last || highest < c->highest))
        kind = error_set(e, ERROR_LOCAL, "the highest ids are not the same");
    return kind ? kind : compare_keys(c, e);
}

/* --- copying ---------------------------------------------------------------------------------- */

/* Before the first message: who stores in a target whose copy was ended gets no id that the rest of
 * it needs, and a role that may not do this is told at once. */
static enum error_kind raise_ids(struct copy *c, struct error *e)
{
    struct copy_end *to = c->to.end;
    if (c->highest < 1)
        return ERROR_NONE;
    enum error_kind kind = to->ops->raise_ids(to, c->highest, e);
    return kind ? kind : to->ops->commit(to, e);
}

static int64_t bytes_of(const struct copy_page *page)
{
    size_t bytes = 0;
    for (size_t i = 0; i < page->count; i++)
        bytes += page->messages[i].channel.len + page->messages[i].sender.len +
                 page->messages[i].content.len;
    return (int64_t)bytes;
}

/* The rest of the source's page. */
static enum error_kind write_page(struct copy *c, struct copy_page *ret, struct error *e)
{
    struct reader *r = &c->from;
    *ret = (struct copy_page){r->page.messages + r->at, r->page.count - r->at};
    enum error_kind kind = c->to.end->ops->write(c->to.end, ret, e);
    const struct store_message *m;
    while (!kind && r->at < r->page.count && !(kind = peek(r, &m, e)))
        pass(r);
    return kind;
}

static enum error_kind copy_messages(struct copy *c, struct error *e)
{
    struct copy_end *to = c->to.end;
    const struct store_message *m;
    struct copy_page page;
    int64_t rows = 0, bytes = 0;
    enum error_kind kind;
    progress_begin(&c->progress, "copying", c->start == COPY_NONE ? 0 : c->start, c->last);
    while (!(kind = peek(&c->from, &m, e)) && m && !(kind = write_page(c, &page, e))) {
        c->copied += (int64_t)page.count;
        rows += (int64_t)page.count;
        bytes += bytes_of(&page);
        if (rows < COPY_COMMIT_ROWS && bytes < COPY_COMMIT_BYTES)
            continue;
        if ((kind = to->ops->commit(to, e)))
            break;
        progress_add(&c->progress, rows, c->from.last);
        rows = bytes = 0;
    }
    return kind ? kind : to->ops->commit(to, e);
}

static enum error_kind copy_keys(struct copy *c, struct error *e)
{
    struct copy_end *from = c->from.end, *to = c->to.end;
    struct buf after;
    struct copy_keys keys = {.count = 1};
    enum error_kind kind = ERROR_NONE;
    buf_init(&after, NAME_MAX_BYTES);
    while (!kind && keys.count > 0) {
        const char *name = after.data ? after.data : "";
        kind = look_for_signal(e);
        if (!kind)
            kind = from->ops->next_keys(from, name, &keys, e);
        if (!kind)
            kind = to->ops->replace_keys(to, name, &keys, keys.count == 0, e);
        if (!kind)
            kind = to->ops->commit(to, e);
        if (kind || keys.count == 0)
            break;
        const struct span last = keys.keys[keys.count - 1].name;
        c->keys += (int64_t)keys.count;
        buf_clear(&after);
        if (buf_add(&after, last.data, last.len))
            kind = error_set(e, ERROR_LOCAL, "a key is too long");
    }
    buf_release(&after);
    return kind;
}

/* --- all of it -------------------------------------------------------------------------------- */

static enum error_kind open_ends(struct copy *c, const char *from, const char *to, struct error *e)
{
    enum error_kind kind = copy_end_open(from, COPY_FROM, &c->from.end, e);
    if (!kind)
        kind = copy_end_open(to, COPY_TO, &c->to.end, e);
    if (!kind)
        kind = c->from.end->ops->last_id(c->from.end, &c->last, e);
    if (!kind)
        kind = c->from.end->ops->highest_id(c->from.end, &c->highest, e);
    if (!kind)
        kind = c->to.end->ops->last_id(c->to.end, &c->start, e);
    if (c->highest < c->last)
        c->highest = c->last;
    return kind;
}

static enum error_kind run(struct copy *c, const char *from, const char *to, struct error *e)
{
    enum error_kind kind = open_ends(c, from, to, e);
    if (!kind)
        kind = check_target(c, e);
    if (!kind)
        kind = raise_ids(c, e);
    if (!kind)
        kind = copy_messages(c, e);
    if (!kind)
        kind = copy_keys(c, e);
    return kind ? kind : verify(c, e);
}

/* On a terminal in the place of the progress. */
static void tell_end(const struct copy *c, int64_t ms)
{
    (c->progress.on ? log_warn : log_info)("%" PRId64 " messages copied in %" PRId64 " ms, %" PRId64
                                           " a second; both sides have %" PRId64
                                           " messages and %" PRId64 " keys, and they are the same",
                                           c->copied, ms, c->copied * 1000 / (ms + 1), c->compared,
                                           c->keys);
}

enum error_kind copy_database(const char *from, const char *to, struct error *e)
{
    struct copy c = {.copied = 0};
    struct error why;
    int64_t begun_at = clock_now_ms();
    if (strcmp(from, to) == 0)
        return error_set(e, ERROR_USAGE, "a database cannot be copied onto itself");
    progress_init(&c.progress);
    enum error_kind kind = run(&c, from, to, e ? e : &why);
    if (c.from.end)
        c.from.end->ops->close(c.from.end);
    if (c.to.end)
        c.to.end->ops->close(c.to.end);
    progress_end(&c.progress);
    if (kind == ERROR_STOPPED)
        error_set(e, kind, "the copy was stopped by a signal; the same command goes on with it");
    if (!kind)
        tell_end(&c, clock_now_ms() - begun_at);
    return kind;
}
