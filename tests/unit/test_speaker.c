/* SPDX-License-Identifier: MIT */
/*
 * The sending thread of a conversation, with a fake of deliver.h.
 */
#include "unit.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "client/deliver.h"
#include "client/speaker.h"

static struct {
    enum error_kind outcome; /* of what holds an x */
    int64_t attempts;        /* and how often it was tried */
    char posted[512];        /* channel/sender/content/0, each in [] */
    atomic_uint posts;
    char failed[256]; /* the same of what came back, with the kind */
    char label[64];
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

static void note(char *list, size_t size, const struct speech *s, struct span text, int kind)
{
    size_t len = strlen(list);
    snprintf(list + len, size - len, "[%.*s/%.*s/%.*s/%d]", (int)s->channel.len, s->channel.data,
             (int)s->sender.len, s->sender.data, (int)text.len, text.data, kind);
}

enum error_kind deliver(struct deliver *d, struct parcel *p, struct stored *ret_stored,
                        struct error *e)
{
    (void)d;
    struct speech said = {
        .channel = p->channel,
        .sender = p->sender,
    };
    note(fake.posted, sizeof(fake.posted), &said, p->content, 0);
    snprintf(fake.label, sizeof(fake.label), "%s", p->label);
    atomic_fetch_add(&fake.posts, 1);
    if (fake.outcome && memchr(p->content.data, 'x', p->content.len)) {
        p->attempts = fake.attempts;
        return error_set(e, fake.outcome, "as told");
    }
    ret_stored->last = 1;
    return ERROR_NONE;
}

static void failed(void *context, const struct speech *speech, const struct error *e)
{
    (void)context;
    note(fake.failed, sizeof(fake.failed), speech, speech->typed, (int)e->kind);
}

static const struct options options = {.retry_for_ms = 0};
static struct session session;
static struct speaker speaker;
static struct tally tally;

static bool add(const char *channel, const char *content, unsigned turn)
{
    char copy[64]; /* it is theirs afterwards */
    snprintf(copy, sizeof(copy), "%s", content);
    struct speech s = {.channel = span_of(channel),
                       .sender = span_of("me"),
                       .content = span_of(copy),
                       .typed = span_of(copy),
                       .turn = turn};
    bool taken = speaker_add(&speaker, &s);
    memset(copy, '#', sizeof(copy));
    return taken;
}

static int set_up(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    memset(&session, 0, sizeof(session));
    session.options = &options;
    tally = (struct tally){0};
    echo_init(&session.echo);
    return speaker_init(&speaker, &session, failed, NULL, NULL) ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    speaker_release(&speaker);
    echo_release(&session.echo);
    return 0;
}

static void wait_for_posts(unsigned count)
{
    for (int i = 0; i < 60000 && atomic_load(&fake.posts) < count; i++)
        poll(NULL, 0, 1);
    assert_int_equal(atomic_load(&fake.posts), count);
}

static void lines_go_in_their_order_and_the_end_is_told(void **state)
{
    (void)state;
    assert_true(add("c", "one", 0));
    assert_int_equal(speaker_start(&speaker, NULL), ERROR_NONE);
    assert_true(add("c", "two", 0));
    assert_true(add("d", "three", 0));
    wait_for_posts(3);
    assert_false(atomic_load(&session.sending_done));
    speaker_close(&speaker);
    speaker_join(&speaker, &tally);
    assert_string_equal(fake.posted, "[c/me/one/0][c/me/two/0][d/me/three/0]");
    assert_string_equal(fake.failed, "");
    assert_true(atomic_load(&session.sending_done) && !atomic_load(&session.failed));
    assert_int_equal(tally_status(&tally), 0);
}

static void what_fails_comes_back_and_the_next_one_goes(void **state)
{
    (void)state;
    fake.outcome = ERROR_REFUSED;
    assert_true(add("c", "x1", 0) && add("c", "b", 0) && add("c", "x2", 0));
    speaker_close(&speaker);
    assert_int_equal(speaker_start(&speaker, NULL), ERROR_NONE);
    speaker_join(&speaker, &tally);
    char wanted[64];
    snprintf(wanted, sizeof(wanted), "[c/me/x1/%d][c/me/x2/%d]", ERROR_REFUSED, ERROR_REFUSED);
    assert_string_equal(fake.failed, wanted);
    assert_string_equal(fake.posted, "[c/me/x1/0][c/me/b/0][c/me/x2/0]");
    assert_false(atomic_load(&session.failed));
}

static void what_was_tried_before_a_failure_here_is_perhaps_stored(void **state)
{
    (void)state;
    fake.outcome = ERROR_LOCAL;
    fake.attempts = 1;
    assert_true(add("c", "x", 0));
    speaker_close(&speaker);
    assert_int_equal(speaker_start(&speaker, NULL), ERROR_NONE);
    speaker_join(&speaker, &tally);
    char wanted[64];
    snprintf(wanted, sizeof(wanted), "[c/me/x/%d]", ERROR_UNKNOWN);
    assert_string_equal(fake.failed, wanted);
}

static void a_line_waits_until_its_channel_is_watched(void **state)
{
    (void)state;
    assert_int_equal(speaker_start(&speaker, NULL), ERROR_NONE);
    assert_true(add("c", "one", 0) && add("d", "two", 1) && add("e", "three", 2));
    speaker_close(&speaker);
    wait_for_posts(1);
    speaker_allow(&speaker, 1);
    wait_for_posts(2);
    speaker_allow(&speaker, 0); /* takes nothing back */
    speaker_allow(&speaker, 5);
    speaker_join(&speaker, &tally);
    assert_string_equal(fake.posted, "[c/me/one/0][d/me/two/0][e/me/three/0]");
}

static void the_queue_has_an_end(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SPEAKER_LINES_MAX; i++)
        assert_true(add("c", "line", 0));
    assert_false(add("c", "line", 0));
    speaker_join(&speaker, &tally); /* it was never started */
    assert_int_equal(tally.lines_unsent, SPEAKER_LINES_MAX);
}

static void a_diagnostic_names_a_line_by_its_beginning(void **state)
{
    (void)state;
    assert_true(add("c", "0123456789012345678901234567890\xC3\xBC", 0));
    speaker_close(&speaker);
    assert_int_equal(speaker_start(&speaker, NULL), ERROR_NONE);
    speaker_join(&speaker, &tally);
    assert_string_equal(fake.label, "\"0123456789012345678901234567890...\"");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lines_go_in_their_order_and_the_end_is_told),
        TEST(what_fails_comes_back_and_the_next_one_goes),
        TEST(what_was_tried_before_a_failure_here_is_perhaps_stored),
        TEST(a_line_waits_until_its_channel_is_watched),
        TEST(the_queue_has_an_end),
        TEST(a_diagnostic_names_a_line_by_its_beginning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
