/* SPDX-License-Identifier: MIT */
/*
 * The sending loop, with a fake of deliver.h: what happens to a line of each outcome.
 */
#include "unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/deliver.h"
#include "client/send.h"
#include "common/log.h"
#include "common/stop.h"

#define POSTS_MAX 16

static struct {
    enum error_kind outcomes[POSTS_MAX]; /* of the posts, one after the other */
    char posted[512];                    /* channel/sender/content, each in [] */
    char last_key[40];
    unsigned posts;
} fake;

void deliver_init(struct deliver *d, struct http *http, int64_t settle_ms, int64_t patience_ms)
{
    (void)http, (void)settle_ms, (void)patience_ms;
    *d = (struct deliver){0};
}

void deliver_release(struct deliver *d)
{
    (void)d;
}

void deliver_forget(struct deliver *d)
{
    (void)d;
}

enum error_kind deliver(struct deliver *d, struct parcel *p, struct message *ret_stored,
                        struct error *e)
{
    (void)d;
    size_t len = strlen(fake.posted);
    snprintf(fake.posted + len, sizeof(fake.posted) - len, "[%.*s/%.*s/%.*s]", (int)p->channel.len,
             p->channel.data, (int)p->sender.len, p->sender.data, (int)p->content.len,
             p->content.data);
    assert_true(fake.posts < POSTS_MAX);
    assert_int_equal(strlen(p->key), 32);
    assert_string_not_equal(p->key, fake.last_key);
    snprintf(fake.last_key, sizeof(fake.last_key), "%s", p->key);
    enum error_kind kind = fake.outcomes[fake.posts++];
    if (kind)
        return error_set(e, kind, "as told");
    ret_stored->id = fake.posts;
    return ERROR_NONE;
}

/* Sends `text` with these options; what came of it is in *tally. */
static void send_text(const char *text, struct options *o, struct tally *tally, bool *ret_failed)
{
    int ends[2];
    struct input in;
    struct session s = {
        .options = o, .channel = span_of("c"), .sender = span_of("me"), .input = &in};
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], text, strlen(text)), (ssize_t)strlen(text));
    close(ends[1]);
    assert_int_equal(input_init(&in, ends[0], false, 64, NULL), ERROR_NONE);
    echo_init(&s.echo);
    *tally = (struct tally){0};
    send_run(&s, tally);
    assert_true(atomic_load(&s.sending_done));
    *ret_failed = atomic_load(&s.failed);
    echo_release(&s.echo);
    input_release(&in);
    close(ends[0]);
}

static int set_up(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    return 0;
}

static void each_line_is_posted_once_in_order(void **state)
{
    (void)state;
    struct options o = {.retry_for_ms = 1000};
    struct tally tally;
    bool failed;
    send_text("a\n\n  \nb\r\nlast", &o, &tally, &failed);
    assert_string_equal(fake.posted, "[c/me/a][c/me/b][c/me/last]");
    assert_int_equal(tally_status(&tally), 0);
    assert_false(failed);
}

static void a_refused_line_is_counted_and_the_next_is_sent(void **state)
{
    (void)state;
    struct options o = {.retry_for_ms = 1000};
    struct tally tally;
    bool failed;
    fake.outcomes[1] = ERROR_REFUSED;
    send_text("a\nb\nc\n", &o, &tally, &failed);
    assert_string_equal(fake.posted, "[c/me/a][c/me/b][c/me/c]");
    assert_int_equal(tally_status(&tally), 4);
    assert_int_equal(tally.lines_refused, 1);
    assert_false(failed);
}

static void giving_up_counts_what_was_read(void **state)
{
    (void)state;
    struct options o = {.retry_for_ms = 0};
    struct tally tally;
    bool failed;
    fake.outcomes[1] = ERROR_UNREACHABLE;
    send_text("a\nb\nc\nd", &o, &tally, &failed);
    assert_string_equal(fake.posted, "[c/me/a][c/me/b]");
    assert_int_equal(tally_status(&tally), 3);
    assert_int_equal(tally.lines_unsent, 3);
    assert_true(failed);
}

static void an_outcome_that_stays_unknown_ends_the_run(void **state)
{
    (void)state;
    struct options o = {.retry_for_ms = INT64_MAX};
    struct tally tally;
    bool failed;
    fake.outcomes[1] = ERROR_UNKNOWN;
    send_text("a\nb\nc\n", &o, &tally, &failed);
    assert_string_equal(fake.posted, "[c/me/a][c/me/b]");
    assert_int_equal(tally_status(&tally), 5);
    assert_int_equal(tally.lines_unknown, 1);
    assert_int_equal(tally.lines_unsent, 1);
    assert_true(failed);
}

static void json_lines_name_what_the_command_line_does_not(void **state)
{
    (void)state;
    struct options o = {.retry_for_ms = 0, .json = true};
    struct tally tally;
    bool failed;
    send_text("{\"content\":\"x\",\"channel\":\"d\"}\n{\"content\":\"y\",\"sender\":\"z\"}\nbad\n",
              &o, &tally, &failed);
    assert_string_equal(fake.posted, "[d/me/x][c/z/y]");
    assert_int_equal(tally.lines_refused, 1);
    fake.posted[0] = '\0';
    o.channel = "c";
    o.sender_named = true;
    send_text("{\"content\":\"x\",\"channel\":\"d\",\"sender\":\"z\"}\n", &o, &tally, &failed);
    assert_string_equal(fake.posted, "[c/me/x]");
}

static void a_line_that_is_too_long_is_refused_by_us(void **state)
{
    (void)state;
    struct options o = {.retry_for_ms = 0};
    struct tally tally;
    bool failed;
    char text[200];
    memset(text, 'x', sizeof(text));
    memcpy(text, "a\n", 2);
    memcpy(text + 190, "\nb\n", 4);
    send_text(text, &o, &tally, &failed);
    assert_string_equal(fake.posted, "[c/me/a][c/me/b]");
    assert_int_equal(tally_status(&tally), 4);
}

static int set_up_all(void **state)
{
    (void)state;
    log_init("chancat", LOG_QUIET);
    return stop_init(NULL) == ERROR_NONE ? 0 : -1;
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        CASE(each_line_is_posted_once_in_order),
        CASE(a_refused_line_is_counted_and_the_next_is_sent),
        CASE(giving_up_counts_what_was_read),
        CASE(an_outcome_that_stays_unknown_ends_the_run),
        CASE(json_lines_name_what_the_command_line_does_not),
        CASE(a_line_that_is_too_long_is_refused_by_us),
    };
    return cmocka_run_group_tests(tests, set_up_all, NULL);
}
