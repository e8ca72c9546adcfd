/* SPDX-License-Identifier: MIT */
#include "client/outbox_numbers.h"

#include <stdlib.h>
#include <string.h>

#include "client/outbox_dir.h"

#define LOOKS       16 /* while all that is seen lies behind something that was not */
#define NUMBERS_MAX (8u * 1024 * 1024) /* lines given out and still waiting, and one look */

void outbox_numbers_init(struct outbox *o)
{
    buf_init(&o->numbers, NUMBERS_MAX * sizeof(uint64_t));
}

static uint64_t *numbers_of(const struct buf *b)
{
    return (uint64_t *)(void *)b->data;
}

static size_t count_of(const struct buf *b)
{
    return b->len / sizeof(uint64_t);
}

/* The number may be used again for another line. */
void outbox_numbers_forget(struct outbox *o, uint64_t number)
{
    for (size_t i = o->next; i-- > 0;) {
        if (numbers_of(&o->numbers)[i] == number) {
            numbers_of(&o->numbers)[i] = 0;
            return;
        }
    }
}

static int compare(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return x < y ? -1 : x > y;
}

static void sort(struct buf *b)
{
    if (b->len)
        qsort(b->data, count_of(b), sizeof(uint64_t), compare);
}

/* One look into new/. `fresh` is cut to the lowest ones whenever twice as many have come. */
struct look {
    const struct buf *given;
    struct buf kept, fresh;
    uint64_t missed; /* the lowest number that was there and not seen */
};

static bool has(const struct buf *sorted, uint64_t number)
{
    return sorted->len &&
           bsearch(&number, sorted->data, count_of(sorted), sizeof(number), compare) != NULL;
}

static void keep_lowest(struct buf *fresh)
{
    sort(fresh);
    if (count_of(fresh) > OUTBOX_SCAN_MAX)
        fresh->len = OUTBOX_SCAN_MAX * sizeof(uint64_t);
}

static enum error_kind look_at(void *context, const char *name, struct error *e)
{
    struct look *look = context;
    uint64_t number;
    const char *rest = outbox_dir_number(name, &number);
    if (!rest || *rest)
        return ERROR_NONE;
    bool given = has(look->given, number);
    if (count_of(&look->fresh) == 2 * OUTBOX_SCAN_MAX)
        keep_lowest(&look->fresh);
    if (buf_add(given ? &look->kept : &look->fresh, &number, sizeof(number)))
        return error_set(e, ERROR_LOCAL, "no memory for the lines that wait in the outbox");
    return ERROR_NONE;
}

static enum error_kind look_again(void *context, const char *name, struct error *e)
{
    (void)e;
    struct look *look = context;
    uint64_t number;
    const char *rest = outbox_dir_number(name, &number);
    if (rest && !*rest && number < look->missed && !has(look->given, number) &&
        !has(&look->fresh, number))
        look->missed = number;
    return ERROR_NONE;
}

/*
 * A directory that grows while it is read may show a new line and not the one before it. Whatever
 * was there before any line that this look saw is seen by a second look; so the lines below the
 * first one that only the second look sees are complete.
 */
static enum error_kind look_twice(struct outbox *o, struct look *look, struct error *e)
{
    struct buf *fresh = &look->fresh;
    enum error_kind kind = ERROR_NONE;
    for (int i = 0; !kind && i < LOOKS; i++) {
        buf_clear(&look->kept);
        buf_clear(fresh);
        look->missed = UINT64_MAX;
        kind = outbox_dir_each(o, "new", look_at, look, e);
        keep_lowest(fresh);
        if (kind || fresh->len == 0)
            break;
        kind = outbox_dir_each(o, "new", look_again, look, e);
        size_t count = count_of(fresh);
        while (count > 0 && numbers_of(fresh)[count - 1] > look->missed)
            count--;
        fresh->len = count * sizeof(uint64_t);
        if (count > 0)
            break;
    }
    return kind;
}

static enum error_kind look_anew(struct outbox *o, struct error *e)
{
    struct look look = {.given = &o->numbers};
    buf_init(&look.kept, o->numbers.max_bytes);
    buf_init(&look.fresh, 2 * OUTBOX_SCAN_MAX * sizeof(uint64_t));
    sort(&o->numbers);
    enum error_kind kind = look_twice(o, &look, e);
    size_t given = count_of(&look.kept);
    if (!kind && look.fresh.len && buf_add(&look.kept, look.fresh.data, look.fresh.len))
        kind = error_set(e, ERROR_LOCAL, "too many lines wait in %s", o->directory.data);
    buf_release(&look.fresh);
    if (kind) {
        buf_release(&look.kept);
        return kind;
    }
    buf_release(&o->numbers);
    o->numbers = look.kept;
    o->next = given;
    return ERROR_NONE;
}

enum error_kind outbox_numbers_next(struct outbox *o, uint64_t *ret, struct error *e)
{
    enum error_kind kind = ERROR_NONE;
    *ret = 0;
    if (o->next == count_of(&o->numbers))
        kind = look_anew(o, e);
    if (!kind && o->next < count_of(&o->numbers))
        *ret = numbers_of(&o->numbers)[o->next];
    return kind;
}

void outbox_put_back(struct outbox *o)
{
    o->next--;
}

void outbox_rewind(struct outbox *o)
{
    buf_clear(&o->numbers);
    o->next = 0;
}
