/* SPDX-License-Identifier: MIT */
/*
 * A line of a batch is read in one of two ways: as an ordinary object without a tree, or by
 * Jansson. Whatever the line, the messages and the sentence about what is wrong must be the same.
 * BATCH_ROUNDS: how many lines are compared.
 *
 * link: -Wl,--wrap=flat_read
 */
#include "unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/batch.h"
#include "unit/both_ways.h"
#include "unit/dice.h"

#define ROUNDS 200000

/* Pieces of strings: the first of them good, then white space, then what must be refused. */
static const char *const pieces[] = {
    "message",        "12",   "&<'",      "\\u0026",  "\\n",      "\\\"",
    "\\\\",           "\\/",  "\\u0000",  "\\u00E5",  "\xC3\xA5", "\xF0\x9F\x98\x80",
    "\\ud83d\\ude00", " ",    "\\t",      "\xC2\xA0", "\\u2003",  "\xE2\x80\xA8",
    "\\uD800",        "\xFF", "\xE2\x80", "\x01",     "\"",       "\\",
    "\\u12",          "\r",
};
#define GOOD_PIECES 18

static void add_string(struct buf *b)
{
    buf_add_char(b, '"');
    for (size_t n = roll(20) ? 1 + roll(4) : 0; n > 0; n--)
        buf_add_str(b, pieces[roll(40) ? roll(GOOD_PIECES) : roll(COUNT(pieces))]);
    buf_add_char(b, '"');
}

static void add_value(struct buf *b)
{
    static const char *const others[] = {"0",     "-17",   "true", "null", "[{\"a\":1}]",
                                         "1.5e3", "1e999", "01",   "tru",  "12345678901234567890"};
    if (roll(30))
        add_string(b);
    else
        buf_add_str(b, others[roll(COUNT(others))]);
}

/* Most lines are good ones. */
static void add_line(struct buf *b)
{
    static const char *const names[] = {"channel",       "sender", "content", "id", "time",
                                        "\\u0063hannel", "",       "Content", "x y"};
    static const char *const gaps[] = {"", "", "", "", "", "", " ", "\t ", "\r"};
    size_t start = roll(3), n = 3 + (roll(4) ? 0 : roll(7)), begin = b->len;
    buf_addf(b, "%s{", roll(30) ? "" : " ");
    for (size_t i = 0; i < n; i++) {
        size_t which = roll(40) ? (i < 3 ? (start + i) % 3 : 3 + roll(6)) : roll(COUNT(names));
        buf_addf(b, "%s%s\"%s\"%s:", i ? "," : "", gaps[roll(COUNT(gaps))], names[which],
                 gaps[roll(COUNT(gaps))]);
        add_value(b);
    }
    buf_addf(b, "%s}%s", gaps[roll(COUNT(gaps))], gaps[roll(COUNT(gaps))]);
    for (size_t k = roll(6) ? 0 : 1 + roll(2); k > 0; k--) /* and a byte or two gone wrong */
        b->data[begin + roll(b->len - begin)] = (char)roll(256);
    buf_add_char(b, '\n');
}

static void same_span(struct span a, struct span b)
{
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
}

/* Were the messages good? */
static bool same_batch(struct span body)
{
    struct batch fast, tree;
    struct error fast_error = {0}, tree_error = {0};
    batch_init(&fast);
    batch_init(&tree);
    only_trees = false;
    enum error_kind kind = batch_parse(&fast, body, &fast_error);
    only_trees = true;
    assert_int_equal(batch_parse(&tree, body, &tree_error), kind);
    assert_string_equal(fast_error.text, tree_error.text);
    assert_int_equal(fast.count, tree.count);
    for (size_t i = 0; i < fast.count; i++) {
        same_span(fast.messages[i].channel, tree.messages[i].channel);
        same_span(fast.messages[i].sender, tree.messages[i].sender);
        same_span(fast.messages[i].content, tree.messages[i].content);
    }
    batch_release(&fast);
    batch_release(&tree);
    return kind == ERROR_NONE;
}

static void both_ways_give_the_same(void **state)
{
    (void)state;
    const char *wanted = getenv("BATCH_ROUNDS");
    long rounds = wanted ? atol(wanted) : ROUNDS, good = 0, batches = 0;
    struct buf body;
    buf_init(&body, 1u << 20);
    for (long done = 0; done < rounds; batches++) {
        buf_clear(&body);
        for (size_t n = 1 + roll(4); n > 0; n--, done++)
            add_line(&body);
        good += same_batch((struct span){body.data, body.len});
    }
    assert_in_range(good, batches / 10, batches - batches / 10); /* enough of either kind */
    buf_release(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways_give_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
