/* SPDX-License-Identifier: MIT */
#include "common/opt.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/number.h"

#define HELP_COLUMN 28

/* Who gave a value, for messages and for precedence. */
struct giver {
    enum opt_source source;
    const char *what; /* "--interval", "$CHANCAT_URL", "FILE:3: interval" */
};

static void put(const struct opt *row, void *options, const void *value)
{
    static const size_t sizes[] = {
        [OPT_FLAG] = sizeof(bool),
        [OPT_STRING] = sizeof(const char *),
        [OPT_NUMBER] = sizeof(int64_t),
        [OPT_SECONDS] = sizeof(int64_t),
    };
    memcpy((char *)options + row->offset, value, sizes[row->type]);
}

static enum error_kind bad_number(const struct opt *row, const char *what, const char *text,
                                  struct error *e)
{
    bool seconds = row->type == OPT_SECONDS;
    double unit = seconds ? 1000.0 : 1.0;
    return error_set(e, ERROR_USAGE, "%s: '%.64s' is not a number%s from %.15g to %.15g%s%s", what,
                     text, seconds ? " of seconds" : "", (double)row->min / unit,
                     (double)row->max / unit, row->word ? " or " : "", row->word ? row->word : "");
}

static enum error_kind set(const struct opt_table *t, size_t i, const char *text, void *options,
                           unsigned char *source, struct giver giver, struct error *e)
{
    const struct opt *row = &t->rows[i];
    if (source[i] > giver.source)
        return ERROR_NONE; /* a stronger source has it */
    int64_t number = 0;
    switch (row->type) {
    case OPT_FLAG:
        put(row, options, &(bool){true});
        break;
    case OPT_STRING:
        if (!*text)
            return error_set(e, ERROR_USAGE, "%s: the value is empty", giver.what);
        put(row, options, &text);
        break;
    case OPT_NUMBER:
    case OPT_SECONDS:
        if (row->word && strcmp(text, row->word) == 0)
            number = row->word_value;
        else if ((row->type == OPT_NUMBER ? number_parse(text, strlen(text), &number)
                                          : number_parse_seconds(text, &number)) ||
                 number < row->min || number > row->max)
            return bad_number(row, giver.what, text, e);
        put(row, options, &number);
        break;
    case OPT_HEADING:
        return ERROR_NONE;
    }
    source[i] = (unsigned char)giver.source;
    return ERROR_NONE;
}

static size_t find_name(const struct opt_table *t, const char *name, size_t len)
{
    size_t i = 0;
    while (i < t->count && (t->rows[i].type == OPT_HEADING || strlen(t->rows[i].name) != len ||
                            memcmp(t->rows[i].name, name, len) != 0))
        i++;
    return i;
}

static size_t find_letter(const struct opt_table *t, int letter)
{
    size_t i = 0;
    while (i < t->count && (t->rows[i].type == OPT_HEADING || t->rows[i].letter != letter))
        i++;
    return i;
}

/* getopt_long's own tables, made from ours. A long option comes back as LONG_BASE + row. */
#define LONG_BASE 1000

static void build_getopt(const struct opt_table *t, struct option *longs, char *shorts)
{
    *shorts++ = ':'; /* a missing value is told apart from an unknown option */
    for (size_t i = 0; i < t->count; i++) {
        const struct opt *row = &t->rows[i];
        if (row->type == OPT_HEADING)
            continue;
        *longs++ = (struct option){.name = row->name,
                                   .has_arg = row->arg ? required_argument : no_argument,
                                   .val = LONG_BASE + (int)i};
        if (!row->letter)
            continue;
        *shorts++ = (char)row->letter;
        if (row->arg)
            *shorts++ = ':';
    }
    *longs = (struct option){0};
    *shorts = '\0';
}

/* Index of the word getopt looked at last. */
static const char *last_word(char **argv)
{
    return optind > 1 ? argv[optind - 1] : "";
}

enum error_kind opt_parse_argv(const struct opt_table *t, int argc, char **argv, void *options,
                               unsigned char source[OPT_ROWS_MAX], int *ret_operand,
                               struct error *e)
{
    struct option longs[OPT_ROWS_MAX + 1];
    char shorts[2 * OPT_ROWS_MAX + 2];
    build_getopt(t, longs, shorts);
#if defined(__GLIBC__) || defined(__linux__)
    optind = 0; /* start anew, also inside a cluster of letters */
#else
    optreset = 1;
    optind = 1;
#endif
    opterr = 0;
    int c;
    while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        char short_name[3] = {'-', (char)optopt, '\0'};
        bool is_long = optopt == 0 || optopt >= LONG_BASE;
        if (c == '?' && is_long && optopt >= LONG_BASE)
            return error_set(e, ERROR_USAGE, "option '%s' takes no value", last_word(argv));
        if (c == '?')
            return error_set(e, ERROR_USAGE, "unknown or ambiguous option '%s'; see --help",
                             is_long ? last_word(argv) : short_name);
        if (c == ':')
            return error_set(e, ERROR_USAGE, "option '%s' needs a value",
                             is_long ? last_word(argv) : short_name);
        size_t i = c >= LONG_BASE ? (size_t)(c - LONG_BASE) : find_letter(t, c);
        char what[80];
        snprintf(what, sizeof(what), "--%s", t->rows[i].name);
        enum error_kind kind = set(t, i, optarg ? optarg : "", options, source,
                                   (struct giver){OPT_FROM_ARGV, what}, e);
        if (kind)
            return kind;
    }
    *ret_operand = optind;
    return ERROR_NONE;
}

enum error_kind opt_parse_env(const struct opt_table *t, void *options,
                              unsigned char source[OPT_ROWS_MAX], struct error *e)
{
    for (size_t i = 0; i < t->count; i++) {
        const char *name = t->rows[i].env;
        const char *value = name ? getenv(name) : NULL;
        if (!value || !*value)
            continue;
        char what[80];
        snprintf(what, sizeof(what), "$%s", name);
        enum error_kind kind =
            set(t, i, value, options, source, (struct giver){OPT_FROM_ENV, what}, e);
        if (kind)
            return kind;
    }
    return ERROR_NONE;
}

/* `line` is writable and ends in '\0'. */
static enum error_kind parse_line(const struct opt_table *t, const char *where, char *line,
                                  void *options, unsigned char *source, struct error *e)
{
    line += strspn(line, " \t");
    size_t end = strlen(line);
    while (end && strchr(" \t\r", line[end - 1]))
        line[--end] = '\0';
    if (*line == '\0' || *line == '#')
        return ERROR_NONE;
    size_t name_len = strcspn(line, " \t");
    size_t i = find_name(t, line, name_len);
    if (i == t->count || (t->rows[i].flags & OPT_LINE_ONLY))
        return error_set(e, ERROR_USAGE, "%s: '%.*s' is not an option for a configuration file",
                         where, (int)name_len, line);
    char *value = line + name_len;
    value += strspn(value, " \t");
    char what[ERROR_TEXT_MAX / 2];
    snprintf(what, sizeof(what), "%s: %s", where, t->rows[i].name);
    if (t->rows[i].type == OPT_FLAG && *value)
        return error_set(e, ERROR_USAGE, "%s takes no value", what);
    if (t->rows[i].type != OPT_FLAG && !*value)
        return error_set(e, ERROR_USAGE, "%s needs a value", what);
    return set(t, i, value, options, source, (struct giver){OPT_FROM_FILE, what}, e);
}

enum error_kind opt_parse_file(const struct opt_table *t, const char *path, bool required,
                               struct buf *storage, void *options,
                               unsigned char source[OPT_ROWS_MAX], struct error *e)
{
    if (file_read(path, storage, e)) {
        bool absent = errno == ENOENT || errno == ENOTDIR;
        if (absent && !required)
            return ERROR_NONE;
        return error_rekind(e, ERROR_USAGE);
    }
    if (storage->len == 0)
        return ERROR_NONE;
    if (memchr(storage->data, '\0', storage->len))
        return error_set(e, ERROR_USAGE, "%s: not a text file", path);
    int number = 0;
    for (char *line = storage->data; line; number++) {
        char *end = strchr(line, '\n');
        if (end)
            *end = '\0';
        char where[ERROR_TEXT_MAX / 3];
        snprintf(where, sizeof(where), "%s:%d", path, number + 1);
        enum error_kind kind = parse_line(t, where, line, options, source, e);
        if (kind)
            return kind;
        line = end ? end + 1 : NULL;
    }
    return ERROR_NONE;
}

static void give_up(const struct opt_table *t, size_t i, const void *defaults, void *options,
                    unsigned char *source)
{
    put(&t->rows[i], options, (const char *)defaults + t->rows[i].offset);
    source[i] = OPT_FROM_DEFAULT;
}

enum error_kind opt_check(const struct opt_table *t, const void *defaults, void *options,
                          unsigned char source[OPT_ROWS_MAX], struct error *e)
{
    for (size_t k = 0; k < t->rule_count; k++) {
        const struct opt_rule *rule = &t->rules[k];
        size_t a = find_name(t, rule->name, strlen(rule->name));
        size_t b = find_name(t, rule->other, strlen(rule->other));
        if (!source[a])
            continue;
        if (rule->kind == OPT_NEEDS && !source[b] && source[a] != OPT_FROM_ARGV) {
            give_up(t, a, defaults, options, source); /* a standing wish, not for this run */
            continue;
        }
        if (rule->kind == OPT_NEEDS && !source[b])
            return error_set(e, ERROR_USAGE, "--%s makes sense only with --%s", rule->name,
                             rule->other);
        if (rule->kind != OPT_EXCLUDES || !source[b])
            continue;
        if (source[a] == source[b])
            return error_set(e, ERROR_USAGE, "--%s and --%s do not go together", rule->name,
                             rule->other);
        give_up(t, source[a] < source[b] ? a : b, defaults, options, source);
    }
    return ERROR_NONE;
}

enum opt_source opt_source_of(const struct opt_table *t, const unsigned char source[OPT_ROWS_MAX],
                              const char *name)
{
    size_t i = find_name(t, name, strlen(name));
    return i < t->count ? (enum opt_source)source[i] : OPT_FROM_DEFAULT;
}

static int add_row(const struct opt *row, struct buf *b)
{
    if (row->type == OPT_HEADING)
        return buf_addf(b, "\n%s:\n", row->help);
    char left[64];
    char letter[8] = "    ";
    if (row->letter)
        snprintf(letter, sizeof(letter), "-%c, ", (char)row->letter);
    int n = snprintf(left, sizeof(left), "  %s--%s%s%s", letter, row->name, row->arg ? " " : "",
                     row->arg ? row->arg : "");
    if (n < HELP_COLUMN)
        return buf_addf(b, "%-*s%s\n", HELP_COLUMN, left, row->help);
    return buf_addf(b, "%s\n%*s%s\n", left, HELP_COLUMN, "", row->help);
}

int opt_add_help(const struct opt_table *t, struct buf *b)
{
    for (size_t i = 0; i < t->count; i++) {
        if (add_row(&t->rows[i], b))
            return -1;
    }
    return 0;
}
