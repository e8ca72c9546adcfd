/* SPDX-License-Identifier: MIT */
/*
 * Delivery of one message (deliver.c and settle.c), with fakes of channel.h, the clock and
 * the signals: what is called, when, and with what, for each way a try can end.
 *
 * Each fake call takes the next step of its script and adds a letter to `calls`: p a probe,
 * S a POST, K a POST with a key, L a look. Time passes only in waits, and in POSTs that say so.
 */
#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client/deliver.h"
#include "client/settle.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/stop.h"

#define STEPS_MAX 64

static struct {
    enum error_kind posts[STEPS_MAX], probes[STEPS_MAX], looks[STEPS_MAX];
    unsigned post, probe, look;
    bool found[STEPS_MAX]; /* by the looks */
    int64_t newest;        /* what probes say, 0: the id stored last */
    bool keys;             /* what probes announce */
    int64_t now_ms;
    int64_t last_look_ms;
    int64_t looked_after; /* by the last look */
    int64_t next_id;      /* of what is stored */
    int signal, signal_at_post;
    long status; /* of the posts */
    char calls[256];
    char last_key[64];
    unsigned tries; /* seen by before_try */
    int64_t tried_watermark;
    enum error_kind before_try;
} fake;

static void called(char letter)
{
    size_t len = strlen(fake.calls);
    assert_true(len + 1 < sizeof(fake.calls));
    fake.calls[len] = letter;
}

int64_t clock_now_ms(void)
{
    return fake.now_ms;
}

int64_t clock_deadline(int64_t after_ms)
{
    return after_ms == CLOCK_NEVER ? CLOCK_NEVER : fake.now_ms + after_ms;
}

int clock_left_ms(int64_t deadline)
{
    if (deadline == CLOCK_NEVER)
        return -1;
    return deadline > fake.now_ms ? (int)(deadline - fake.now_ms) : 0;
}

int stop_signal(void)
{
    return fake.signal;
}

void http_wait(struct http *h, int64_t deadline, int watch_fd)
{
    (void)h, (void)watch_fd;
    assert_true(deadline != CLOCK_NEVER);
    if (deadline > fake.now_ms)
        fake.now_ms = deadline;
}

void channel_init(struct channel *c, struct http *http, struct span name)
{
    *c = (struct channel){.http = http, .name = name};
}

void channel_release(struct channel *c)
{
    (void)c;
}

static struct message stored_message(void)
{
    return (struct message){.fields = json_object(), .id = ++fake.next_id};
}

enum error_kind channel_probe(struct channel *c, struct span name, int64_t *ret_newest,
                              int64_t *ret_retry_after_ms, struct error *e)
{
    (void)name;
    called('p');
    *ret_retry_after_ms = -1;
    *ret_newest = -1;
    enum error_kind kind = fake.probes[fake.probe++];
    if (kind)
        return error_set(e, kind, "probe");
    *ret_newest = fake.newest ? fake.newest : fake.next_id;
    c->can_keys = fake.keys;
    return ERROR_NONE;
}

enum error_kind channel_look(struct channel *c, struct span name, int64_t after, struct span sender,
                             struct span content, int64_t grace_ms, struct message *ret_found,
                             struct error *e)
{
    (void)c, (void)name, (void)sender, (void)content, (void)grace_ms;
    called('L');
    fake.last_look_ms = fake.now_ms;
    fake.looked_after = after;
    if (fake.found[fake.look])
        *ret_found = stored_message();
    enum error_kind kind = fake.looks[fake.look++];
    return kind ? error_set(e, kind, "look") : ERROR_NONE;
}

enum error_kind channel_post(struct channel *c, struct span name, struct span sender,
                             struct span content, const char *key, struct channel_posted *ret,
                             struct error *e)
{
    (void)c, (void)name, (void)sender, (void)content;
    called(key ? 'K' : 'S');
    if (key && fake.last_key[0])
        assert_string_equal(key, fake.last_key);
    if (key)
        snprintf(fake.last_key, sizeof(fake.last_key), "%s", key);
    fake.signal = fake.signal_at_post;
    *ret = (struct channel_posted){.retry_after_ms = -1, .status = fake.status};
    enum error_kind kind = fake.posts[fake.post++];
    if (kind)
        return error_set(e, kind, "post");
    ret->stored = stored_message();
    return ERROR_NONE;
}

static enum error_kind before_try(void *context, const struct parcel *p, struct error *e)
{
    (void)context;
    fake.tries++;
    fake.tried_watermark = p->watermark;
    assert_true(p->attempts > 0);
    return fake.before_try ? error_set(e, fake.before_try, "disk") : ERROR_NONE;
}

#define SETTLE_MS   30000
#define PATIENCE_MS 60000

static int set_up(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    fake.next_id = 41;
    fake.now_ms = 1000;
    log_init("test", LOG_QUIET);
    return 0;
}

static struct parcel fresh(void)
{
    return (struct parcel){.label = "line 1",
                           .channel = span_of("c"),
                           .sender = span_of("me"),
                           .content = span_of("text"),
                           .key = "00112233445566778899aabbccddeeff",
                           .watermark = -1};
}

static struct deliver start(void)
{
    struct deliver d;
    deliver_init(&d, NULL, SETTLE_MS, PATIENCE_MS);
    d.before_try = before_try;
    return d;
}

/* Delivers one parcel; *p tells what became of it. */
static enum error_kind run_with(struct deliver *d, struct parcel *p)
{
    struct error e;
    struct message stored = {0};
    enum error_kind kind = deliver(d, p, &stored, &e);
    assert_true((kind == ERROR_NONE) == (stored.fields != NULL));
    if (kind)
        assert_int_equal(e.kind, kind);
    message_release(&stored);
    return kind;
}

static enum error_kind run(struct parcel *p)
{
    struct deliver d = start();
    enum error_kind kind = run_with(&d, p);
    deliver_release(&d);
    return kind;
}

static void a_line_is_stored_with_one_probe_for_all_lines(void **state)
{
    (void)state;
    struct deliver d = start();
    for (int i = 0; i < 3; i++) {
        struct parcel p = fresh();
        assert_int_equal(run_with(&d, &p), ERROR_NONE);
        assert_int_equal(p.watermark, 41 + i); /* moves past what was stored */
    }
    assert_string_equal(fake.calls, "pSSS");
    deliver_release(&d);
}

static void an_unknown_line_is_looked_for_and_found(void **state)
{
    (void)state;
    struct parcel p = fresh();
    fake.posts[0] = ERROR_UNKNOWN;
    fake.found[2] = true;
    assert_int_equal(run(&p), ERROR_NONE);
    assert_string_equal(fake.calls, "pSLLL");
    assert_int_equal(fake.looked_after, 41);
}

static void it_is_sent_again_only_after_a_look_at_the_end_of_the_window(void **state)
{
    (void)state;
    struct parcel p = fresh();
    fake.posts[0] = ERROR_UNKNOWN;
    int64_t began = fake.now_ms;
    assert_int_equal(run(&p), ERROR_NONE);
    /* 0, 0.5, 1, 2, 4, 8, 16 and 30 s */
    assert_string_equal(fake.calls, "pSLLLLLLLLS");
    assert_true(fake.last_look_ms - began >= SETTLE_MS);
    assert_true(fake.last_look_ms - began <= SETTLE_MS + BACKOFF_FIRST_MS);
}

static void a_failing_look_at_the_end_is_made_up_for(void **state)
{
    (void)state;
    struct parcel p = fresh();
    fake.posts[0] = ERROR_UNKNOWN;
    fake.looks[7] = fake.looks[8] = ERROR_UNREACHABLE;
    fake.found[9] = true;
    assert_int_equal(run(&p), ERROR_NONE);
    assert_string_equal(fake.calls, "pSLLLLLLLLLL");
}

static void the_watermark_stays_over_all_tries(void **state)
{
    (void)state;
    struct parcel p = fresh();
    fake.posts[0] = fake.posts[1] = ERROR_UNKNOWN;
    fake.found[8] = true; /* the first after the second try */
    fake.newest = 41;
    assert_int_equal(run(&p), ERROR_NONE);
    assert_string_equal(fake.calls, "pSLLLLLLLLSL");
    assert_int_equal(fake.looked_after, 41);
    assert_int_equal(fake.tried_watermark, 41);
    assert_int_equal(fake.tries, 2);
}

static void what_was_found_is_not_claimed_by_the_next_equal_line(void **state)
{
    (void)state;
    struct deliver d = start();
    struct parcel a = fresh(), b = fresh();
    fake.posts[0] = fake.posts[1] = ERROR_UNKNOWN;
    fake.found[0] = fake.found[1] = true;
    assert_int_equal(run_with(&d, &a), ERROR_NONE);
    assert_int_equal(run_with(&d, &b), ERROR_NONE);
    assert_string_equal(fake.calls, "pSLpSL");
    assert_int_equal(fake.looked_after, 42); /* the id that the first one claimed */
    deliver_release(&d);
}

static void with_keys_the_same_post_is_repeated_and_nothing_is_looked_for(void **state)
{
    (void)state;
    struct parcel p = fresh();
    fake.keys = true;
    fake.posts[0] = fake.posts[1] = ERROR_UNKNOWN;
    assert_int_equal(run(&p), ERROR_NONE);
    assert_string_equal(fake.calls, "pKpKpK");
}

static void a_server_that_lost_its_keys_is_looked_at(void **state)
{
    (void)state;
    struct deliver d = start();
    struct parcel a = fresh(), b = fresh();
    fake.keys = true;
    assert_int_equal(run_with(&d, &a), ERROR_NONE);
    fake.keys = false;
    fake.posts[1] = ERROR_UNKNOWN;
    fake.found[0] = true;
    assert_int_equal(run_with(&d, &b), ERROR_NONE);
    assert_string_equal(fake.calls, "pKKpL");
    assert_int_equal(fake.looked_after, 42);
    deliver_release(&d);
}

static void a_refused_repeat_is_settled_by_a_look(void **state)
{
    (void)state;
    struct parcel p = fresh();
    fake.keys = true;
    fake.posts[0] = ERROR_UNKNOWN;
    fake.posts[1] = ERROR_REFUSED;
    fake.found[0] = true;
    assert_int_equal(run(&p), ERROR_NONE);
    assert_string_equal(fake.calls, "pKpKL");
}

static void what_is_certainly_unsent_is_tried_again_without_a_look(void **state)
{
    (void)state;
    struct parcel p = fresh();
    fake.probes[0] = fake.posts[0] = fake.posts[1] = ERROR_UNREACHABLE;
    assert_int_equal(run(&p), ERROR_NONE);
    assert_int_equal(fake.post, 3);
    assert_int_equal(fake.look, 0); /* but for a probe after a long pause, nothing but tries */
}

static void patience_ends_what_never_left_as_unsent(void **state)
{
    (void)state;
    struct deliver d = start();
    struct parcel p = fresh();
    d.patience_ms = 0;
    backoff_init(&d.backoff, 0);
    fake.posts[0] = ERROR_UNREACHABLE;
    assert_int_equal(run_with(&d, &p), ERROR_UNREACHABLE);
    assert_int_equal(p.attempts, 0);
    deliver_release(&d);
}

static void looks_that_keep_failing_leave_it_unknown(void **state)
{
    (void)state;
    struct parcel p = fresh();
    fake.posts[0] = ERROR_UNKNOWN;
    for (int i = 0; i < STEPS_MAX; i++)
        fake.looks[i] = ERROR_UNREACHABLE;
    int64_t began = fake.now_ms;
    assert_int_equal(run(&p), ERROR_UNKNOWN);
    assert_int_equal(p.attempts, 1);
    assert_int_equal(fake.post, 1);
    assert_true(fake.now_ms - began >= PATIENCE_MS);
}

static void a_server_that_answers_but_never_stores_is_given_up(void **state)
{
    (void)state;
    struct parcel p = fresh();
    for (int i = 0; i < STEPS_MAX; i++)
        fake.posts[i] = ERROR_UNKNOWN;
    assert_int_equal(run(&p), ERROR_UNREACHABLE);
    assert_in_range(fake.post, 2, 3);
    assert_true(p.attempts > 0); /* a later run looks first */
}

static void a_refused_line_is_refused(void **state)
{
    (void)state;
    struct parcel p = fresh();
    fake.posts[0] = ERROR_REFUSED;
    assert_int_equal(run(&p), ERROR_REFUSED);
    assert_string_equal(fake.calls, "pS");
}

static void nothing_leaves_before_the_try_is_remembered(void **state)
{
    (void)state;
    struct parcel p = fresh();
    fake.before_try = ERROR_LOCAL;
    assert_int_equal(run(&p), ERROR_LOCAL);
    assert_string_equal(fake.calls, "p");
    assert_int_equal(p.attempts, 0);
}

/* A line that an earlier run tried. */
static struct parcel tried(int64_t age_s)
{
    struct parcel p = fresh();
    p.watermark = 7;
    p.attempts = 1;
    p.keyed = true;
    p.first_s = (int64_t)time(NULL) - age_s;
    return p;
}

static void an_earlier_runs_line_is_looked_for_above_its_own_watermark(void **state)
{
    (void)state;
    struct parcel p = tried(3600);
    fake.found[0] = true;
    assert_int_equal(run(&p), ERROR_NONE);
    assert_string_equal(fake.calls, "pL");
    assert_int_equal(fake.looked_after, 7);
}

static void an_earlier_runs_line_is_repeated_with_its_key(void **state)
{
    (void)state;
    struct parcel p = tried(3600);
    fake.keys = true;
    assert_int_equal(run(&p), ERROR_NONE);
    assert_string_equal(fake.calls, "ppK");
}

static void a_key_that_an_earlier_try_did_not_have_settles_nothing(void **state)
{
    (void)state;
    struct parcel p = tried(60);
    fake.keys = true;
    p.keyed = false;
    fake.found[0] = true;
    assert_int_equal(run(&p), ERROR_NONE);
    assert_string_equal(fake.calls, "pL");
}

static void a_key_that_the_server_may_have_forgotten_is_not_trusted(void **state)
{
    (void)state;
    struct parcel old = tried((int64_t)DELIVER_KEY_DAYS * 86400 + 60), future = tried(-86400 - 60);
    fake.keys = true;
    fake.found[0] = fake.found[1] = true;
    assert_int_equal(run(&old), ERROR_NONE);
    assert_int_equal(run(&future), ERROR_NONE);
    assert_string_equal(fake.calls, "pLpL");
}

static void an_earlier_runs_line_without_a_watermark_stays_unknown(void **state)
{
    (void)state;
    struct parcel p = tried(60);
    p.watermark = -1;
    assert_int_equal(run(&p), ERROR_UNKNOWN);
    assert_string_equal(fake.calls, "p");
}

static void a_signal_still_allows_one_look(void **state)
{
    (void)state;
    struct parcel a = fresh(), b = fresh();
    fake.signal_at_post = 15;
    fake.posts[0] = fake.posts[1] = ERROR_UNKNOWN;
    fake.found[1] = true;
    assert_int_equal(run(&a), ERROR_UNKNOWN);
    assert_string_equal(fake.calls, "pSL");
    fake.signal = 0;
    assert_int_equal(run(&b), ERROR_NONE);
    assert_string_equal(fake.calls, "pSLpSL");
}

static void a_signal_stops_what_is_unsent(void **state)
{
    (void)state;
    struct parcel p = fresh();
    fake.signal_at_post = 15;
    fake.posts[0] = ERROR_UNREACHABLE;
    assert_int_equal(run(&p), ERROR_STOPPED);
    assert_int_equal(p.attempts, 0);
}

static void a_server_that_lets_nobody_read_is_written_to(void **state)
{
    (void)state;
    struct deliver d = start();
    struct parcel a = fresh(), b = fresh();
    fake.posts[1] = ERROR_UNKNOWN;
    for (int i = 0; i < STEPS_MAX; i++)
        fake.probes[i] = ERROR_REFUSED;
    assert_int_equal(run_with(&d, &a), ERROR_NONE);
    fake.now_ms += DELIVER_FRESH_MS + 1;
    assert_int_equal(run_with(&d, &b), ERROR_UNKNOWN);
    assert_true(b.hopeless);
    assert_int_equal(fake.post, 2);
    assert_memory_equal(fake.calls, "pSpSp", 5);
    deliver_release(&d);
}

static void a_passing_refusal_to_be_read_does_not_cost_the_keys(void **state)
{
    (void)state;
    struct parcel p = fresh();
    fake.keys = true;
    fake.posts[0] = ERROR_UNKNOWN;
    fake.probes[1] = ERROR_REFUSED; /* a proxy's 404 */
    assert_int_equal(run(&p), ERROR_NONE);
    assert_string_equal(fake.calls, "pKppK");
}

static void an_old_watermark_is_not_used(void **state)
{
    (void)state;
    struct deliver d = start();
    struct parcel a = fresh(), b = fresh(), c = fresh(), other = fresh();
    assert_int_equal(run_with(&d, &a), ERROR_NONE);
    fake.now_ms += DELIVER_FRESH_MS;
    assert_int_equal(run_with(&d, &b), ERROR_NONE);
    assert_string_equal(fake.calls, "pSS");
    fake.now_ms += DELIVER_FRESH_MS + 1;
    fake.next_id = 60; /* somebody else has written */
    fake.posts[2] = ERROR_UNKNOWN;
    fake.found[0] = true;
    assert_int_equal(run_with(&d, &c), ERROR_NONE);
    assert_string_equal(fake.calls, "pSSpSL");
    assert_int_equal(fake.looked_after, 60);
    deliver_forget(&d);
    assert_int_equal(run_with(&d, &other), ERROR_NONE);
    assert_string_equal(fake.calls, "pSSpSLpS");
    deliver_release(&d);
}

static void a_probe_speaks_of_its_own_channel_only(void **state)
{
    (void)state;
    struct deliver d = start();
    struct parcel a = fresh(), b = fresh();
    fake.posts[0] = ERROR_REFUSED;
    b.channel = span_of("another");
    assert_int_equal(run_with(&d, &a), ERROR_REFUSED);
    assert_int_equal(run_with(&d, &b), ERROR_NONE);
    assert_string_equal(fake.calls, "pSpS");
    deliver_release(&d);
}

static void a_message_that_the_server_changed_is_never_sent_again(void **state)
{
    (void)state;
    for (int keys = 0; keys < 2; keys++) {
        set_up(state);
        struct parcel p = fresh();
        fake.keys = keys;
        fake.posts[0] = ERROR_BAD_DATA;
        assert_int_equal(run(&p), ERROR_UNKNOWN);
        assert_int_equal(fake.post, 1);
        assert_true(p.hopeless || keys);
    }
}

static void a_refusal_tells_whether_the_line_is_meant(void **state)
{
    static const struct {
        long status;
        bool line;
    } refusals[] = {{400, true},  {413, true},  {422, true},
                    {401, false}, {404, false}, {302, false}};
    for (size_t i = 0; i < COUNT(refusals); i++) {
        set_up(state);
        struct parcel p = fresh();
        fake.posts[0] = ERROR_REFUSED;
        fake.status = refusals[i].status;
        assert_int_equal(run(&p), ERROR_REFUSED);
        assert_int_equal(p.line_refused, refusals[i].line);
        assert_int_equal(p.attempts, 0);
    }
}

static void an_end_set_by_another_thread_ends_the_patience(void **state)
{
    (void)state;
    struct deliver d = start();
    struct parcel p = fresh(), q = fresh();
    _Atomic int64_t give_up_at = fake.now_ms + 5000;
    d.give_up_at = &give_up_at;
    d.patience_ms = INT64_MAX;
    backoff_init(&d.backoff, INT64_MAX);
    for (int i = 0; i < STEPS_MAX; i++) {
        fake.posts[i] = ERROR_UNREACHABLE;
        fake.looks[i] = ERROR_UNREACHABLE;
    }
    assert_int_equal(run_with(&d, &p), ERROR_UNREACHABLE);
    assert_true(fake.now_ms <= 1000 + 5000);
    give_up_at = fake.now_ms + 5000;
    fake.posts[fake.post] = ERROR_UNKNOWN;
    assert_int_equal(run_with(&d, &q), ERROR_UNKNOWN);
    assert_true(fake.now_ms <= 1000 + 10000);
    deliver_release(&d);
}

static void without_a_window_one_look_is_enough(void **state)
{
    (void)state;
    struct deliver d = start();
    struct parcel p = fresh();
    d.settle_ms = 0;
    fake.posts[0] = ERROR_UNKNOWN;
    assert_int_equal(run_with(&d, &p), ERROR_NONE);
    assert_string_equal(fake.calls, "pSLS");
    deliver_release(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_line_is_stored_with_one_probe_for_all_lines, set_up),
        cmocka_unit_test_setup(an_unknown_line_is_looked_for_and_found, set_up),
        cmocka_unit_test_setup(it_is_sent_again_only_after_a_look_at_the_end_of_the_window, set_up),
        cmocka_unit_test_setup(a_failing_look_at_the_end_is_made_up_for, set_up),
        cmocka_unit_test_setup(the_watermark_stays_over_all_tries, set_up),
        cmocka_unit_test_setup(what_was_found_is_not_claimed_by_the_next_equal_line, set_up),
        cmocka_unit_test_setup(with_keys_the_same_post_is_repeated_and_nothing_is_looked_for,
                               set_up),
        cmocka_unit_test_setup(a_server_that_lost_its_keys_is_looked_at, set_up),
        cmocka_unit_test_setup(a_refused_repeat_is_settled_by_a_look, set_up),
        cmocka_unit_test_setup(what_is_certainly_unsent_is_tried_again_without_a_look, set_up),
        cmocka_unit_test_setup(patience_ends_what_never_left_as_unsent, set_up),
        cmocka_unit_test_setup(looks_that_keep_failing_leave_it_unknown, set_up),
        cmocka_unit_test_setup(a_server_that_answers_but_never_stores_is_given_up, set_up),
        cmocka_unit_test_setup(a_refused_line_is_refused, set_up),
        cmocka_unit_test_setup(nothing_leaves_before_the_try_is_remembered, set_up),
        cmocka_unit_test_setup(an_earlier_runs_line_is_looked_for_above_its_own_watermark, set_up),
        cmocka_unit_test_setup(an_earlier_runs_line_is_repeated_with_its_key, set_up),
        cmocka_unit_test_setup(a_key_that_an_earlier_try_did_not_have_settles_nothing, set_up),
        cmocka_unit_test_setup(a_key_that_the_server_may_have_forgotten_is_not_trusted, set_up),
        cmocka_unit_test_setup(an_earlier_runs_line_without_a_watermark_stays_unknown, set_up),
        cmocka_unit_test_setup(a_signal_still_allows_one_look, set_up),
        cmocka_unit_test_setup(a_signal_stops_what_is_unsent, set_up),
        cmocka_unit_test_setup(a_server_that_lets_nobody_read_is_written_to, set_up),
        cmocka_unit_test_setup(a_passing_refusal_to_be_read_does_not_cost_the_keys, set_up),
        cmocka_unit_test_setup(an_old_watermark_is_not_used, set_up),
        cmocka_unit_test_setup(a_probe_speaks_of_its_own_channel_only, set_up),
        cmocka_unit_test_setup(a_message_that_the_server_changed_is_never_sent_again, set_up),
        cmocka_unit_test_setup(a_refusal_tells_whether_the_line_is_meant, set_up),
        cmocka_unit_test_setup(an_end_set_by_another_thread_ends_the_patience, set_up),
        cmocka_unit_test_setup(without_a_window_one_look_is_enough, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
