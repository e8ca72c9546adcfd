/* SPDX-License-Identifier: MIT */
#include "common/json_text.h"

#include <stdbool.h>
#include <stdlib.h>

static _Thread_local bool out_of_memory;

static void *allocate(size_t size)
{
    void *p = malloc(size);
    out_of_memory |= !p;
    return p;
}

void json_text_init(void)
{
    json_set_alloc_funcs(allocate, free);
    json_object_seed(0);
}

enum error_kind json_text_parse(struct span text, size_t flags, json_t **ret, size_t *ret_used,
                                struct error *e)
{
    json_error_t why;
    out_of_memory = false;
    *ret = json_loadb(text.data, text.len, flags, &why);
    if (ret_used)
        *ret_used = *ret ? (size_t)why.position : 0;
    if (*ret)
        return ERROR_NONE;
    if (out_of_memory)
        return error_set(e, ERROR_LOCAL, "no memory for a message");
    return error_set(e, ERROR_BAD_DATA, "bad JSON at byte %d: %s", why.position, why.text);
}
