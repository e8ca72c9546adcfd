/* SPDX-License-Identifier: MIT */
/*
 * Delivery of one message (deliver.c and settle.c): what becomes of it for each way a try can end.
 */
#include "unit.h"

#include "client/deliver.h"
#include "client/settle.h"
#include "unit/fake_channel.h"

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

int main(void)
{
#define CASE(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        CASE(a_line_is_stored_with_one_probe_for_all_lines),
        CASE(an_unknown_line_is_looked_for_and_found),
        CASE(it_is_sent_again_only_after_a_look_at_the_end_of_the_window),
        CASE(a_failing_look_at_the_end_is_made_up_for),
        CASE(the_watermark_stays_over_all_tries),
        CASE(what_was_found_is_not_claimed_by_the_next_equal_line),
        CASE(with_keys_the_same_post_is_repeated_and_nothing_is_looked_for),
        CASE(a_server_that_lost_its_keys_is_looked_at),
        CASE(a_refused_repeat_is_settled_by_a_look),
        CASE(what_is_certainly_unsent_is_tried_again_without_a_look),
        CASE(patience_ends_what_never_left_as_unsent),
        CASE(looks_that_keep_failing_leave_it_unknown),
        CASE(a_server_that_answers_but_never_stores_is_given_up),
        CASE(a_refused_line_is_refused),
        CASE(nothing_leaves_before_the_try_is_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
