/* SPDX-License-Identifier: MIT */
#include "client/mode.h"

#include <pthread.h>
#include <string.h>

#include "client/receive.h"
#include "client/send.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/stop.h"

/* How long a run that is over goes on trying to send what it has read, when --retry-for is inf. */
#define END_MS 60000

void mode_receive(struct session *s, struct tally *tally)
{
    receive_run(s, NULL, NULL, tally);
}

void mode_send(struct session *s, struct tally *tally)
{
    send_run(s, tally);
}

void mode_flush(struct session *s, struct tally *tally)
{
    send_flush(s, tally);
}

/* The reader thread of one run. */
struct reader {
    struct session *s;
    struct tally tally; /* the thread's until it is joined */
    pthread_t thread;
    bool running;
    int failure; /* of pthread_create */
};

static void *reader_main(void *context)
{
    struct reader *reader = context;
    stop_block_here();
    send_run(reader->s, &reader->tally);
    return NULL;
}

static void reader_start(void *context)
{
    struct reader *reader = context;
    reader->failure = pthread_create(&reader->thread, NULL, reader_main, reader);
    reader->running = reader->failure == 0;
    if (!reader->running) { /* nothing will be sent: the poll loop ends with its next look */
        atomic_store(&reader->s->failed, true);
        log_error("cannot start a thread: %s", strerror(reader->failure));
    }
}

static void stop_keeping(void *context)
{
    struct reader *reader = context;
    atomic_store(&reader->s->keeping, false);
    http_wake(reader->s->post_http);
}

void mode_duplex(struct session *s, struct tally *tally)
{
    struct reader reader = {.s = s};
    bool keeps = s->options->outbox != NULL;
    atomic_init(&s->keeping, keeps);
    if (keeps) /* lines are safe there, whenever the server is reached */
        reader_start(&reader);
    receive_run(s, keeps ? stop_keeping : reader_start, &reader, tally);
    if (reader.failure)
        tally_add(tally, ERROR_LOCAL);
    if (!reader.running)
        return;
    input_stop(s->input);         /* what was read is still delivered, */
    if (atomic_load(&s->keeping)) /* if the server was ever there, */
        atomic_store(&s->give_up_at, clock_now_ms());
    else if (s->options->retry_for_ms == INT64_MAX) /* but not for ever */
        atomic_store(&s->give_up_at, clock_deadline(END_MS));
    stop_keeping(&reader);
    pthread_join(reader.thread, NULL);
    tally_merge(tally, &reader.tally);
}
