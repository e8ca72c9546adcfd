/* SPDX-License-Identifier: MIT */
#include "client/seen.h"

#include <string.h>

static size_t find(const struct seen *s, struct span name)
{
    size_t i = 0;
    while (i < s->count && !span_equal(span_of(s->names[i]), name))
        i++;
    return i;
}

void seen_add(struct seen *s, struct span name)
{
    if (name.len == 0 || name.len > SEEN_NAME_MAX || memchr(name.data, '\0', name.len))
        return;
    size_t at = find(s, name);
    if (at == 0 && s->count > 0)
        return;
    if (at == SEEN_MAX)
        at--;
    else if (at == s->count)
        s->count++;
    memmove(s->names[1], s->names[0], at * sizeof(s->names[0]));
    memcpy(s->names[0], name.data, name.len);
    s->names[0][name.len] = '\0';
}
