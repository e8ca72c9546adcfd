/* SPDX-License-Identifier: MIT */
/*
 * latency: how long after a message is stored a follower prints it.
 *
 *   latency PORT CHANNEL COUNT FOLLOWER [ARGUMENT ...]
 *
 * Starts the follower (chancat -rf ...) with its output in a pipe and POSTs COUNT messages, one at
 * a time and 0 to 9 ms after the line of the one before, over one kept connection. Prints
 *
 *   stored P50 P99 MOST    milliseconds from the reply to the POST, which says that the message is
 *                          stored, to the line in the pipe; less than 0: the line was first
 *   sent P50 P99 MOST      the same from before the POST is sent
 *
 * The channel is empty before; the first messages, until the follower is there, do not count.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/load.h"

#define WARM_UP 5
#define PAUSES  10 /* ms; the next message finds the follower in any state */

struct end {
    int fd;
    char data[4096];
    size_t len;
    double at; /* when the last of it came */
};

static void read_more(struct end *e, double now)
{
    ssize_t n = read(e->fd, e->data + e->len, sizeof(e->data) - 1 - e->len);
    if (n < 0 && errno == EINTR)
        return;
    if (n <= 0)
        load_fail("latency: the server or the follower has ended");
    e->len += (size_t)n;
    e->data[e->len] = '\0';
    e->at = now;
}

/* POSTs a message and waits for the reply and for the line. */
static double one_message(struct end *server, struct end *pipe_end, const char *channel, long i)
{
    struct pollfd fds[2] = {{.fd = server->fd, .events = POLLIN},
                            {.fd = pipe_end->fd, .events = POLLIN}};
    bool replied = false, printed = false;
    double sent = load_now_ms();
    server->len = pipe_end->len = 0;
    load_post(server->fd, channel, i);
    while (!replied || !printed) {
        fds[0].fd = replied ? -1 : server->fd;
        fds[1].fd = printed ? -1 : pipe_end->fd;
        int n = poll(fds, 2, LOAD_WAIT_MS);
        double now = load_now_ms();
        if (n <= 0)
            load_fail("latency: message %ld is not printed", i);
        if (fds[0].revents)
            read_more(server, now);
        if (fds[1].revents)
            read_more(pipe_end, now);
        replied = server->len > 0 && load_reply_len(server->data) > 0;
        printed = pipe_end->len > 0 && pipe_end->data[pipe_end->len - 1] == '\n';
    }
    if (strncmp(server->data, "HTTP/1.1 200 ", 13) != 0)
        load_fail("latency: message %ld is not stored", i);
    return sent;
}

static pid_t start_follower(char **command, int *ret_fd)
{
    int output[2];
    if (pipe(output))
        load_fail("latency: %s", strerror(errno));
    pid_t child = fork();
    if (child == 0) {
        dup2(output[1], STDOUT_FILENO);
        close(output[0]);
        close(output[1]);
        execvp(command[0], command);
        fprintf(stderr, "latency: %s: %s\n", command[0], strerror(errno));
        _exit(1);
    }
    close(output[1]);
    *ret_fd = output[0];
    return child;
}

int main(int argc, char **argv)
{
    if (argc < 5)
        load_fail("usage: latency PORT CHANNEL COUNT FOLLOWER [ARGUMENT ...]");
    long count = load_number(argv[3], 1, 1000000);
    double *stored = calloc((size_t)count, sizeof(double));
    double *sent = calloc((size_t)count, sizeof(double));
    static struct end server, lines;
    if (!stored || !sent)
        load_fail("latency: no memory");
    server.fd = load_connect((int)load_number(argv[1], 1, 65535), 0);
    pid_t child = start_follower(argv + 4, &lines.fd);
    for (long i = -WARM_UP; i < count; i++) {
        double began = one_message(&server, &lines, argv[2], i);
        if (i >= 0) {
            stored[i] = lines.at - server.at;
            sent[i] = lines.at - began;
        }
        struct timespec pause = {.tv_nsec = (i + WARM_UP) * 7 % PAUSES * 1000000};
        nanosleep(&pause, NULL);
    }
    load_print("stored", stored, (size_t)count);
    load_print("sent", sent, (size_t)count);
    kill(child, SIGTERM);
    waitpid(child, NULL, 0);
    free(stored);
    free(sent);
    return 0;
}
