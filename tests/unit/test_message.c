/* SPDX-License-Identifier: MIT */
/*
 * Messages, read in both ways.
 *
 * link: -Wl,--wrap=flat_read
 */
#include "unit.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/message.h"
#include "unit/both_ways.h"
#include "unit/dice.h"

static void becomes_one_json_line(void **state)
{
    (void)state;
    static const struct {
        const char *element, *line;
    } table[] = {
        {"{\"id\":1,\"channel\":\"t\",\"sender\":\"O\",\"content\":\"hi\","
         "\"time\":\"2024-03-01T00:30:00.25+02:00\"}",
         "{\"id\":1,\"channel\":\"t\",\"sender\":\"O\",\"content\":\"hi\","
         "\"time\":\"2024-02-29T22:30:00Z\"}\n"},
        /* escapes undone once, in three fields only */
        {"{\"id\":2,\"sender\":\"o\\u0026#39;n\",\"content\":\"\\u0026amp;lt; \\u0026lt;\","
         "\"x\":\"\\u0026amp;\"}",
         "{\"id\":2,\"sender\":\"o'n\",\"content\":\"&lt; <\",\"x\":\"&amp;\"}\n"},
        /* unknown fields are kept, numbers as short as they came */
        {"{\"z\":[0.1,-0.0,1e300,true,false,null,{\"k\":9007199254740993}],\"id\":3,"
         "\"sender\":\"\",\"content\":\"\",\"time\":\"TIME\"}",
         "{\"z\":[0.1,-0.0,1e300,true,false,null,{\"k\":9007199254740993}],\"id\":3,"
         "\"sender\":\"\",\"content\":\"\",\"time\":\"TIME\"}\n"},
        /* never raw: NUL, ESC, DEL, C1, line separator, bidi */
        {"{\"id\":4,\"sender\":\"s\",\"content\":\"\\u0000\\u001b\\u007f\\u0085\\u2028\\u202e\"}",
         "{\"id\":4,\"sender\":\"s\",\"content\":"
         "\"\\u0000\\u001b\\u007f\\u0085\\u2028\\u202e\"}\n"},
    };
    struct buf b;
    buf_init(&b, 10000);
    for (size_t i = 0; i < COUNT(table); i++) {
        struct message m = {0};
        struct error e;
        assert_int_equal(message_parse(&m, span_of(table[i].element), NULL, &e), ERROR_NONE);
        buf_clear(&b);
        assert_int_equal(message_add_json(&m, &b), 0);
        assert_string_equal(b.data, table[i].line);
        message_release(&m);
    }
    buf_release(&b);
}

static void what_is_no_message_is_refused(void **state)
{
    (void)state;
    static const char *const table[] = {
        "",
        "1",
        "\"x\"",
        "[]",
        "{}",
        "{\"id\":0,\"sender\":\"\",\"content\":\"\"}",
        "{\"id\":-1,\"sender\":\"\",\"content\":\"\"}",
        "{\"id\":1.0,\"sender\":\"\",\"content\":\"\"}",
        "{\"id\":9223372036854775808,\"sender\":\"\",\"content\":\"\"}",
        "{\"id\":\"1\",\"sender\":\"\",\"content\":\"\"}",
        "{\"id\":1,\"sender\":null,\"content\":\"\"}",
        "{\"id\":1,\"sender\":\"\"}",
        "{\"id\":1,\"id\":1,\"sender\":\"\",\"content\":\"\"}",
        "{\"id\":1,\"sender\":\"\",\"content\":\"\\ud800\"}",
        "{\"id\":1,\"sender\":\"\",\"content\":\"\xff\"}",
        "{\"id\":1,\"sender\":\"\",\"content\":\"\n\"}",
        "{\"id\":1,\"sender\":\"\",\"content\":\"\"} {}",
        "{\"id\":1,\"sender\":\"\",\"content\":\"",
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct message m = {0};
        struct error e = {0};
        assert_int_equal(message_parse(&m, span_of(table[i]), NULL, &e), ERROR_BAD_DATA);
        assert_int_equal(m.id, 0);
        assert_true(e.text[0] != '\0');
        message_release(&m);
    }
}

static void a_text_line_cannot_be_forged(void **state)
{
    (void)state;
    struct message m = {0};
    struct buf b;
    buf_init(&b, 1000);
    assert_int_equal(message_parse(&m,
                                   span_of("{\"id\":1,\"sender\":\"a\\u0026lt;\","
                                           "\"content\":\"x\\nroot: \\u001b[2J\"}"),
                                   NULL, NULL),
                     ERROR_NONE);
    assert_int_equal(message_add_text(&m, &b), 0);
    assert_buf(b, "a<: x\\nroot: \\u001b[2J\n");
    message_release(&m);
    buf_release(&b);
}

static void a_line_that_does_not_fit_leaves_nothing(void **state)
{
    (void)state;
    struct message m = {0};
    struct buf b;
    buf_init(&b, 20);
    assert_int_equal(buf_add_str(&b, "x"), 0);
    assert_int_equal(
        message_parse(&m, span_of("{\"id\":1,\"sender\":\"a\",\"content\":\"0123456789\"}"), NULL,
                      NULL),
        ERROR_NONE);
    assert_int_equal(message_add_json(&m, &b), -1);
    assert_int_equal(b.len, 1);
    message_release(&m);
    buf_release(&b);
}

static void knows_our_own_in_canonical_form(void **state)
{
    (void)state;
    struct message m = {0};
    assert_int_equal(message_parse(&m,
                                   span_of("{\"id\":1,\"sender\":\"o\\u0026#39;n\","
                                           "\"content\":\"a \\u0026lt; \\\"\"}"),
                                   NULL, NULL),
                     ERROR_NONE);
    assert_false(message_is_ours(&m, span_of("o'n"), span_of("a < \"")));
    message_release(&m);
    assert_int_equal(message_parse(&m,
                                   span_of("{\"id\":1,\"sender\":\"o\\u0026#39;n\","
                                           "\"content\":\"a \\u0026lt; \\u0026#34;\"}"),
                                   NULL, NULL),
                     ERROR_NONE);
    assert_true(message_is_ours(&m, span_of("o'n"), span_of("a < \"")));
    assert_true(message_is_ours(&m, span_of(" o'n\t"),
                                span_of("\xC2\xA0"
                                        "a < \"\n")));
    assert_false(message_is_ours(&m, span_of("o'N"), span_of("a < \"")));
    assert_false(message_is_ours(&m, span_of("o'n"), span_of("a < ")));
    message_release(&m);
}

static void guesses_ids_only_from_the_usual_start(void **state)
{
    (void)state;
    assert_int_equal(message_guess_id(span_of("{\"id\":12,\"content\":\"\\ud800\"}")), 12);
    assert_int_equal(message_guess_id(span_of("{\"id\":12")), 0);
    assert_int_equal(message_guess_id(span_of("{\"id\":1.5,")), 0);
    assert_int_equal(message_guess_id(span_of("{\"id\":,")), 0);
    assert_int_equal(message_guess_id(span_of("{\"a\":1,\"id\":2}")), 0);
    assert_int_equal(message_guess_id(span_of("{\"id\":99999999999999999999,")), 0);
    assert_int_equal(message_guess_id(span_of("")), 0);
}

/* --- the same both ways ----------------------------------------------------------------------- */

static const char *pick(const char *const *from, size_t count)
{
    return from[roll(count)];
}

/* Most of them ordinary messages. */
static void make_element(struct buf *b)
{
    static const char *const texts[] = {
        "hi",   "a b",  "",        "&lt;b&gt;",      "\\u0026#39;", "&amp;lt;",
        "&",    "\\n",  "\\u0000", "\xC3\xA5",       "\\u202e",     "\xE2\x80\xAE",
        "\x7F", "\\\"", "\\/",     "\\ud83d\\ude00", "\xFF",        "\\ud800"};
    static const char *const times[] = {"2024-01-02T03:04:05Z",
                                        "2024-01-31T03:04:05Z",
                                        "2024-01-02T03:04:05.678+09:00",
                                        "TIME",
                                        "2024-01-02T03:04:60Z",
                                        "2024\\u002d01-02T03:04:05Z",
                                        "",
                                        "2024-01-02 03:04:05Z"};
    static const char *const more[] = {
        "",           ",\"x\":\"&amp;\"", ",\"x\":null",     ",\"x\":-5", ",\"x\":1.50",
        ",\"x\":[1]", ",\"id\":2",        ",\"&amp;\":true", " ",         ",\"x\":-0"};
    static const char *const ids[] = {"1", "9223372036854775807", "0", "\"1\"", "12345678", "01"};
    buf_clear(b);
    buf_addf(b, "{\"id\":%s", roll(10) ? ids[roll(2) * 4] : pick(ids, COUNT(ids)));
    buf_addf(b, ",\"channel\":\"%s%s\"", pick(texts, 8), pick(texts, roll(9) ? 4 : COUNT(texts)));
    buf_addf(b, ",\"sender\":\"%s\"", pick(texts, roll(9) ? 8 : COUNT(texts)));
    buf_addf(b, ",\"content\":\"%s%s\"", pick(texts, 8), pick(texts, roll(9) ? 16 : COUNT(texts)));
    buf_addf(b, ",\"time\":\"%s\"%s}", roll(3) ? times[0] : pick(times, COUNT(times)),
             roll(4) ? "" : pick(more, COUNT(more)));
    if (roll(5) == 0)
        b->data[roll(b->len)] = (char)roll(256);
}

/* All that can be told of an element. */
static void describe(struct span element, struct buf *b)
{
    struct message m = {0};
    struct error e = {0};
    enum error_kind kind = message_parse(&m, element, NULL, &e);
    buf_clear(b);
    buf_addf(b, "%d ", kind);
    if (kind == ERROR_NONE) {
        buf_addf(b, "%llx ", (unsigned long long)message_mark_of(&m).fingerprint);
        assert_int_equal(message_add_json(&m, b), 0);
        assert_int_equal(message_add_text(&m, b), 0);
    }
    message_release(&m);
}

/* MESSAGE_ROUNDS in the environment: how many elements, when it shall be millions. */
static void both_ways_tell_the_same(void **state)
{
    (void)state;
    const char *wanted = getenv("MESSAGE_ROUNDS");
    long rounds = wanted ? atol(wanted) : 100000, good = 0;
    struct buf element, quick, slow;
    buf_init(&element, 10000);
    buf_init(&quick, 100000);
    buf_init(&slow, 100000);
    for (long i = 0; i < rounds; i++) {
        make_element(&element);
        only_trees = false;
        describe((struct span){element.data, element.len}, &quick);
        only_trees = true;
        describe((struct span){element.data, element.len}, &slow);
        if (!span_equal((struct span){quick.data, quick.len}, (struct span){slow.data, slow.len}))
            print_error("%s\n%s\n%s\n", element.data, quick.data, slow.data);
        assert_true(
            span_equal((struct span){quick.data, quick.len}, (struct span){slow.data, slow.len}));
        good += quick.data[0] == '0';
    }
    print_message("%ld of %ld elements were messages\n", good, rounds);
    assert_true(good > rounds / 4 && good < rounds * 19 / 20);
    buf_release(&element);
    buf_release(&quick);
    buf_release(&slow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TWICE(becomes_one_json_line),
        TWICE(what_is_no_message_is_refused),
        TWICE(a_text_line_cannot_be_forged),
        TWICE(a_line_that_does_not_fit_leaves_nothing),
        TWICE(knows_our_own_in_canonical_form),
        cmocka_unit_test(guesses_ids_only_from_the_usual_start),
        cmocka_unit_test(both_ways_tell_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
