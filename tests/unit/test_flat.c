/* SPDX-License-Identifier: MIT */
/* flat: what it reads is what Jansson reads, and what it should read it does read. */
#include "unit.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/flat.h"
#include "unit/dice.h"

static void reads_ordinary_objects(void **state)
{
    (void)state;
    const struct {
        struct span text;
        size_t fields;
        bool plain;
    } table[] = {
        {LITERAL("{\"id\":7,\"channel\":\"c\",\"sender\":\"s\",\"content\":\"hi\"}"), 4, true},
        {LITERAL("{\"a\":\"\"}"), 1, true},
        {LITERAL("{\"\":0}"), 1, true},
        {LITERAL("{\"a\":-1,\"b\":999999999999999999,\"c\":true,\"d\":false,\"e\":null}"), 5, true},
        {LITERAL("{ \"a\" : \"x\" ,\n\"b\"\t:\r1 }"), 2, false},
        {LITERAL("{\"a\":\"\xC3\xA5\xF0\x9F\x98\x80\"}"), 1, false},
        {LITERAL("{\"a\":\"\x7F\"}"), 1, false},
        {LITERAL("{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0026\\u00e5\\uFFFD\\u0000\"}"), 1, false},
        {LITERAL("{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1}"), 8, true},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct flat f;
        assert_int_equal(flat_read(&f, table[i].text), table[i].text.len);
        assert_int_equal(f.count, table[i].fields);
        assert_int_equal(f.plain, table[i].plain);
    }
}

static void leaves_all_else_to_others(void **state)
{
    (void)state;
    const struct span table[] = {
        LITERAL(""),
        LITERAL("{"),
        LITERAL("{}"),
        LITERAL("[]"),
        LITERAL("\"a\""),
        LITERAL(" {\"a\":1}"),
        LITERAL("{\"a\":1"),
        LITERAL("{\"a\":"),
        LITERAL("{\"a\""),
        LITERAL("{\"a"),
        LITERAL("{\"a\":1,}"),
        LITERAL("{\"a\":1 \"b\":2}"),
        LITERAL("{\"a\" 1}"),
        LITERAL("{,\"a\":1}"),
        LITERAL("{\"a\":1,\"a\":2}"),
        LITERAL("{\"a\":[]}"),
        LITERAL("{\"a\":{}}"),
        LITERAL("{\"a\":1.0}"),
        LITERAL("{\"a\":1e3}"),
        LITERAL("{\"a\":01}"),
        LITERAL("{\"a\":-0}"),
        LITERAL("{\"a\":-}"),
        LITERAL("{\"a\":+1}"),
        LITERAL("{\"a\":1000000000000000000}"), /* 19 digits */
        LITERAL("{\"a\":tru}"),
        LITERAL("{\"a\":nulls}"),
        LITERAL("{a:1}"),
        LITERAL("{\"\\u0061\":1}"),
        LITERAL("{\"\xC3\xA5\":1}"),
        LITERAL("{\"a\":\"\n\"}"),
        LITERAL("{\"a\":\"\0\"}"),
        LITERAL("{\"a\":\"\\\"}"),
        LITERAL("{\"a\":\"\\x\"}"),
        LITERAL("{\"a\":\"\\u12\"}"),
        LITERAL("{\"a\":\"\\u12g4\"}"),
        LITERAL("{\"a\":\"\\ud800\"}"),
        LITERAL("{\"a\":\"\\ud83d\\ude00\"}"),
        LITERAL("{\"a\":\"\x80\"}"),
        LITERAL("{\"a\":\"\xC0\x80\"}"),
        LITERAL("{\"a\":\"\xED\xA0\x80\"}"),
        LITERAL("{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1}"),
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct flat f;
        assert_int_equal(flat_read(&f, table[i]), 0);
    }
}

static void tells_where_the_object_ends(void **state)
{
    (void)state;
    struct flat f;
    assert_int_equal(flat_read(&f, LITERAL("{\"a\":1},{\"b\":2}]")), 7);
    assert_int_equal(flat_read(&f, LITERAL("{\"a\":\"}\"}x")), 9);
}

static void finds_fields_and_undoes_escapes(void **state)
{
    (void)state;
    struct flat f;
    struct buf b;
    buf_init(&b, 100);
    assert_true(
        flat_read(&f, LITERAL("{\"id\":-42,\"a\":\"x\\ny\\u0026\\u00e5\\u20ac\\u0000.\"}")));
    assert_int_equal(flat_find(&f, "id")->integer, -42);
    assert_null(flat_find(&f, "i"));
    assert_null(flat_find(&f, "idx"));
    const struct flat_field *a = flat_find(&f, "a");
    assert_true(a->escaped);
    assert_int_equal(flat_add_text(&b, a), 0);
    assert_buf(b, "x\ny&\xC3\xA5\xE2\x82\xAC\0.");
    buf_release(&b);
}

/* --- the same as Jansson ---------------------------------------------------------------------- */

/* Pieces that objects are made of; most of them are good where a string may stand. */
static const char *const pieces[] = {
    "message",
    "12",
    "a b",
    "&lt;",
    "\\u0026",
    "\\n",
    "\\\"",
    "\\\\",
    "\\/",
    "\\u0000",
    "\\ud83d\\ude00",
    "\\ud800",
    "\\u00E5",
    "\xC3\xA5",
    "\xF0\x9F\x98\x80",
    "\xE2\x80\xAE",
    "\x7F",
    "\xFF",
    "\x01",
    "\"",
    "\\",
    "{",
    "}",
    ",",
    ":",
    "[1]",
    " ",
    "\\uFFFF",
    "\\u12",
    "1234567",
    "\t",
};

static void add_string(struct buf *b)
{
    buf_add_char(b, '"');
    for (size_t n = roll(4); n > 0; n--)
        buf_add_str(b, pieces[roll(10) ? roll(9) : roll(COUNT(pieces))]);
    buf_add_char(b, '"');
}

static void add_value(struct buf *b)
{
    static const char *const others[] = {"0",    "17",  "-5",  "true", "false",
                                         "null", "1.5", "[]",  "{}",   "123456789012345678901",
                                         "01",   "-0",  "1e2", "tru",  "999999999999999999"};
    if (roll(3))
        add_string(b);
    else
        buf_add_str(b, others[roll(4) ? roll(6) : roll(COUNT(others))]);
}

static void make_object(struct buf *b)
{
    static const char *const names[] = {"\"id\"",   "\"channel\"", "\"sender\"", "\"content\"",
                                        "\"time\"", "\"x y\"",     "\"\"",       "\"\\u0061\""};
    buf_clear(b);
    buf_add_char(b, '{');
    for (size_t n = 1 + roll(6), i = 0; i < n; i++) {
        buf_addf(b, "%s%s%s:", i ? "," : "", roll(20) ? "" : " ",
                 names[roll(9) ? i : roll(COUNT(names))]);
        add_value(b);
    }
    buf_add_char(b, '}');
    for (size_t n = roll(3) ? 0 : 1 + roll(2); n > 0; n--) /* and a byte or two gone wrong */
        b->data[roll(b->len)] = (char)roll(256);
}

static void same_value(const struct flat_field *field, const json_t *value)
{
    struct buf text;
    buf_init(&text, 1000);
    switch (field->type) {
    case FLAT_STRING:
        assert_true(json_is_string(value));
        assert_int_equal(flat_add_text(&text, field), 0);
        assert_int_equal(text.len, json_string_length(value));
        assert_memory_equal(text.data, json_string_value(value), text.len);
        break;
    case FLAT_INTEGER:
        assert_true(json_is_integer(value));
        assert_int_equal(field->integer, json_integer_value(value));
        break;
    case FLAT_WORD:
        assert_true(json_is_boolean(value) || json_is_null(value));
        assert_int_equal(field->raw.data[0], json_is_true(value)    ? 't'
                                             : json_is_false(value) ? 'f'
                                                                    : 'n');
        break;
    }
    buf_release(&text);
}

/* Is it ordinary? */
static bool compare(struct span text)
{
    struct flat f;
    char *copy = malloc(text.len); /* reads outside show under the sanitizers */
    assert_non_null(copy);
    memcpy(copy, text.data, text.len);
    size_t used = flat_read(&f, (struct span){copy, text.len});
    if (used == text.len) {
        json_t *object = json_loadb(copy, text.len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
        assert_true(json_is_object(object));
        assert_int_equal(json_object_size(object), f.count);
        void *place = json_object_iter(object);
        for (size_t i = 0; i < f.count; i++) {
            assert_memory_equal(json_object_iter_key(place), f.fields[i].name.data,
                                f.fields[i].name.len);
            same_value(&f.fields[i], json_object_iter_value(place));
            place = json_object_iter_next(object, place);
        }
        json_decref(object);
    }
    free(copy);
    return used == text.len;
}

/* FLAT_ROUNDS in the environment: how many objects, when it shall be millions. */
static void reads_what_jansson_reads(void **state)
{
    (void)state;
    const char *wanted = getenv("FLAT_ROUNDS");
    long rounds = wanted ? atol(wanted) : 200000, ordinary = 0;
    struct buf b;
    buf_init(&b, 10000);
    for (long i = 0; i < rounds; i++) {
        make_object(&b);
        ordinary += compare((struct span){b.data, b.len});
    }
    print_message("%ld of %ld objects were ordinary\n", ordinary, rounds);
    assert_true(ordinary > rounds / 4 && ordinary < rounds * 3 / 4);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_ordinary_objects),
        cmocka_unit_test(leaves_all_else_to_others),
        cmocka_unit_test(tells_where_the_object_ends),
        cmocka_unit_test(finds_fields_and_undoes_escapes),
        cmocka_unit_test(reads_what_jansson_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
