/* SPDX-License-Identifier: MIT */
/*
 * store: chancatd's store without chancatd.
 *
 *   store fill DATABASE COUNT CHANNELS   COUNT messages, in turn to the channels c1, c2, ...; large
 *                                        transactions
 *   store single DATABASE SECONDS        one message after the other, each in a transaction of its
 *                                        own that is waited for; prints how many a second
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load.h"
#include "common/error.h"
#include "server/store.h"

#define TOGETHER   20000 /* messages of an append that fills */
#define TEXT_BYTES 48

/* An append and its end, which the store's writer tells. */
struct turn {
    struct store_append append;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ended; /* under `lock` */
};

static void on_message(void *context, struct span channel, int64_t id)
{
    (void)context, (void)channel, (void)id;
}

static void on_done(struct store_append *append, enum error_kind kind)
{
    struct turn *turn = append->context;
    if (kind)
        load_fail("store: not stored");
    pthread_mutex_lock(&turn->lock);
    turn->ended = true;
    pthread_cond_signal(&turn->changed);
    pthread_mutex_unlock(&turn->lock);
}

static void append_and_wait(struct store *store, struct store_message *messages, size_t count)
{
    struct turn turn = {
        .append = {.messages = messages, .count = count, .done = on_done, .context = &turn},
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER,
    };
    if (store_queue(store, &turn.append))
        load_fail("store: the queue is full");
    pthread_mutex_lock(&turn.lock);
    while (!turn.ended)
        pthread_cond_wait(&turn.changed, &turn.lock);
    pthread_mutex_unlock(&turn.lock);
    pthread_cond_destroy(&turn.changed);
    pthread_mutex_destroy(&turn.lock);
}

static void fill(struct store *store, long count, long channels)
{
    static struct store_message messages[TOGETHER];
    static char contents[TOGETHER][TEXT_BYTES], names[TOGETHER][TEXT_BYTES];
    for (long done = 0; done < count;) {
        size_t n = 0;
        for (; n < TOGETHER && done < count; n++, done++) {
            snprintf(names[n], TEXT_BYTES, "c%ld", 1 + done % channels);
            snprintf(contents[n], TEXT_BYTES, "message %ld of a backlog", done + 1);
            messages[n] = (struct store_message){.channel = span_of(names[n]),
                                                 .sender = span_of("fill"),
                                                 .content = span_of(contents[n])};
        }
        append_and_wait(store, messages, n);
    }
}

static void single(struct store *store, long seconds)
{
    double began = load_now_ms(), took;
    long n = 0;
    do {
        struct store_message message = {.channel = span_of("c1"),
                                        .sender = span_of("bench"),
                                        .content = span_of("line 0000001 of a benchmark")};
        append_and_wait(store, &message, 1);
        n++;
        took = load_now_ms() - began;
    } while (took < (double)seconds * 1e3);
    printf("%.1f\n", (double)n / took * 1e3);
}

int main(int argc, char **argv)
{
    struct store *store;
    struct error e;
    bool fills = argc == 5 && strcmp(argv[1], "fill") == 0;
    if (!fills && !(argc == 4 && strcmp(argv[1], "single") == 0))
        load_fail("usage: store fill DATABASE COUNT CHANNELS | store single DATABASE SECONDS");
    if (store_open(argv[2], on_message, NULL, &store, &e))
        load_fail("store: %s", e.text);
    if (fills)
        fill(store, load_number(argv[3], 1, 1000000000), load_number(argv[4], 1, 1000000));
    else
        single(store, load_number(argv[3], 1, 3600));
    store_close(store);
    return 0;
}
