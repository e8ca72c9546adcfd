/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "server/body.h"

#define LIMIT 10

struct scene {
    atomic_size_t total;
    struct body body;
};

static void begin(struct scene *s, size_t total)
{
    atomic_init(&s->total, total);
    body_init(&s->body, &s->total);
    s->body.limit = (struct api_body_limit){LIMIT, "too large"};
}

static void what_comes_is_counted_and_forgotten(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, 100);
    assert_int_equal(body_text(&s.body).len, 0);
    body_take(&s.body, "hello", 5);
    body_take(&s.body, "world", 5);
    assert_int_equal(s.body.refused, 0);
    assert_true(span_equal(body_text(&s.body), span_of("helloworld")));
    assert_int_equal(atomic_load(&s.total), 110);
    body_recount(&s.body, 1000);
    assert_int_equal(atomic_load(&s.total), 100 + s.body.bytes.size + 1000);
    body_recount(&s.body, 0); /* it may be less */
    assert_int_equal(atomic_load(&s.total), 100 + s.body.bytes.size);
    body_release(&s.body);
    assert_int_equal(atomic_load(&s.total), 100);
    body_release(&s.body);
    assert_int_equal(atomic_load(&s.total), 100);
}

static void too_large_is_given_up(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, 0);
    body_take(&s.body, "0123456789", LIMIT);
    body_take(&s.body, "x", 1);
    assert_int_equal(s.body.refused, 413);
    assert_string_equal(body_sentence(&s.body), "too large");
    assert_int_equal(atomic_load(&s.total), 0);
    body_take(&s.body, "x", 1);
    assert_int_equal(body_text(&s.body).len, 0);
}

static void too_much_of_all_is_given_up(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, BODY_TOTAL_MAX - 5);
    body_take(&s.body, "hello", 5);
    assert_int_equal(s.body.refused, 0);
    body_check_total(&s.body);
    assert_int_equal(s.body.refused, 0);
    body_take(&s.body, "x", 1);
    assert_int_equal(s.body.refused, 429);
    assert_int_equal(atomic_load(&s.total), BODY_TOTAL_MAX - 5);
    begin(&s, BODY_TOTAL_MAX + 1); /* others have grown since */
    body_check_total(&s.body);
    assert_int_equal(s.body.refused, 429);
}

static void the_header_tells_whether_it_is_wanted(void **state)
{
    (void)state;
    static const struct {
        bool authorized;
        unsigned long long length;
        bool asks, at_once, discard;
        int refused;
    } table[] = {
        {true, LIMIT, false, false, false, 0},
        {true, LIMIT, true, false, false, 0},
        {true, LIMIT + 1, false, false, true, 413},
        {true, LIMIT + 1, true, true, true, 413},
        {true, BODY_DISCARD_MAX + 1ull, false, true, true, 413},
        {false, 1, false, false, true, 0},
        {false, 1, true, true, true, 0},
        {false, BODY_DISCARD_MAX + 1ull, false, true, true, 0},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct scene s;
        begin(&s, 0);
        assert_int_equal(
            body_is_refused(&s.body, table[i].authorized, table[i].length, table[i].asks),
            table[i].at_once);
        assert_int_equal(s.body.discard, table[i].discard);
        assert_int_equal(s.body.refused, table[i].refused);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_is_counted_and_forgotten),
        cmocka_unit_test(too_large_is_given_up),
        cmocka_unit_test(too_much_of_all_is_given_up),
        cmocka_unit_test(the_header_tells_whether_it_is_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
