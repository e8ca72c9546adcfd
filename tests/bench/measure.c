/* SPDX-License-Identifier: MIT */
/*
 * measure: what a command costs.
 *
 *   measure [-1] FILE COMMAND [ARGUMENT ...]
 *
 * Runs the command and appends a line to FILE:
 *
 *   WALL CPU PEAK FIRST
 *
 * WALL is the time from start to end and CPU the processor time, of the command and of whatever it
 * has waited for, both in seconds; PEAK is the most memory of the largest of these processes, in
 * KiB. With -1 the output is read and thrown away, and FIRST is when its first line was complete,
 * in milliseconds after the start; otherwise it is 0 and the output goes where it would go.
 * The status is the command's; 125 when it cannot be run.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/load.h"

#define NOT_RUN 125

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

/* Reads up to the end. The moment at which the first line was complete. */
static double drain(int fd)
{
    static char piece[1 << 20];
    double first = 0;
    ssize_t n;
    while ((n = read(fd, piece, sizeof(piece))) > 0 || (n < 0 && errno == EINTR))
        if (n > 0 && first == 0 && memchr(piece, '\n', (size_t)n))
            first = load_now_ms();
    return first;
}

static pid_t start(char **command, const int *output)
{
    pid_t child = fork();
    if (child)
        return child;
    if (output) {
        dup2(output[1], STDOUT_FILENO);
        close(output[0]);
        close(output[1]);
    }
    execvp(command[0], command);
    fprintf(stderr, "measure: %s: %s\n", command[0], strerror(errno));
    _exit(NOT_RUN);
}

int main(int argc, char **argv)
{
    int wants_first = argc > 1 && strcmp(argv[1], "-1") == 0, output[2], status;
    argv += wants_first;
    argc -= wants_first;
    if (argc < 3)
        load_fail("usage: measure [-1] FILE COMMAND [ARGUMENT ...]");
    FILE *results = fopen(argv[1], "ae");
    if (!results || (wants_first && pipe(output)))
        load_fail("measure: %s: %s", argv[1], strerror(errno));
    double began = load_now_ms(), first = began;
    pid_t child = start(argv + 2, wants_first ? output : NULL);
    if (child > 0 && wants_first) {
        close(output[1]);
        first = drain(output[0]);
    }
    struct rusage used;
    pid_t ended;
    do
        ended = wait4(child, &status, 0, &used);
    while (ended < 0 && errno == EINTR);
    if (child < 0 || ended < 0)
        load_fail("measure: %s", strerror(errno));
    fprintf(results, "%.6f %.6f %ld %.3f\n", (load_now_ms() - began) / 1e3,
            seconds(used.ru_utime) + seconds(used.ru_stime), used.ru_maxrss, first - began);
    if (fclose(results))
        load_fail("measure: %s: %s", argv[1], strerror(errno));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
