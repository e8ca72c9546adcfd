/* SPDX-License-Identifier: MIT */
/*
 * Delivery of one message (deliver.c and settle.c): lines of an earlier run, signals, odd servers,
 * and ids that are known for too long.
 */
#include "unit.h"

#include "client/deliver.h"
#include "client/key.h"
#include "client/settle.h"
#include "unit/fake_channel.h"

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
    struct parcel old = tried((int64_t)KEY_DAYS * 86400 + 60), future = tried(-86400 - 60);
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

/* A batch on its way to a server with keys. */
static enum error_kind run_batch(struct parcel *p)
{
    struct batch batch;
    struct deliver d = start();
    batch_init(&batch);
    fake.keys = true;
    d.channel.can_keys = d.asked = true;
    p->batch = &batch;
    enum error_kind kind = run_with(&d, p);
    p->batch = NULL;
    batch_release(&batch);
    deliver_release(&d);
    return kind;
}

static void a_batch_of_unknown_outcome_is_repeated_with_its_key(void **state)
{
    (void)state;
    struct parcel p = fresh();
    fake.posts[0] = fake.posts[1] = ERROR_UNKNOWN;
    assert_int_equal(run_batch(&p), ERROR_NONE);
    assert_string_equal(fake.calls, "BpBpB");
}

static void a_refused_batch_is_delivered_line_by_line(void **state)
{
    (void)state;
    struct parcel p = fresh();
    fake.posts[0] = ERROR_REFUSED;
    assert_int_equal(run_batch(&p), ERROR_REFUSED);
    assert_true(p.apart);
    assert_int_equal(p.attempts, 0); /* none of them is stored */
}

static void a_batch_that_no_key_settles_is_looked_for_line_by_line(void **state)
{
    static const enum error_kind seconds[] = {ERROR_REFUSED, ERROR_BAD_DATA};
    for (size_t i = 0; i < COUNT(seconds); i++) {
        set_up(state);
        struct parcel p = fresh();
        fake.posts[0] = ERROR_UNKNOWN;
        fake.posts[1] = seconds[i];
        assert_int_equal(run_batch(&p), ERROR_UNKNOWN);
        assert_true(p.apart);
        assert_true(p.attempts > 0); /* each of them may be stored */
        assert_int_equal(fake.look, 0);
    }
}

static void a_batch_is_left_unknown_by_a_signal(void **state)
{
    (void)state;
    struct parcel p = fresh();
    fake.signal_at_post = 15;
    fake.posts[0] = ERROR_UNKNOWN;
    assert_int_equal(run_batch(&p), ERROR_UNKNOWN);
    assert_false(p.apart);
}

static void a_repeat_that_was_known_already_tells_no_newest_id(void **state)
{
    (void)state;
    struct deliver d = start();
    struct parcel a = fresh(), b = fresh();
    fake.keys = true;
    fake.posts[0] = ERROR_UNKNOWN;
    assert_int_equal(run_with(&d, &a), ERROR_NONE);
    assert_string_equal(fake.calls, "pKpK");
    assert_int_equal(run_with(&d, &b), ERROR_NONE);
    assert_int_equal(b.watermark, -1); /* not what the repeat brought, which may be old */
    deliver_release(&d);
}

static void a_watermark_ages_from_the_beginning_of_its_request(void **state)
{
    (void)state;
    struct deliver d = start();
    struct parcel a = fresh(), b = fresh();
    fake.post_ms = DELIVER_FRESH_MS + 1; /* a slow answer: others may have written meanwhile */
    assert_int_equal(run_with(&d, &a), ERROR_NONE);
    assert_int_equal(run_with(&d, &b), ERROR_NONE);
    assert_string_equal(fake.calls, "pSpS");
    deliver_release(&d);
}

static void a_changed_message_is_remembered_over_the_parcel(void **state)
{
    (void)state;
    struct parcel p = tried(0); /* its batch was answered with other texts */
    p.answered = true;
    assert_int_equal(run(&p), ERROR_UNKNOWN);
    assert_true(p.hopeless);
    assert_int_equal(fake.post, 0);
    fake.signal_at_post = 15;
    struct parcel q = fresh();
    fake.posts[0] = ERROR_BAD_DATA;
    assert_int_equal(run(&q), ERROR_UNKNOWN);
    assert_true(q.hopeless); /* a later run would not know */
}

static void the_window_counts_from_the_end_of_the_try(void **state)
{
    (void)state;
    struct parcel p = tried(0);
    p.ended_ms = fake.now_ms;
    fake.now_ms += SETTLE_MS; /* spent on the lines before it */
    assert_int_equal(run(&p), ERROR_NONE);
    assert_string_equal(fake.calls, "pLS"); /* one look, and it is sent again */
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        CASE(a_repeat_that_was_known_already_tells_no_newest_id),
        CASE(a_watermark_ages_from_the_beginning_of_its_request),
        CASE(a_changed_message_is_remembered_over_the_parcel),
        CASE(the_window_counts_from_the_end_of_the_try),
        CASE(a_batch_of_unknown_outcome_is_repeated_with_its_key),
        CASE(a_refused_batch_is_delivered_line_by_line),
        CASE(a_batch_that_no_key_settles_is_looked_for_line_by_line),
        CASE(a_batch_is_left_unknown_by_a_signal),
        CASE(an_earlier_runs_line_is_looked_for_above_its_own_watermark),
        CASE(an_earlier_runs_line_is_repeated_with_its_key),
        CASE(a_key_that_an_earlier_try_did_not_have_settles_nothing),
        CASE(a_key_that_the_server_may_have_forgotten_is_not_trusted),
        CASE(an_earlier_runs_line_without_a_watermark_stays_unknown),
        CASE(a_signal_still_allows_one_look),
        CASE(a_signal_stops_what_is_unsent),
        CASE(a_server_that_lets_nobody_read_is_written_to),
        CASE(a_passing_refusal_to_be_read_does_not_cost_the_keys),
        CASE(an_old_watermark_is_not_used),
        CASE(a_probe_speaks_of_its_own_channel_only),
        CASE(a_message_that_the_server_changed_is_never_sent_again),
        CASE(a_refusal_tells_whether_the_line_is_meant),
        CASE(an_end_set_by_another_thread_ends_the_patience),
        CASE(without_a_window_one_look_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
