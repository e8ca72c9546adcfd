/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "client/scan.h"

/* Gathers elements, each in angle brackets. */
static bool gather(void *context, struct span element, const struct flat *flat)
{
    struct flat again;
    if (flat) { /* of this very element */
        assert_int_equal(flat_read(&again, element), element.len);
        assert_int_equal(flat->count, again.count);
    }
    struct buf *all = context;
    return buf_add_char(all, '<') == 0 && buf_add(all, element.data, element.len) == 0 &&
           buf_add_char(all, '>') == 0;
}

static enum scan_state scan_in_pieces(const char *text, size_t len, size_t piece, struct buf *all)
{
    struct scan s;
    scan_init(&s);
    buf_clear(all);
    for (size_t i = 0; i < len; i += piece) {
        size_t n = len - i < piece ? len - i : piece;
        char *copy = malloc(n); /* reads outside the piece show under the sanitizers */
        assert_non_null(copy);
        memcpy(copy, text + i, n);
        scan_feed(&s, (struct span){copy, n}, gather, all);
        free(copy);
    }
    enum scan_state state = s.state;
    scan_release(&s);
    return state;
}

static void cuts_the_same_elements_wherever_the_pieces_end(void **state)
{
    (void)state;
    static const struct {
        const char *text, *elements;
        enum scan_state end;
    } table[] = {
        {"[]", "", SCAN_END},
        {" [ ] \n", "", SCAN_END},
        {"null", "", SCAN_END},
        {"null\n", "", SCAN_END},
        {"[{\"a\":1},{\"b\":[1,{}]}]", "<{\"a\":1}><{\"b\":[1,{}]}>", SCAN_END},
        {"[ {\"a\":\"],}\"} , 2 ]", "<{\"a\":\"],}\"}><2>", SCAN_END},
        {"[\"q\\\"],\",\"b\\\\\",3]", "<\"q\\\"],\"><\"b\\\\\"><3>", SCAN_END},
        {"[\"\\\\\\\"\\\\\",\"x\"]", "<\"\\\\\\\"\\\\\"><\"x\">", SCAN_END},
        {"[1,,2]", "<1><><2>", SCAN_END},
        {"[1,]", "<1><>", SCAN_END},
        {"[{\"a\":1} {\"b\":2}]", "<{\"a\":1} {\"b\":2}>", SCAN_END},
        {"[{\"a\":1} x,{\"b\":2}]", "<{\"a\":1} x><{\"b\":2}>", SCAN_END},
        {"[{\"a\":1},]", "<{\"a\":1}><>", SCAN_END},
        {"[ {\"a\":1}, {\"a\":\"b,]\"}\n]", "<{\"a\":1}><{\"a\":\"b,]\"}>", SCAN_END},
        {"[{\"a\":1}][", "<{\"a\":1}>", SCAN_BROKEN},
        {"[[{\"a\":1},{\"a\":1}],{\"a\":1}]", "<[{\"a\":1},{\"a\":1}]><{\"a\":1}>", SCAN_END},
        {"[{\"a\":1}", "", SCAN_ELEMENT},
        {"[1", "", SCAN_ELEMENT},
        {"[1,{\"a\":\"x", "<1>", SCAN_ELEMENT},
        {"nul", "", SCAN_NULL},
        {"nulx", "", SCAN_BROKEN},
        {"", "", SCAN_START},
        {"<html>", "", SCAN_BROKEN},
        {"{\"error\":1}", "", SCAN_BROKEN},
        {"[1] x", "<1>", SCAN_BROKEN},
    };
    struct buf all;
    buf_init(&all, 1000);
    for (size_t i = 0; i < COUNT(table); i++) {
        size_t len = strlen(table[i].text);
        for (size_t piece = 1; piece <= len + 1; piece++) {
            assert_int_equal(scan_in_pieces(table[i].text, len, piece, &all), table[i].end);
            assert_true(span_equal((struct span){all.data, all.len}, span_of(table[i].elements)));
        }
    }
    buf_release(&all);
}

static void an_oversize_element_is_passed_over_and_its_head_told(void **state)
{
    (void)state;
    struct scan s;
    struct buf all;
    scan_init(&s);
    s.partial.max_bytes = 1000; /* instead of 16 MiB */
    buf_init(&all, 100000);
    char filler[600];
    memset(filler, 'x', sizeof(filler));
    assert_true(scan_feed(&s, LITERAL("[{\"id\":1},{\"id\":2,\"c\":\""), gather, &all));
    for (int i = 0; i < 10; i++)
        assert_true(scan_feed(&s, (struct span){filler, sizeof(filler)}, gather, &all));
    assert_true(s.partial.size <= 1001);
    assert_true(scan_feed(&s, LITERAL("\"},{\"id\":3}]"), gather, &all));
    assert_int_equal(s.state, SCAN_END);
    struct buf expected;
    buf_init(&expected, 1000);
    assert_int_equal(buf_addf(&expected, "<{\"id\":1}><{\"id\":2,\"c\":\"%.*s><{\"id\":3}>",
                              (int)SCAN_HEAD_BYTES - 13, filler),
                     0);
    assert_true(
        span_equal((struct span){all.data, all.len}, (struct span){expected.data, expected.len}));
    buf_release(&expected);
    buf_release(&all);
    scan_release(&s);
}

static bool stop_at_once(void *context, struct span element, const struct flat *flat)
{
    (void)flat;
    (void)element;
    ++*(int *)context;
    return false;
}

static void the_receiver_can_stop(void **state)
{
    (void)state;
    struct scan s;
    int calls = 0;
    scan_init(&s);
    assert_false(scan_feed(&s, LITERAL("[1,2,3]"), stop_at_once, &calls));
    assert_int_equal(calls, 1);
    scan_reset(&s);
    assert_false(scan_feed(&s, LITERAL("[{\"a\":1},{\"a\":2}]"), stop_at_once, &calls));
    assert_int_equal(calls, 2);
    scan_reset(&s);
    assert_int_equal(s.state, SCAN_START);
    scan_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_the_same_elements_wherever_the_pieces_end),
        cmocka_unit_test(an_oversize_element_is_passed_over_and_its_head_told),
        cmocka_unit_test(the_receiver_can_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
