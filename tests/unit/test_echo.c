/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <stdbool.h>
#include <stdio.h>

#include "client/echo.h"

static enum echo_answer ask(struct echo *echo, int64_t id, const char *sender, const char *content)
{
    struct message m = {.id = id, .sender = span_of(sender), .content = span_of(content)};
    return echo_ask(echo, &m);
}

static void end_stored(struct echo *echo, int64_t id)
{
    echo_own(echo, id, id);
    echo_end(echo);
}

static void own_messages_are_known_by_id(void **state)
{
    (void)state;
    struct echo echo;
    echo_init(&echo);
    for (int64_t id = 10; id <= 14; id += 2) {
        echo_begin(&echo, span_of("me"), span_of("x"), 0);
        end_stored(&echo, id);
    }
    assert_int_equal(ask(&echo, 9, "me", "x"), ECHO_OTHER);
    assert_int_equal(ask(&echo, 10, "me", "x"), ECHO_OWN);
    assert_int_equal(ask(&echo, 11, "me", "x"), ECHO_OTHER);
    assert_int_equal(ask(&echo, 12, "me", "x"), ECHO_OWN);
    assert_int_equal(ask(&echo, 14, "me", "x"), ECHO_OWN);
    assert_int_equal(ask(&echo, 15, "me", "x"), ECHO_OTHER);
    echo_release(&echo);
}

static void a_message_like_the_one_in_flight_must_wait(void **state)
{
    (void)state;
    struct echo echo;
    echo_init(&echo);
    echo_begin(&echo, span_of("me"), span_of("a<b"), 0);
    assert_int_equal(ask(&echo, 3, "you", "a&lt;b"), ECHO_OTHER);
    assert_int_equal(ask(&echo, 4, "me", "a&lt;b"), ECHO_WAIT);
    end_stored(&echo, 4);
    assert_int_equal(ask(&echo, 4, "me", "a&lt;b"), ECHO_OWN);
    echo_begin(&echo, span_of("me"), span_of("a<b"), 0);
    echo_end(&echo); /* not stored */
    assert_int_equal(ask(&echo, 5, "me", "a&lt;b"), ECHO_OTHER);
    echo_release(&echo);
}

/* `count` lines `line 0`, `line 1` ... of `a<b`. */
static void fill(struct batch *batch, int count)
{
    batch_init(batch);
    for (int i = 0; i < count; i++) {
        char text[32];
        snprintf(text, sizeof(text), " line %d & more ", i);
        struct batch_line line = {i, span_of("c"), span_of("a<b"), span_of(text)};
        assert_true(batch_add(batch, &line));
    }
}

static void a_message_like_any_line_of_a_batch_in_flight_must_wait(void **state)
{
    (void)state;
    struct echo echo;
    struct batch batch;
    echo_init(&echo);
    fill(&batch, BATCH_LINES_MAX);
    echo_begin_batch(&echo, &batch, 10);
    batch_release(&batch); /* nothing of it is needed any more */
    assert_int_equal(ask(&echo, 10, "a&lt;b", "line 0 &amp; more"), ECHO_OTHER);
    assert_int_equal(ask(&echo, 11, "a&lt;b", "line 1000 &amp; more"), ECHO_OTHER);
    assert_int_equal(ask(&echo, 11, "a", "&lt;b line 0 &amp; more"), ECHO_OTHER);
    for (int i = 0; i < (int)BATCH_LINES_MAX; i++) {
        char text[32];
        snprintf(text, sizeof(text), "line %d &amp; more", i);
        assert_int_equal(ask(&echo, 12 + i, "a&lt;b", text), ECHO_WAIT);
        assert_int_equal(ask(&echo, 12 + i, "somebody", text), ECHO_OTHER);
    }
    for (int i = 0; i < (int)BATCH_LINES_MAX; i += 2) { /* somebody else's in between */
        echo_own(&echo, 2000 + i, 2000 + i);
        assert_int_equal(ask(&echo, 1999, "a&lt;b", "line 999 &amp; more"), ECHO_WAIT);
    }
    echo_end(&echo);
    assert_int_equal(ask(&echo, 1999, "a&lt;b", "line 999 &amp; more"), ECHO_OTHER);
    for (int i = 0; i < (int)BATCH_LINES_MAX; i++)
        assert_int_equal(ask(&echo, 2000 + i, "a&lt;b", "x"), i % 2 ? ECHO_OTHER : ECHO_OWN);
    echo_release(&echo);
}

static void without_memory_for_the_lines_in_flight_everything_waits(void **state)
{
    (void)state;
    struct echo echo;
    struct batch batch;
    echo_init(&echo);
    echo.lines.max_bytes = 2 * sizeof(uint64_t);
    fill(&batch, 3);
    echo_begin_batch(&echo, &batch, 10);
    assert_int_equal(ask(&echo, 10, "you", "x"), ECHO_OTHER);
    assert_int_equal(ask(&echo, 11, "you", "x"), ECHO_WAIT);
    echo_begin(&echo, span_of("me"), span_of("x"), 10);
    assert_int_equal(ask(&echo, 11, "you", "x"), ECHO_OTHER);
    assert_int_equal(ask(&echo, 11, "me", "x"), ECHO_WAIT);
    batch_release(&batch);
    echo_release(&echo);
}

static void neighbouring_ids_take_one_range_and_old_ones_go(void **state)
{
    (void)state;
    struct echo echo;
    echo_init(&echo);
    for (int64_t id = 1; id <= 100000; id++)
        end_stored(&echo, id);
    assert_int_equal(echo.ranges.len, sizeof(struct echo_range));
    assert_int_equal(ask(&echo, 100001, "me", "x"), ECHO_OTHER);
    assert_int_equal(echo.ranges.len, 0);
    echo_release(&echo);
}

static void one_that_comes_back_finds_all_of_them(void **state)
{
    (void)state;
    struct echo echo;
    echo_init(&echo);
    echo.keeps = true;
    for (int64_t id = 1; id < 1000; id += 2) /* with others' between them */
        echo_own(&echo, id, id);
    static const int64_t order[] = {999, 2, 1, 500, 501, 998, 3, 1000, 997};
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT(order); i++) {
            struct message m = {.id = order[i]};
            assert_int_equal(echo_ask(&echo, &m), order[i] % 2 ? ECHO_OWN : ECHO_OTHER);
        }
    }
    echo_release(&echo);
}

static void ids_of_a_batch_are_one_range(void **state)
{
    (void)state;
    struct echo echo;
    echo_init(&echo);
    echo_own(&echo, 1, 1000);
    echo_own(&echo, 1001, 2000);
    echo_own(&echo, 3001, 4000);
    assert_int_equal(echo.ranges.len, 2 * sizeof(struct echo_range));
    assert_int_equal(ask(&echo, 1500, "me", "x"), ECHO_OWN);
    assert_int_equal(ask(&echo, 2001, "me", "x"), ECHO_OTHER);
    assert_int_equal(ask(&echo, 4000, "me", "x"), ECHO_OWN);
    echo_release(&echo);
}

static void a_full_memory_forgets_the_oldest(void **state)
{
    (void)state;
    struct echo echo;
    echo_init(&echo);
    echo.ranges.max_bytes = 3 * sizeof(struct echo_range);
    for (int64_t id = 2; id <= 8; id += 2)
        end_stored(&echo, id);
    assert_int_equal(ask(&echo, 2, "me", "x"), ECHO_OTHER);
    assert_int_equal(ask(&echo, 4, "me", "x"), ECHO_OWN);
    assert_int_equal(ask(&echo, 8, "me", "x"), ECHO_OWN);
    echo_release(&echo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_messages_are_known_by_id),
        cmocka_unit_test(a_message_like_the_one_in_flight_must_wait),
        cmocka_unit_test(a_message_like_any_line_of_a_batch_in_flight_must_wait),
        cmocka_unit_test(without_memory_for_the_lines_in_flight_everything_waits),
        cmocka_unit_test(neighbouring_ids_take_one_range_and_old_ones_go),
        cmocka_unit_test(one_that_comes_back_finds_all_of_them),
        cmocka_unit_test(ids_of_a_batch_are_one_range),
        cmocka_unit_test(a_full_memory_forgets_the_oldest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
