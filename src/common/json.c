/* SPDX-License-Identifier: MIT */
#include "common/json.h"

#include <pthread.h>
#include <stdlib.h>

static _Thread_local bool no_memory;

static void *allocate(size_t size)
{
    void *p = malloc(size);
    if (!p)
        no_memory = true;
    return p;
}

static void watch_allocations(void)
{
    json_set_alloc_funcs(allocate, free);
}

json_t *json_parse(struct span text, size_t flags, json_error_t *error, bool *ret_no_memory)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_allocations);
    no_memory = false;
    json_t *value = json_loadb(text.data, text.len, flags, error);
    *ret_no_memory = !value && no_memory;
    return value;
}
