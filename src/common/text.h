/* SPDX-License-Identifier: MIT */
/*
 * text: what chat text is made of: UTF-8, the server's trimming and HTML escaping, and which
 * characters are never shown raw.
 *
 * Facts about the original server (design section 2; recorded in tests/data/wire.jsonl):
 * fields are trimmed of Unicode space and then HTML-escaped to exactly
 * &amp; &lt; &gt; &#34; &#39;; each byte that is not UTF-8 comes back as one U+FFFD.
 */
#ifndef CHANCAT_TEXT_H
#define CHANCAT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

/* Bytes that belong to somebody else; they need no '\0' and may hold one. */
struct span {
    const char *data;
    size_t len;
};

struct span span_of(const char *c_string);
bool span_equal(struct span a, struct span b);

/* Decodes one character at the start of `text` (len > 0). Returns its length 1..4, or 0 when
 * the first byte does not start valid UTF-8 (overlong forms, surrogates and values
 * above U+10FFFF are invalid). */
size_t text_decode(const char *text, size_t len, uint32_t *ret_codepoint);

/* Writes one character, at most U+FFFF and no surrogate, in UTF-8: 1 to 3 bytes. Returns how many.
 */
size_t text_encode(uint32_t codepoint, char *to);

/* White space as JSON has it, and text without it at its end. */
static inline bool text_is_json_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

struct span text_without_json_space(struct span text);

/* How many leading bytes are printable ASCII other than quote and backslash: what JSON and
 * terminals take as it is. */
size_t text_plain_prefix(const char *text, size_t len);

/* How many leading bytes are valid UTF-8 (== len: all). */
size_t text_valid_prefix(const char *text, size_t len);

/* Appends `text` with every invalid byte as U+FFFD. With `replace_nul` U+0000 too.
 * *ret_changed (may be NULL) tells whether anything was replaced. 0, or -1 (buffer full). */
int text_add_sanitized(struct buf *b, struct span text, bool replace_nul, bool *ret_changed);

/* The part of valid UTF-8 text without Unicode white space at both ends (Go's TrimSpace). */
struct span text_trim(struct span text);

/* Is `escaped` what the server makes of `text`? Needs no memory. */
bool text_is_html_escaped(struct span escaped, struct span text);

/* hash_add() of what the server makes of `text`. Needs no memory. */
uint64_t text_hash_html_escaped(uint64_t h, struct span text);

/* Characters that are never written raw: C0, DEL, C1, U+2028, U+2029 and the bidi
 * controls (U+061C, U+200E, U+200F, U+202A..202E, U+2066..2069). */
bool text_is_unsafe(uint32_t codepoint);

/* Appends text for a person's eyes: unsafe characters as \n \r \t or \uXXXX, invalid bytes as
 * U+FFFD. The result is one line of printable UTF-8. 0, or -1 (buffer full). */
int text_add_visible(struct buf *b, struct span text);

/* The same with the server's five HTML escapes undone first, once. */
int text_add_visible_html_unescaped(struct buf *b, struct span text);

/* Appends a JSON string with its quotes; unsafe characters as \n \r \t \b \f or \uXXXX,
 * the rest as UTF-8. `text` must be valid UTF-8 (else -1). */
int text_add_json(struct buf *b, struct span text);

/* The same with the server's five HTML escapes undone first, once. */
int text_add_json_html_unescaped(struct buf *b, struct span text);

#endif
