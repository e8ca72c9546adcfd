/* SPDX-License-Identifier: MIT */
/*
 * What is sent out of an outbox, in what order and how it is remembered, with a fake of deliver.h.
 * A crash is a call that is never come back from: the outbox is simply opened again. outbox_next()
 * is wrapped, so that something can happen after it.
 *
 * link: -Wl,--wrap=outbox_next
 */
#include "unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/drain.h"
#include "common/log.h"
#include "common/stop.h"
#include "scratch.h"

#define POSTS_MAX 32
#define SERVER    "http://h:1"

static struct {
    enum error_kind outcomes[POSTS_MAX]; /* of the posts, one after the other */
    bool apart[POSTS_MAX];               /* a batch that must be taken apart */
    bool tried[POSTS_MAX];               /* it counts as a try whatever comes of it */
    bool crash[POSTS_MAX];               /* nothing is known of it any more */
    char posted[1024];                   /* contents, each in [], then -ATTEMPTS and @WATERMARK */
    char keys[POSTS_MAX][KEY_LEN + 1];
    char records[POSTS_MAX][256]; /* the name of the record while it was under way */
    unsigned posts;
    bool batches;
    bool refuses_line;
    bool blind;       /* no watermark is known */
    int64_t first_s;  /* of new tries; 0: now */
    bool tried_again; /* that one has not left, but the next one, of now */
    bool no_room;     /* nothing can be remembered of batches */
    bool stash;       /* a stashed line gets number 1 when the first one was given out */
    int64_t next_id;
} fake;

enum error_kind __real_outbox_next(struct outbox *o, uint64_t upto, struct outbox_line *line,
                                   bool *ret_found, struct error *e);
enum error_kind __wrap_outbox_next(struct outbox *o, uint64_t upto, struct outbox_line *line,
                                   bool *ret_found, struct error *e);
enum error_kind __wrap_outbox_next(struct outbox *o, uint64_t upto, struct outbox_line *line,
                                   bool *ret_found, struct error *e)
{
    enum error_kind kind = __real_outbox_next(o, upto, line, ret_found, e);
    if (fake.stash)
        assert_int_equal(
            rename(scratch_path("box/new/stash"), scratch_path("box/new/00000000000000000001")), 0);
    fake.stash = false;
    return kind;
}

void deliver_init(struct deliver *d, struct http *http, int64_t settle_ms, int64_t patience_ms)
{
    (void)http, (void)settle_ms, (void)patience_ms;
    *d = (struct deliver){.channel.can_batch = fake.batches};
}

void deliver_release(struct deliver *d)
{
    (void)d;
}

void deliver_forget(struct deliver *d)
{
    (void)d;
}

static void add(const char *format, ...)
{
    va_list args;
    size_t len = strlen(fake.posted);
    va_start(args, format);
    vsnprintf(fake.posted + len, sizeof(fake.posted) - len, format, args);
    va_end(args);
}

static void note(const struct parcel *p)
{
    add("[");
    for (size_t i = 0; p->batch && i < batch_count(p->batch); i++) {
        struct batch_line line = batch_at(p->batch, i);
        if (i < 4 || i + 1 == batch_count(p->batch))
            add("%s%.*s", i ? " " : "", (int)line.content.len, line.content.data);
    }
    if (!p->batch)
        add("%.*s", (int)p->content.len, p->content.data);
    if (p->attempts)
        add("-%d@%d%s", (int)p->attempts, (int)p->watermark, p->answered ? "!" : "");
    add("]");
}

enum error_kind deliver(struct deliver *d, struct parcel *p, struct stored *ret_stored,
                        struct error *e)
{
    unsigned n = fake.posts;
    assert_true(n < POSTS_MAX);
    note(p);
    snprintf(fake.keys[n], sizeof(fake.keys[n]), "%s", p->key);
    if (p->attempts == 0)
        p->watermark = fake.blind ? -1 : 50 + (int64_t)n;
    p->attempts++;
    if (p->first_s == 0)
        p->first_s = fake.first_s ? fake.first_s : (int64_t)time(NULL);
    p->keyed = p->attempts == 1 || p->keyed;
    if (fake.no_room && p->batch)
        scratch_limit(0);
    enum error_kind kind = d->before_try(d->context, p, e);
    scratch_limit(-1);
    if (!kind && fake.tried_again) {
        fake.tried_again = false;
        p->first_s = (int64_t)time(NULL);
        kind = d->before_try(d->context, p, e);
    }
    if (kind) {
        p->attempts--;
        return error_rekind(e, ERROR_LOCAL);
    }
    scratch_count("box", "batch-", fake.records[n]);
    fake.posts++;
    kind = fake.crash[n] ? ERROR_UNKNOWN : fake.outcomes[n];
    p->apart = fake.apart[n];
    p->hopeless = p->watermark < 0 && !p->keyed;
    p->line_refused = fake.refuses_line;
    p->attempts -= kind && !fake.tried[n] && !fake.crash[n];
    if (kind)
        return error_set(e, kind, "as told");
    p->id = ret_stored->first = ret_stored->last = ++fake.next_id;
    return ERROR_NONE;
}

static struct error e;
static struct options options;
static struct session session;
static struct courier courier;
static struct outbox box;
static struct drain drain;
static struct tally tally;

/* Another run comes. */
static void start(void)
{
    session = (struct session){.options = &options, .give_up_at = INT64_MAX};
    tally = (struct tally){0};
    courier_init(&courier, &session, &tally);
    if (outbox_open(&box, scratch_path("box"), &e) || drain_init(&drain, &courier, &box, &e))
        fail_msg("%s", e.text);
}

static void end(void)
{
    drain_release(&drain);
    outbox_close(&box);
    courier_release(&courier);
}

static int set_up(void **state)
{
    memset(&fake, 0, sizeof(fake));
    fake.batches = true;
    fake.next_id = 100;
    options = (struct options){.url = SERVER, .retry_for_ms = 0};
    if (scratch_make(state))
        return -1;
    start();
    return 0;
}

static int tear_down(void **state)
{
    end();
    return scratch_remove(state);
}

static void put_to(const char *server, const char *content)
{
    uint64_t number;
    char key[KEY_LEN + 1];
    if (outbox_add(&box, span_of(server), span_of("c"), span_of("me"), span_of(content), key,
                   &number, &e))
        fail_msg("%s", e.text);
    drain_note(&drain, number, key);
}

/* A line for each word. */
static void put(const char *words)
{
    char text[256], *rest = text;
    snprintf(text, sizeof(text), "%s", words);
    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        put_to(SERVER, word);
}

static void flush(void)
{
    drain_finish(&drain, true);
}

/* What a run did is all that another one knows. */
static void again(void)
{
    end();
    start();
    fake.posted[0] = '\0';
}

/* Nothing is left to do, and `failed` lines are set aside. */
static void expect_empty(int failed)
{
    assert_int_equal(scratch_count("box/new", "", NULL), 0);
    assert_int_equal(scratch_count("box/tmp", "", NULL), 0);
    assert_int_equal(scratch_count("box", "batch-", NULL), 0);
    assert_int_equal(scratch_count("box", "stored-", NULL), 0);
    assert_int_equal(scratch_count("box/failed", ".reason", NULL), failed);
}

static void lines_that_wait_go_together_and_a_single_one_alone(void **state)
{
    (void)state;
    put("a b c");
    flush();
    assert_string_equal(fake.posted, "[a b c]");
    assert_string_equal(fake.records[0], "batch-00000000000000000001-00000000000000000003");
    expect_empty(0);
    put("d");
    flush();
    assert_string_equal(fake.posted, "[a b c][d]");
    expect_empty(0);
    fake.batches = false;
    again();
    put("e f");
    flush();
    assert_string_equal(fake.posted, "[e][f]");
    expect_empty(0);
}

static void no_batch_is_larger_than_the_limits(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= BATCH_LINES_MAX + 2; i++) {
        char word[16];
        snprintf(word, sizeof(word), "%u", i);
        put(word);
    }
    flush();
    assert_string_equal(fake.posted, "[1 2 3 4 1000][1001 1002]");
    expect_empty(0);
}

static void lines_for_other_servers_are_passed_over(void **state)
{
    (void)state;
    put_to("http://other", "x");
    put("a b");
    put_to("http://other", "y");
    put("c");
    flush();
    assert_string_equal(fake.posted, "[a b c]");
    assert_int_equal(scratch_count("box/new", "", NULL), 2);
    assert_int_equal(tally_status(&tally), 3);
    assert_int_equal(drain.foreign, 2);
}

static void a_line_that_was_tried_goes_alone_and_in_its_place(void **state)
{
    (void)state;
    put("a");
    fake.outcomes[0] = ERROR_UNKNOWN;
    fake.tried[0] = true;
    flush();
    again();
    put("b c");
    flush();
    assert_string_equal(fake.posted, "[a-1@50][b c]");
    expect_empty(0);
}

static void a_batch_ends_before_a_line_that_was_tried(void **state)
{
    (void)state;
    bool held, found;
    struct outbox_line line = {0};
    put("a b c d e");
    assert_int_equal(outbox_lock(&box, &held, &e), ERROR_NONE);
    for (int i = 0; i < 3; i++)
        assert_int_equal(outbox_next(&box, UINT64_MAX, &line, &found, &e), ERROR_NONE);
    line.try = (struct outbox_try){.watermark = 7, .attempts = 2, .first_s = 9};
    assert_int_equal(outbox_record_try(&box, &line, &e), ERROR_NONE);
    outbox_line_release(&line);
    outbox_unlock(&box);
    flush();
    assert_string_equal(fake.posted, "[a b][c-2@7][d e]");
    expect_empty(0);
}

static void a_line_that_comes_late_with_a_lower_number_is_for_the_next_batch(void **state)
{
    (void)state;
    put("late a b");
    assert_int_equal(
        rename(scratch_path("box/new/00000000000000000001"), scratch_path("box/new/stash")), 0);
    fake.stash = true;
    flush();
    assert_string_equal(fake.posted, "[a b][late]");
    assert_string_equal(fake.records[0], "batch-00000000000000000002-00000000000000000003");
    expect_empty(0);
}

static void a_batch_of_unknown_outcome_is_repeated_as_it_was(void **state)
{
    (void)state;
    put("a b c");
    fake.crash[0] = true;
    flush();
    assert_int_equal(scratch_count("box/new", "", NULL), 3);
    for (unsigned i = 1; i <= 2; i++) {
        fake.crash[i] = i == 1;
        again();
        put_to(SERVER, i == 1 ? "d" : "e"); /* not into the batch */
        flush();
        assert_string_equal(fake.keys[i], fake.keys[0]);
        assert_string_equal(fake.records[i], fake.records[0]);
        assert_string_equal(fake.posted, i == 1 ? "[a b c-1@50]" : "[a b c-1@50][d e]");
    }
    assert_string_not_equal(fake.keys[3], fake.keys[0]);
    expect_empty(0);
}

static void a_batch_for_another_server_waits_for_its_own(void **state)
{
    (void)state;
    put("a b");
    fake.crash[0] = true;
    flush();
    options.url = "http://other";
    again();
    put_to("http://other", "x");
    put_to("http://other", "y");
    flush();
    assert_string_equal(fake.posted, "[x y]");
    assert_int_equal(scratch_count("box/new", "", NULL), 2);
    options.url = SERVER;
    again();
    flush();
    assert_string_equal(fake.posted, "[a b-1@50]");
    assert_string_equal(fake.keys[2], fake.keys[0]);
    expect_empty(0);
}

static void a_batch_that_never_left_is_forgotten(void **state)
{
    (void)state;
    put("a b");
    fake.outcomes[0] = ERROR_UNREACHABLE;
    flush();
    assert_int_equal(scratch_count("box", "batch-", NULL), 0);
    again();
    put("c");
    flush();
    assert_string_equal(fake.posted, "[a b c]");
    assert_string_not_equal(fake.keys[1], fake.keys[0]);
    expect_empty(0);
}

static void a_refused_batch_goes_line_by_line(void **state)
{
    (void)state;
    put("a b c");
    fake.outcomes[0] = fake.outcomes[2] = ERROR_REFUSED;
    fake.apart[0] = fake.refuses_line = true;
    flush();
    assert_string_equal(fake.posted, "[a b c][a][b][c]");
    assert_string_equal(fake.records[1], "");
    assert_int_equal(tally.lines_refused, 1);
    expect_empty(1);
    put("d e");
    flush();
    assert_string_equal(fake.posted, "[a b c][a][b][c][d e]");
}

static void a_batch_that_cannot_be_remembered_goes_line_by_line(void **state)
{
    (void)state;
    put("a b c");
    fake.no_room = true;
    flush();
    assert_string_equal(fake.posted, "[a b c][a][b][c]");
    assert_int_equal(fake.posts, 3); /* nothing of the batch has left */
    expect_empty(0);
}

static void lines_of_a_batch_that_is_taken_apart_count_as_tried(void **state)
{
    (void)state;
    put("same same same");
    fake.outcomes[0] = ERROR_UNKNOWN;
    fake.apart[0] = fake.tried[0] = true;
    flush();
    assert_string_equal(fake.posted, "[same same same][same-1@50][same-1@101][same-1@102]");
    expect_empty(0);
}

static void that_is_remembered_over_crashes(void **state)
{
    (void)state;
    put("same same same x");
    fake.outcomes[0] = fake.outcomes[2] = ERROR_UNKNOWN;
    fake.apart[0] = fake.tried[0] = fake.tried[2] = true;
    flush(); /* the first is stored, the second is not known to be */
    again();
    put("y z");
    flush();
    assert_string_equal(fake.posted, "[same-2@101][same-1@102][x-1@103][y z]");
    expect_empty(0);
}

static void a_batch_that_only_its_key_can_settle_waits_for_that(void **state)
{
    (void)state;
    fake.blind = true;
    for (int days = 0; days <= 6; days += 6) {
        unsigned n = fake.posts;
        fake.first_s = (int64_t)time(NULL) - days * 86400;
        fake.crash[n] = fake.tried[n + 1] = fake.apart[n + 1] = true;
        fake.outcomes[n + 1] = ERROR_UNKNOWN; /* the server has no keys just now */
        put("a b");
        flush();
        again();
        fake.outcomes[n + 2] = fake.outcomes[n + 3] = days ? ERROR_UNKNOWN : ERROR_NONE;
        fake.tried[n + 2] = fake.tried[n + 3] = true;
        flush();
        assert_string_equal(fake.posted, days ? "[a b-1@-1][a-2@-1][b-2@-1]" : "[a b-1@-1]");
        assert_int_equal(tally_status(&tally), 5);
        again();
        flush();
        assert_string_equal(fake.posted, days ? "" : "[a b-1@-1]");
        expect_empty(days ? 2 : 0);
    }
}

/* Or nothing behind it would be sent until then. */
static void a_try_of_the_future_does_not_block_the_outbox(void **state)
{
    (void)state;
    fake.blind = true;
    fake.first_s = (int64_t)time(NULL) + INT64_C(400) * 86400; /* of a wrong clock */
    fake.crash[0] = true;
    put("a b");
    flush();
    again();
    fake.first_s = 0;
    for (unsigned n = 1; n < 4; n++) {
        fake.outcomes[n] = ERROR_UNKNOWN;
        fake.apart[n] = fake.tried[n] = true;
    }
    put("c");
    flush();
    assert_string_equal(fake.posted, "[a b-1@-1][a-2@-1][b-2@-1][c]");
    expect_empty(2);
}

/* Not one long ago of which nothing left: its key would seem to be forgotten. */
static void the_record_is_dated_by_the_try_that_left(void **state)
{
    (void)state;
    fake.blind = true;
    fake.first_s = (int64_t)time(NULL) - INT64_C(30) * 86400;
    fake.tried_again = fake.crash[0] = true;
    put("a b");
    flush();
    again();
    fake.outcomes[1] = ERROR_UNKNOWN;
    fake.apart[1] = fake.tried[1] = true;
    flush();
    assert_string_equal(fake.posted, "[a b-1@-1]"); /* it waits for its key */
    again();
    flush();
    assert_string_equal(fake.posted, "[a b-1@-1]");
    expect_empty(0);
}

static void the_end_of_a_batch_is_noticed_when_its_last_line_is_gone(void **state)
{
    (void)state;
    put("a b c");
    fake.crash[0] = true;
    flush();
    put("x y z");
    scratch_delete("box/new/00000000000000000003");
    again();
    flush();
    assert_string_equal(fake.posted, "[a-1@50][b-1@101][x y z]");
    expect_empty(0);
}

static void a_line_that_nothing_can_tell_of_is_set_aside_after_a_week(void **state)
{
    (void)state;
    fake.blind = true;
    for (int days = 6; days <= 7; days++) {
        unsigned n = fake.posts;
        fake.first_s = (int64_t)time(NULL) - days * 86400;
        put("a");
        fake.outcomes[n] = ERROR_UNKNOWN;
        fake.tried[n] = true;
        flush();
        assert_int_equal(scratch_count("box/new", "", NULL), days == 6 ? 2 : 0);
        assert_int_equal(tally_status(&tally), 5);
        if (days == 6) {
            again();
            flush();
        }
    }
    expect_empty(1);
}

static void a_line_that_is_lost_from_a_batch_makes_the_others_go_alone(void **state)
{
    (void)state;
    put("a b c");
    fake.crash[0] = true;
    flush();
    scratch_delete("box/new/00000000000000000002");
    again();
    flush();
    assert_string_equal(fake.posted, "[a-1@50][c-1@101]");
    expect_empty(0);
}

static void what_a_damaged_record_may_speak_of_is_never_sent(void **state)
{
    (void)state;
    put("before");
    fake.outcomes[0] = ERROR_UNREACHABLE;
    flush();
    fake.batches = false;
    again();
    put("a b c d");
    scratch_write("box/batch-00000000000000000002-00000000000000000004", span_of("nonsense"));
    flush();
    assert_string_equal(fake.posted, "[before][d]");
    assert_int_equal(tally.lines_unknown, 3);
    assert_int_equal(tally_status(&tally), 5);
    expect_empty(3);
}

static int set_up_all(void **state)
{
    (void)state;
    log_init("chancat", LOG_QUIET);
    return stop_init(NULL) == ERROR_NONE ? 0 : -1;
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(lines_that_wait_go_together_and_a_single_one_alone),
        CASE(no_batch_is_larger_than_the_limits),
        CASE(lines_for_other_servers_are_passed_over),
        CASE(a_line_that_was_tried_goes_alone_and_in_its_place),
        CASE(a_batch_ends_before_a_line_that_was_tried),
        CASE(a_line_that_comes_late_with_a_lower_number_is_for_the_next_batch),
        CASE(a_batch_of_unknown_outcome_is_repeated_as_it_was),
        CASE(a_batch_for_another_server_waits_for_its_own),
        CASE(a_batch_that_never_left_is_forgotten),
        CASE(a_refused_batch_goes_line_by_line),
        CASE(a_batch_that_cannot_be_remembered_goes_line_by_line),
        CASE(lines_of_a_batch_that_is_taken_apart_count_as_tried),
        CASE(that_is_remembered_over_crashes),
        CASE(a_batch_that_only_its_key_can_settle_waits_for_that),
        CASE(a_try_of_the_future_does_not_block_the_outbox),
        CASE(the_record_is_dated_by_the_try_that_left),
        CASE(the_end_of_a_batch_is_noticed_when_its_last_line_is_gone),
        CASE(a_line_that_nothing_can_tell_of_is_set_aside_after_a_week),
        CASE(a_line_that_is_lost_from_a_batch_makes_the_others_go_alone),
        CASE(what_a_damaged_record_may_speak_of_is_never_sent),
    };
    return cmocka_run_group_tests(tests, set_up_all, NULL);
}
