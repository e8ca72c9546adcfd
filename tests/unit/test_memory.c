/* SPDX-License-Identifier: MIT */
/*
 * What cannot be read for want of memory is not taken for bad: the n-th allocation fails, for each
 * n.
 *
 * link: -Wl,--wrap=malloc,--wrap=realloc
 */
#include "unit.h"

#include <stdlib.h>

#include "client/line.h"
#include "client/scan.h"
#include "common/json_text.h"
#include "common/message.h"

#define MESSAGE                                                                                    \
    "{\"id\":1,\"channel\":\"c\",\"sender\":\"s\",\"content\":\"a\\u00e4\",\"more\":[1.5,{\"x\":"  \
    "null}]}"

static int until_failure; /* 0: none */

static bool is_due(void)
{
    return until_failure > 0 && --until_failure == 0;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    return is_due() ? NULL : __real_malloc(size);
}

void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size)
{
    return is_due() ? NULL : __real_realloc(p, size);
}

/* Did the failure not come? Then everything has been tried. */
static bool is_over(int n)
{
    bool over = until_failure > 0;
    until_failure = 0;
    if (over)
        assert_true(n > 1);
    return over;
}

static void a_message_is_never_bad_for_want_of_memory(void **state)
{
    (void)state;
    bool over = false;
    for (int n = 1; !over; n++) {
        struct message m = {0};
        struct error e;
        until_failure = n;
        enum error_kind kind = message_parse(&m, LITERAL(MESSAGE), NULL, &e);
        over = is_over(n);
        if (kind)
            assert_int_equal(kind, ERROR_LOCAL);
        assert_true(kind || m.id == 1);
        assert_true(!over || !kind);
        message_release(&m);
    }
    struct message m = {0};
    assert_int_equal(message_parse(&m, LITERAL("{\"id\":"), NULL, NULL), ERROR_BAD_DATA);
}

static void an_input_line_is_never_bad_for_want_of_memory(void **state)
{
    (void)state;
    bool over = false;
    for (int n = 1; !over; n++) {
        struct line line;
        struct error e;
        line_init(&line);
        until_failure = n;
        enum error_kind kind = line_parse_json(&line, LITERAL(MESSAGE), true, true, &e);
        over = is_over(n);
        if (kind)
            assert_int_equal(kind, ERROR_LOCAL);
        assert_true(!over || !kind);
        line_release(&line);
    }
}

static bool take(void *context, struct span element, const struct flat *flat)
{
    (void)flat;
    int *taken = context;
    *taken += element.len == 5;
    return true;
}

static void an_element_that_was_not_kept_is_told(void **state)
{
    (void)state;
    bool over = false;
    for (int n = 1; !over; n++) {
        struct scan s;
        int taken = 0;
        scan_init(&s);
        until_failure = n;
        assert_true(scan_feed(&s, LITERAL("[12"), take, &taken));
        assert_true(scan_feed(&s, LITERAL("345]"), take, &taken));
        over = is_over(n);
        assert_int_equal(taken, over);
        assert_int_equal(s.no_memory, !over);
        scan_reset(&s);
        assert_false(s.no_memory);
        scan_release(&s);
    }
}

int main(void)
{
    json_text_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_never_bad_for_want_of_memory),
        cmocka_unit_test(an_input_line_is_never_bad_for_want_of_memory),
        cmocka_unit_test(an_element_that_was_not_kept_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
