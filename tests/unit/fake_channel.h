/* SPDX-License-Identifier: MIT */
/*
 * fake_channel: fakes of channel.h, http.h, the clock and the signals, for the tests of deliver.h:
 * what is called, when, and with what, for each way a try can end. Defined here, so that only a
 * test which includes this gets them.
 *
 * Each fake call takes the next step of its script and adds a letter to `calls`: p a probe,
 * S a POST, K a POST with a key, B one of a batch, L a look. Time passes only in waits.
 */
#ifndef CHANCAT_FAKE_CHANNEL_H
#define CHANCAT_FAKE_CHANNEL_H

#include "unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client/deliver.h"
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
    int64_t post_ms;      /* each POST takes so long */
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

static struct stored stored_message(void)
{
    fake.next_id++;
    return (struct stored){fake.next_id, fake.next_id, {"{}", 2}};
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
                             struct span content, int64_t grace_ms, struct stored *ret_found,
                             struct error *e)
{
    (void)c, (void)name, (void)sender, (void)content, (void)grace_ms;
    called('L');
    fake.last_look_ms = fake.now_ms;
    fake.looked_after = after;
    *ret_found = (struct stored){0};
    if (fake.found[fake.look])
        *ret_found = stored_message();
    enum error_kind kind = fake.looks[fake.look++];
    return kind ? error_set(e, kind, "look") : ERROR_NONE;
}

/* What every POST does. */
static enum error_kind answer(struct channel_posted *ret, struct error *e)
{
    fake.signal = fake.signal_at_post;
    *ret = (struct channel_posted){.retry_after_ms = -1, .status = fake.status};
    enum error_kind kind = fake.posts[fake.post++];
    if (kind)
        return error_set(e, kind, "post");
    ret->stored = stored_message();
    return ERROR_NONE;
}

enum error_kind channel_post(struct channel *c, struct span name, struct span sender,
                             struct span content, const char *key, struct channel_posted *ret,
                             struct error *e)
{
    (void)c, (void)name, (void)sender, (void)content;
    called(key ? 'K' : 'S');
    fake.now_ms += fake.post_ms;
    if (key && fake.last_key[0])
        assert_string_equal(key, fake.last_key);
    if (key)
        snprintf(fake.last_key, sizeof(fake.last_key), "%s", key);
    return answer(ret, e);
}

/* B: a batch, which always has a key. */
enum error_kind channel_post_batch(struct channel *c, const struct batch *batch, const char *key,
                                   bool full, struct channel_posted *ret, struct error *e)
{
    (void)c, (void)batch;
    assert_non_null(key);
    called(full ? 'F' : 'B');
    return answer(ret, e);
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
    struct stored stored = {0};
    enum error_kind kind = deliver(d, p, &stored, &e);
    assert_true((kind == ERROR_NONE) == (stored.last > 0));
    if (kind)
        assert_int_equal(e.kind, kind);
    return kind;
}

static enum error_kind run(struct parcel *p)
{
    struct deliver d = start();
    enum error_kind kind = run_with(&d, p);
    deliver_release(&d);
    return kind;
}

#endif
