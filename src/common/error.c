/* SPDX-License-Identifier: MIT */
#include "common/error.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

enum error_kind error_set(struct error *e, enum error_kind kind, const char *format, ...)
{
    if (!e)
        return kind;
    va_list args;
    va_start(args, format);
    vsnprintf(e->text, sizeof(e->text), format, args);
    va_end(args);
    e->kind = kind;
    return kind;
}

enum error_kind error_rekind(struct error *e, enum error_kind kind)
{
    if (e)
        e->kind = kind;
    return kind;
}
