/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "common/form.h"

static void finds_values_as_the_original_server_does(void **state)
{
    (void)state;
    static const struct {
        const char *form, *key, *value; /* value NULL: not found */
    } table[] = {
        {"a=1&b=2", "b", "2"},
        {"a+b=x+y%20z", "a b", "x y z"},
        {"c=one&c=two", "c", "one"},
        {"c=a;b&c=x", "c", "x"}, /* a pair with ';' is dropped */
        {"c=%zz&c=x", "c", "x"}, /* so is a broken escape */
        {"c=%4", "c", NULL},
        {"c=%", "c", NULL},
        {"c", "c", ""},
        {"c=", "c", ""},
        {"&&c=1&", "c", "1"},
        {"c=a=b", "c", "a=b"},
        {"cc=1", "c", NULL},
        {"%63=1", "c", "1"},
        {"", "c", NULL},
    };
    struct buf b;
    buf_init(&b, 100);
    for (size_t i = 0; i < COUNT(table); i++) {
        buf_clear(&b);
        int found = form_find(span_of(table[i].form), table[i].key, &b);
        assert_int_equal(found, table[i].value != NULL);
        assert_true(span_equal((struct span){b.data, b.len},
                               span_of(table[i].value ? table[i].value : "")));
    }
    buf_release(&b);
}

static void what_is_encoded_comes_back(void **state)
{
    (void)state;
    char all[256];
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    struct buf form, value;
    buf_init(&form, 2000);
    buf_init(&value, 256);
    assert_int_equal(form_add_pair(&form, "a", span_of("x y&z")), 0);
    assert_int_equal(form_add_pair(&form, "all", (struct span){all, 256}), 0);
    assert_int_equal(form_find((struct span){form.data, form.len}, "all", &value), 1);
    assert_int_equal(value.len, 256);
    assert_memory_equal(value.data, all, 256);
    buf_clear(&value);
    assert_int_equal(form_find((struct span){form.data, form.len}, "a", &value), 1);
    assert_buf(value, "x y&z");
    buf_release(&form);
    buf_release(&value);
}

static void a_whole_text_is_decoded_or_nothing_is(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4);
    assert_int_equal(form_add_decoded(&b, span_of("a%20b+")), 1);
    assert_buf(b, "a b ");
    assert_int_equal(form_add_decoded(&b, span_of("x")), -1);
    assert_buf(b, "a b ");
    buf_clear(&b);
    assert_int_equal(form_add_decoded(&b, span_of("ab%4")), 0);
    assert_int_equal(b.len, 0);
    buf_release(&b);
}

static void a_value_that_does_not_fit_is_an_error(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 3);
    assert_int_equal(form_find(span_of("c=12345"), "c", &b), -1);
    assert_int_equal(b.len, 0);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_values_as_the_original_server_does),
        cmocka_unit_test(what_is_encoded_comes_back),
        cmocka_unit_test(a_whole_text_is_decoded_or_nothing_is),
        cmocka_unit_test(a_value_that_does_not_fit_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
