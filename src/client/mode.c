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

void mode_duplex(struct session *s, struct tally *tally)
{
    struct reader reader = {.s = s};
    receive_run(s, reader_start, &reader, tally);
    if (reader.failure)
        tally_add(tally, ERROR_LOCAL);
    if (!reader.running)
        return;
    input_stop(s->input);                        /* what was read is still delivered */
    if (s->options->retry_for_ms == INT64_MAX) { /* but not for ever */
        atomic_store(&s->give_up_at, clock_deadline(END_MS));
        http_wake(s->post_http);
    }
    pthread_join(reader.thread, NULL);
    tally_merge(tally, &reader.tally);
}

/* Asks until there is an answer. False: no answer will come. */
static bool ask(struct session *s, const char *question, struct buf *answer, struct span *ret,
                struct tally *tally)
{
    struct error e;
    struct span typed;
    struct buf prompt;
    buf_init(&prompt, 256);
    bool answered = false;
    while (!answered) {
        if (buf_addf(&prompt, "%s ", question) ||
            output_write(s->output, &prompt, NULL, &e) != OUTPUT_OK)
            break;
        enum input_result r = input_next(s->input, CLOCK_NEVER, &typed, &e);
        if (r == INPUT_FAILED) {
            log_error("%s", e.text);
            tally_add(tally, ERROR_LOCAL);
        }
        if (r != INPUT_RECORD && r != INPUT_TOO_LONG)
            break;
        struct span trimmed = text_trim(typed);
        answered = trimmed.len > 0 && text_add_sanitized(answer, trimmed, true, NULL) == 0;
    }
    buf_release(&prompt);
    *ret = (struct span){answer->data, answer->len};
    return answered;
}

void mode_chat(struct session *s, struct tally *tally)
{
    struct buf channel, sender;
    buf_init(&channel, MESSAGE_CONTENT_MAX);
    buf_init(&sender, MESSAGE_CONTENT_MAX);
    bool ready = s->channel.len || ask(s, "Enter channel:", &channel, &s->channel, tally);
    if (ready && !s->options->sender_known)
        ready = ask(s, "Enter your name:", &sender, &s->sender, tally);
    if (ready)
        mode_duplex(s, tally);
    buf_release(&channel);
    buf_release(&sender);
}
