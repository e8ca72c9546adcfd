/* SPDX-License-Identifier: MIT */
/*
 * load: what the programs of the benchmark share: a clock, connections to a server on 127.0.0.1,
 * requests and figures. Whatever fails ends the program with a message and status 1: there is no
 * figure then.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stddef.h>
#include <sys/types.h>

#define LOAD_WAIT_MS 30000 /* the longest anything is waited for */

__attribute__((noreturn, format(printf, 1, 2))) void load_fail(const char *format, ...);

/* Milliseconds with fractions on a clock that only goes forward. */
double load_now_ms(void);

/* A whole number from the command line. */
long load_number(const char *text, long least, long most);

/* A connection without Nagle's delay. With `nonblocking` perhaps not made yet. */
int load_connect(int port, int nonblocking);

/* Sends all of it over a blocking or a fresh connection. */
void load_send(int fd, const char *data, size_t len);

/* POSTs message `number` of the channel; the reply is the caller's to read. */
void load_post(int fd, const char *channel, long number);

/* The length of the whole reply (with Content-Length) at the start of `text`; 0: not there yet. */
size_t load_reply_len(const char *text);

/* CPU time of a process so far and its memory; both from /proc. */
double load_cpu_ms(pid_t pid);
long load_resident_kib(pid_t pid);

/* Sorts the values and prints `NAME P50 P99 MOST`. */
void load_print(const char *name, double *values, size_t count);

#endif
