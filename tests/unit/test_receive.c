/* SPDX-License-Identifier: MIT */
/*
 * The poll loop, with fakes of channel.h, http.h, cursor.h, the clock and the signals: when it
 * pauses, what it saves, and when it believes that the server's history was reset.
 *
 * Each fetch takes the next step of its script; behind the last one a signal ends the run.
 */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/channel.h"
#include "client/receive.h"
#include "common/log.h"
#include "common/stop.h"
#include "unit/fake_clock.h"

#define STEPS_MAX 256
#define SAVES_MAX 256

struct step {
    enum error_kind kind;
    int messages; /* handed over, with the next ids */
    int64_t took_ms;
    bool checked;
};

static struct {
    struct step steps[STEPS_MAX];
    size_t count, next;
    bool can_wait;
    int64_t next_id;
    struct message_mark mark; /* what channel_mark() says */
    int past, restarts;       /* calls of channel_fetch_past() and channel_restart() */
    int pauses;               /* calls of http_wait() that let time pass */
    int64_t paused_ms;
    struct message_mark saves[SAVES_MAX];
    size_t saved;
    int signal;
} fake;

int stop_signal(void)
{
    return fake.signal;
}

int stop_now_fd(void)
{
    return -1;
}

void http_wait(struct http *h, int64_t deadline, int watch_fd)
{
    (void)h, (void)watch_fd;
    int left = clock_left_ms(deadline);
    assert_true(left >= 0);
    fake.pauses += left > 0;
    fake.paused_ms += left;
    fake_clock_advance(left);
}

void http_wake(struct http *h)
{
    (void)h;
}

void channel_init(struct channel *c, struct http *http, struct span name)
{
    *c = (struct channel){.http = http, .name = name};
}

void channel_release(struct channel *c)
{
    (void)c;
}

void channel_expect(struct channel *c, struct message_mark mark)
{
    c->cursor = mark.id;
    fake.mark = mark;
}

struct message_mark channel_mark(struct channel *c)
{
    (void)c;
    return fake.mark;
}

void channel_restart(struct channel *c)
{
    c->cursor = 0;
    fake.restarts++;
    fake.mark = (struct message_mark){0};
}

static bool hand_over(struct channel *c, const struct channel_sink *sink)
{
    char text[128];
    struct message m = {0};
    snprintf(text, sizeof(text), "{\"id\":%d,\"sender\":\"s\",\"content\":\"x\"}",
             (int)fake.next_id);
    assert_int_equal(message_parse(&m, span_of(text), NULL, NULL), ERROR_NONE);
    bool taken = sink->on_message(sink->context, &m);
    if (taken) {
        c->cursor = fake.next_id;
        fake.mark = message_mark_of(&m);
        fake.next_id++;
    }
    message_release(&m);
    return taken;
}

static enum error_kind fetch(struct channel *c, const struct channel_sink *sink,
                             struct channel_fetched *ret, struct error *e)
{
    *ret = (struct channel_fetched){.retry_after_ms = -1};
    if (fake.next == fake.count) {
        fake.signal = 15;
        return error_set(e, ERROR_STOPPED, "stopped");
    }
    struct step step = fake.steps[fake.next++];
    fake_clock_advance(step.took_ms);
    c->can_wait = fake.can_wait;
    ret->checked = step.checked;
    for (int i = 0; i < step.messages; i++) {
        if (!hand_over(c, sink))
            return error_set(e, ERROR_STOPPED, "stopped");
        ret->handed_over++;
    }
    if (!sink->on_flush(sink->context))
        return error_set(e, ERROR_STOPPED, "stopped");
    return step.kind ? error_set(e, step.kind, "as told") : ERROR_NONE;
}

enum error_kind channel_fetch(struct channel *c, int64_t wait_s, const struct channel_sink *sink,
                              struct channel_fetched *ret, struct error *e)
{
    (void)wait_s;
    return fetch(c, sink, ret, e);
}

enum error_kind channel_fetch_past(struct channel *c, int64_t count,
                                   const struct channel_sink *sink, struct channel_fetched *ret,
                                   struct error *e)
{
    (void)count;
    fake.past++;
    return fetch(c, sink, ret, e);
}

enum error_kind cursor_save(struct cursor *c, struct message_mark mark, struct error *e)
{
    (void)e;
    assert_true(fake.saved < SAVES_MAX);
    fake.saves[fake.saved++] = mark;
    c->saved = mark;
    return ERROR_NONE;
}

static struct options options;
static struct cursor cursor;

static int set_up(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    fake.next_id = 11;
    log_init("test", LOG_QUIET);
    options = (struct options){.follow = true,
                               .lines = 50,
                               .after = OPTIONS_UNSET,
                               .count = OPTIONS_UNSET,
                               .idle_ms = OPTIONS_UNSET,
                               .interval_ms = 2000,
                               .retry_for_ms = INT64_MAX};
    cursor = (struct cursor){.lock_fd = -1};
    return 0;
}

static void will(struct step step)
{
    assert_true(fake.count < STEPS_MAX);
    fake.steps[fake.count++] = step;
}

/* Runs until the script is over; the lines go to `path`. Returns the exit status. */
static int run_into(const char *path)
{
    struct output out;
    struct tally tally = {0};
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    output_init(&out, fd);
    struct session s = {
        .options = &options, .channel = span_of("c"), .output = &out, .cursor = &cursor};
    echo_init(&s.echo);
    receive_run(&s, NULL, NULL, &tally);
    echo_release(&s.echo);
    output_release(&out);
    close(fd);
    return tally_status(&tally);
}

static int run(void)
{
    return run_into("/dev/null");
}

static void a_server_that_does_not_hold_its_replies_is_not_stormed(void **state)
{
    (void)state;
    fake.can_wait = true;
    for (int i = 0; i < 40; i++)
        will((struct step){.checked = i % 2 == 1});
    assert_int_equal(run(), 0);
    assert_true(fake.paused_ms >= 19 * 2000); /* two fetches in each interval, no more */
    set_up(state);
    fake.can_wait = true;
    for (int i = 0; i < 40; i++)
        will((struct step){.checked = true});
    assert_int_equal(run(), 0);
    assert_true(fake.paused_ms >= 19 * 2000);
}

static void a_check_is_followed_by_a_held_fetch_at_once(void **state)
{
    (void)state;
    fake.can_wait = true;
    will((struct step){.messages = 1});
    for (int i = 0; i < 10; i++) {
        will((struct step){.took_ms = 25000});
        will((struct step){.checked = true});
    }
    assert_int_equal(run(), 0);
    assert_int_equal(fake.pauses, 0);
}

static void a_plain_server_is_asked_once_in_an_interval(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        will((struct step){.checked = i > 0});
    assert_int_equal(run(), 0);
    assert_int_equal(fake.paused_ms, 10 * 2000);
}

static void the_cursor_is_saved_once_a_second_and_not_for_each_message(void **state)
{
    (void)state;
    fake.can_wait = true;
    for (int i = 0; i < 100; i++)
        will((struct step){.messages = 1, .took_ms = 100});
    assert_int_equal(run(), 0);
    assert_in_range(fake.saved, 10, 12);
    assert_int_equal(fake.saves[fake.saved - 1].id, 110); /* and at the end, all of it */
}

static void during_a_pause_it_is_saved_within_a_second(void **state)
{
    (void)state;
    options.interval_ms = 60000;
    will((struct step){.messages = 1, .took_ms = 100});
    will((struct step){.messages = 1, .took_ms = 100});
    will((struct step){.took_ms = 100});
    assert_int_equal(run(), 0);
    assert_int_equal(fake.saved, 2);
    assert_int_equal(fake.saves[0].id, 11);
    assert_int_equal(fake.saves[1].id, 12);
}

static void a_write_that_fails_leaves_the_last_whole_position(void **state)
{
    (void)state;
    cursor.found = true;
    cursor.saved = (struct message_mark){10, 77};
    will((struct step){.messages = 3});
    assert_int_equal(run_into("/dev/full"), 1);
    for (size_t i = 0; i < fake.saved; i++)
        assert_int_equal(fake.saves[i].id, 10);
}

static void a_write_that_fails_at_the_start_saves_nothing(void **state)
{
    (void)state;
    will((struct step){.messages = 3});
    assert_int_equal(run_into("/dev/full"), 1);
    assert_int_equal(fake.saved, 0);
}

static void one_reset_is_no_proof(void **state)
{
    (void)state;
    will((struct step){.messages = 1});
    for (int i = 0; i < 5; i++) {
        will((struct step){.kind = ERROR_RESET});
        will((struct step){.checked = true});
    }
    assert_int_equal(run(), 0);
    will((struct step){.kind = ERROR_RESET});
    will((struct step){.kind = ERROR_UNREACHABLE}); /* no answer is none */
    will((struct step){.kind = ERROR_RESET});
    fake.signal = 0;
    assert_int_equal(run(), 7);
}

static void a_reset_ends_the_run_and_leaves_the_cursor(void **state)
{
    (void)state;
    will((struct step){.messages = 1});
    will((struct step){.kind = ERROR_RESET});
    will((struct step){.kind = ERROR_RESET});
    assert_int_equal(run(), 7);
    assert_int_equal(fake.restarts, 0);
    assert_int_equal(fake.saves[fake.saved - 1].id, 11);
}

static void skip_saves_nothing_before_it_has_a_new_position(void **state)
{
    (void)state;
    options.on_reset = ON_RESET_SKIP;
    will((struct step){.messages = 1});
    will((struct step){.kind = ERROR_RESET});
    will((struct step){.kind = ERROR_RESET});
    will((struct step){.kind = ERROR_UNREACHABLE});
    assert_int_equal(run(), 0);
    assert_int_equal(fake.restarts, 1);
    assert_true(fake.past >= 2); /* at the start, and where to go on */
    assert_int_equal(fake.saves[fake.saved - 1].id, 11);
}

static void restart_goes_on_with_the_first_message(void **state)
{
    (void)state;
    options.on_reset = ON_RESET_RESTART;
    will((struct step){.messages = 2});
    will((struct step){.kind = ERROR_RESET});
    will((struct step){.kind = ERROR_RESET});
    will((struct step){0}); /* the new history is empty */
    assert_int_equal(run(), 0);
    assert_int_equal(fake.past, 1);
    assert_int_equal(fake.saves[fake.saved - 1].id, 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        CASE(a_server_that_does_not_hold_its_replies_is_not_stormed),
        CASE(a_check_is_followed_by_a_held_fetch_at_once),
        CASE(a_plain_server_is_asked_once_in_an_interval),
        CASE(the_cursor_is_saved_once_a_second_and_not_for_each_message),
        CASE(during_a_pause_it_is_saved_within_a_second),
        CASE(a_write_that_fails_leaves_the_last_whole_position),
        CASE(a_write_that_fails_at_the_start_saves_nothing),
        CASE(one_reset_is_no_proof),
        CASE(a_reset_ends_the_run_and_leaves_the_cursor),
        CASE(skip_saves_nothing_before_it_has_a_new_position),
        CASE(restart_goes_on_with_the_first_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
