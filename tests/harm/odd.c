/* SPDX-License-Identifier: MIT */
/*
 * odd: a library for LD_PRELOAD that makes the world of a program an odd one.
 *
 *   ODD_CLOCK=SECS   the wall clock is so many seconds ahead (or behind, with a minus)
 *   ODD_MEMORY=N     the N-th allocation fails
 *   ODD_MEMORY=N+    so do all after it
 *   ODD_COUNT=FILE   at the end the number of allocations is written to FILE
 *
 * Allocations are counted over all threads from the start of the program. Only with the GNU C
 * library, elsewhere memory never fails.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RTLD_NEXT */
#endif
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static long clock_shift;
static atomic_long allocations;
static long first_bad, last_bad; /* 0: none */

__attribute__((constructor)) static void begin(void)
{
    const char *shift = getenv("ODD_CLOCK"), *memory = getenv("ODD_MEMORY");
    if (shift)
        clock_shift = strtol(shift, NULL, 10);
    if (memory) {
        last_bad = strchr(memory, '+') ? 0x7FFFFFFF : strtol(memory, NULL, 10);
        first_bad = strtol(memory, NULL, 10);
    }
}

__attribute__((destructor)) static void end(void)
{
    const char *name = getenv("ODD_COUNT");
    long count = atomic_load(&allocations);
    FILE *f = name ? fopen(name, "w") : NULL;
    if (f) {
        fprintf(f, "%ld\n", count);
        fclose(f);
    }
}

/* --- the clock -------------------------------------------------------------------------------- */

typedef int clock_function(clockid_t, struct timespec *);

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    static clock_function *next;
    if (!next) {
        void *found = dlsym(RTLD_NEXT, "clock_gettime");
        memcpy(&next, &found, sizeof(next)); /* C has no cast from one to the other */
    }
    int r = next(clock, ret);
    if (clock == CLOCK_REALTIME && r == 0)
        ret->tv_sec += clock_shift;
    return r;
}

time_t time(time_t *ret)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (ret)
        *ret = now.tv_sec;
    return now.tv_sec;
}

/* --- memory ----------------------------------------------------------------------------------- */

#ifdef __GLIBC__
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);

static int is_bad(void)
{
    long n = atomic_fetch_add(&allocations, 1) + 1;
    if (n < first_bad || n > last_bad)
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return is_bad() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return is_bad() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *p, size_t size)
{
    return is_bad() ? NULL : __libc_realloc(p, size);
}
#endif
