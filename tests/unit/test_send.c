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
    bool batches;                  /* the server takes them */
    bool batches_later;            /* but says so only in its first answer */
    bool waits;                    /* there is time for other work before each answer */
    unsigned apart;                /* the n-th post is a batch that must be sent apart, from 1 */
    int64_t watermark, watermarks; /* of the batch; of its lines, three digits each */
    int64_t tried;                 /* with so many attempts */
    char attempts[64];             /* of each post, as digits */
} fake;

void deliver_init(struct deliver *d, struct http *http, int64_t settle_ms, int64_t patience_ms)
{
    (void)http, (void)settle_ms, (void)patience_ms;
    *d = (struct deliver){.channel.can_batch = fake.batches && !fake.batches_later};
}

void deliver_release(struct deliver *d)
{
    (void)d;
}

void deliver_forget(struct deliver *d)
{
    (void)d;
}

enum error_kind deliver(struct deliver *d, struct parcel *p, struct stored *ret_stored,
                        struct error *e)
{
    size_t len = strlen(fake.posted);
    d->channel.can_batch = fake.batches;
    if (fake.waits && d->channel.on_sent)
        d->channel.on_sent(d->channel.sent_context);
    size_t tries = strlen(fake.attempts);
    snprintf(fake.attempts + tries, sizeof(fake.attempts) - tries, "%d", (int)p->attempts);
    if (p->batch) {
        struct batch_line last = batch_at(p->batch, batch_count(p->batch) - 1);
        snprintf(fake.posted + len, sizeof(fake.posted) - len, "[%zu..%.*s]", batch_count(p->batch),
                 (int)last.content.len, last.content.data);
    } else
        snprintf(fake.posted + len, sizeof(fake.posted) - len, "[%.*s/%.*s/%.*s]",
                 (int)p->channel.len, p->channel.data, (int)p->sender.len, p->sender.data,
                 (int)p->content.len, p->content.data);
    assert_true(fake.posts < POSTS_MAX);
    assert_int_equal(strlen(p->key), 32);
    assert_string_not_equal(p->key, fake.last_key);
    snprintf(fake.last_key, sizeof(fake.last_key), "%s", p->key);
    enum error_kind kind = fake.outcomes[fake.posts++];
    p->apart = p->batch && fake.posts == fake.apart;
    p->attempts += p->apart ? fake.tried : 0;
    if (p->apart)
        p->watermark = fake.watermark;
    else if (p->attempts)
        fake.watermarks = fake.watermarks * 1000 + p->watermark;
    p->id = 100 + fake.posts;
    if (kind)
        return error_set(e, kind, "as told");
    ret_stored->last = fake.posts;
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

static const struct outcome {
    const char *text;
    bool batches;
    enum error_kind outcomes[3];
    const char *posted;
    int status;
    int64_t refused, unsent, unknown;
    bool failed;
} outcomes[] = {
    /* the lines behind a refused one are sent */
    {"a\nb\nc\n", false, {0, ERROR_REFUSED}, "[c/me/a][c/me/b][c/me/c]", 4, 1, 0, 0, false},
    /* giving up counts what was read */
    {"a\nb\nc\nd", false, {0, ERROR_UNREACHABLE}, "[c/me/a][c/me/b]", 3, 0, 3, 0, true},
    /* an outcome that stays unknown ends the run */
    {"a\nb\nc\n", false, {0, ERROR_UNKNOWN}, "[c/me/a][c/me/b]", 5, 0, 1, 1, true},
    /* a batch counts all its lines */
    {"a\nb\nc\n", true, {ERROR_UNKNOWN}, "[3..c]", 5, 0, 0, 3, true},
    {"a\nb\n", true, {ERROR_UNREACHABLE}, "[2..b]", 3, 0, 2, 0, true},
};

static void each_outcome_is_counted(void **state)
{
    for (size_t i = 0; i < COUNT(outcomes); i++) {
        const struct outcome *want = &outcomes[i];
        struct options o = {.retry_for_ms = 1000};
        struct tally tally;
        bool failed;
        set_up(state);
        fake.batches = want->batches;
        memcpy(fake.outcomes, want->outcomes, sizeof(want->outcomes));
        send_text(want->text, &o, &tally, &failed);
        assert_string_equal(fake.posted, want->posted);
        assert_int_equal(tally_status(&tally), want->status);
        assert_int_equal(tally.lines_refused, want->refused);
        assert_int_equal(tally.lines_unsent, want->unsent);
        assert_int_equal(tally.lines_unknown, want->unknown);
        assert_int_equal(failed, want->failed);
    }
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

static void lines_that_wait_go_together(void **state)
{
    (void)state;
    struct options o = {.retry_for_ms = 0};
    struct tally tally;
    bool failed;
    fake.batches = true;
    send_text("a\n\nb\nc", &o, &tally, &failed);
    assert_string_equal(fake.posted, "[3..c]");
    assert_int_equal(tally_status(&tally), 0);
    set_up(state);
    fake.batches = true;
    send_text("a\n", &o, &tally, &failed); /* one alone is no batch */
    assert_string_equal(fake.posted, "[c/me/a]");
}

static void a_line_of_ours_that_is_refused_does_not_cut_a_batch(void **state)
{
    (void)state;
    struct options o = {.retry_for_ms = 0, .json = true, .channel = "c"};
    struct tally tally;
    bool failed;
    fake.batches = true;
    send_text("{\"content\":\"a\"}\nbad\n{\"content\":\"b\"}\n", &o, &tally, &failed);
    assert_string_equal(fake.posted, "[2..b]");
    assert_int_equal(tally.lines_refused, 1);
}

static void the_next_batch_is_gathered_while_one_is_on_its_way(void **state)
{
    (void)state;
    struct options o = {.retry_for_ms = 0};
    struct tally tally;
    bool failed;
    struct buf text;
    buf_init(&text, 100000);
    for (unsigned i = 1; i <= 2 * BATCH_LINES_MAX + 1; i++)
        assert_int_equal(buf_addf(&text, "%u\n", i), 0);
    fake.batches = fake.waits = true;
    send_text(text.data, &o, &tally, &failed);
    assert_string_equal(fake.posted, "[1000..1000][1000..2000][c/me/2001]");
    assert_int_equal(tally_status(&tally), 0);

    /* what was gathered is not sent after a failure, and that is told */
    memset(&fake, 0, sizeof(fake));
    fake.batches = fake.waits = true;
    fake.outcomes[0] = ERROR_UNREACHABLE;
    send_text(text.data, &o, &tally, &failed);
    assert_string_equal(fake.posted, "[1000..1000]");
    assert_int_equal(tally.lines_unsent, 2001);
    buf_release(&text);
}

static void a_line_on_its_way_alone_is_left_alone(void **state)
{
    (void)state;
    struct options o = {.retry_for_ms = 0};
    struct tally tally;
    bool failed;
    fake.batches = fake.batches_later = fake.waits = true;
    send_text("first\nb\nc\n", &o, &tally, &failed);
    assert_string_equal(fake.posted, "[c/me/first][2..c]");
}

static void blank_lines_without_end_hold_nothing_back(void **state)
{
    (void)state;
    struct options o = {.retry_for_ms = 0};
    struct tally tally;
    bool failed;
    char text[3000];
    memset(text, '\n', sizeof(text));
    memcpy(text, "a\nb\n", 4);
    memcpy(text + sizeof(text) - 2, "c", 2);
    fake.batches = true;
    send_text(text, &o, &tally, &failed);
    assert_string_equal(fake.posted, "[2..b][c/me/c]");
}

static void a_refused_batch_is_sent_line_by_line(void **state)
{
    (void)state;
    struct options o = {.retry_for_ms = 0};
    struct tally tally;
    bool failed;
    fake.batches = true;
    fake.outcomes[0] = ERROR_REFUSED;
    fake.outcomes[2] = ERROR_REFUSED;
    fake.apart = 1;
    send_text("a\nb\nc\n", &o, &tally, &failed);
    assert_string_equal(fake.posted, "[3..c][c/me/a][c/me/b][c/me/c]");
    assert_string_equal(fake.attempts, "0000");
    assert_int_equal(tally.lines_refused, 1);
    assert_int_equal(tally_status(&tally), 4);
}

static void a_batch_that_may_be_stored_is_looked_for_line_by_line(void **state)
{
    (void)state;
    struct options o = {.retry_for_ms = 0};
    struct tally tally;
    bool failed;
    fake.batches = true;
    fake.outcomes[0] = ERROR_UNKNOWN;
    fake.outcomes[2] = ERROR_UNKNOWN;
    fake.apart = 1;
    fake.tried = 1;
    send_text("a\nb\nc\n", &o, &tally, &failed);
    assert_string_equal(fake.posted, "[3..c][c/me/a][c/me/b]");
    assert_string_equal(fake.attempts, "011"); /* they were tried: no blind POST */
    assert_int_equal(tally_status(&tally), 5);
    assert_int_equal(tally.lines_unknown, 2);
    assert_true(failed);
}

static void equal_lines_of_a_batch_are_looked_for_one_behind_the_other(void **state)
{
    (void)state;
    struct options o = {.retry_for_ms = 0};
    struct tally tally;
    bool failed;
    fake.batches = true;
    fake.outcomes[0] = ERROR_UNKNOWN;
    fake.apart = 1;
    fake.tried = 1;
    fake.watermark = 50;
    send_text("same\nsame\nsame\n", &o, &tally, &failed);
    assert_int_equal(tally_status(&tally), 0);
    assert_int_equal(fake.watermarks, 50102103); /* the ids that those before have claimed */
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
        CASE(each_outcome_is_counted),
        CASE(json_lines_name_what_the_command_line_does_not),
        CASE(a_line_that_is_too_long_is_refused_by_us),
        CASE(lines_that_wait_go_together),
        CASE(a_line_of_ours_that_is_refused_does_not_cut_a_batch),
        CASE(the_next_batch_is_gathered_while_one_is_on_its_way),
        CASE(a_line_on_its_way_alone_is_left_alone),
        CASE(blank_lines_without_end_hold_nothing_back),
        CASE(a_refused_batch_is_sent_line_by_line),
        CASE(a_batch_that_may_be_stored_is_looked_for_line_by_line),
        CASE(equal_lines_of_a_batch_are_looked_for_one_behind_the_other),
    };
    return cmocka_run_group_tests(tests, set_up_all, NULL);
}
