/* SPDX-License-Identifier: MIT */
/*
 * opt: one table of options feeds the command line, the environment, the configuration
 * file and the help text.
 *
 * A program describes its options in a table of struct opt; each row says where in
 * the program's plain options struct the value goes. Values are taken in the order command
 * line, environment, file: whoever comes first keeps the place (`source` remembers who), so the
 * command line beats the environment and that beats the file. Nothing here prints or exits.
 *
 * Configuration file: one long option name and its value a line (`interval 5`; a flag
 * alone: `follow`); blank lines and lines that start with '#' are passed over.
 */
#ifndef CHANCAT_OPT_H
#define CHANCAT_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"

#define OPT_ROWS_MAX  64
#define OPT_FILE_MAX  65536 /* bytes of a configuration file */
#define OPT_LINE_ONLY 1u    /* makes no sense in a configuration file (help, config ...) */

enum opt_type {
    OPT_FLAG,    /* bool */
    OPT_STRING,  /* const char *; points into argv, environ or the file's text; never empty */
    OPT_NUMBER,  /* int64_t within min..max */
    OPT_SECONDS, /* int64_t milliseconds within min..max (both in ms) */
    OPT_HEADING  /* no option: a heading line in the help */
};

enum opt_source { OPT_FROM_DEFAULT = 0, OPT_FROM_FILE, OPT_FROM_ENV, OPT_FROM_ARGV };

struct opt {
    enum opt_type type;
    int letter;       /* short form, or 0 */
    const char *name; /* long form */
    const char *arg;  /* what the help calls the value; NULL for flags */
    const char *help; /* one line, without the default */
    const char *env;  /* environment variable, or NULL */
    size_t offset;    /* of the value in the options struct */
    int64_t min, max; /* OPT_NUMBER, OPT_SECONDS */
    const char *word; /* a word allowed instead of a number ("all", "inf"), or NULL */
    int64_t word_value;
    unsigned flags;
};

/* Two options that depend on each other. Checked by opt_check() after all sources are read.
 * Of an excluding pair the one from the weaker source is silently given up, a tie is an error.
 * An option that lacks what it needs is an error on the command line and given up elsewhere. */
struct opt_rule {
    const char *name;
    enum { OPT_EXCLUDES, OPT_NEEDS } kind;
    const char *other;
};

struct opt_table {
    const struct opt *rows;
    size_t count; /* at most OPT_ROWS_MAX */
    const struct opt_rule *rules;
    size_t rule_count;
};

/* Command line, by getopt_long(3) (operands may stand between options, "--" ends them).
 * The operands are gathered at the end of argv, from *ret_operand on. ERROR_USAGE. */
enum error_kind opt_parse_argv(const struct opt_table *t, int argc, char **argv, void *options,
                               unsigned char source[OPT_ROWS_MAX], int *ret_operand,
                               struct error *e);

/* Environment. ERROR_USAGE names the variable. Empty variables count as not set. */
enum error_kind opt_parse_env(const struct opt_table *t, void *options,
                              unsigned char source[OPT_ROWS_MAX], struct error *e);

/* Configuration file `path`. Strings point into `storage`, which must outlive the options and is
 * released by the caller. A file that is not there is fine unless `required`. ERROR_USAGE names
 * file and line. */
enum error_kind opt_parse_file(const struct opt_table *t, const char *path, bool required,
                               struct buf *storage, void *options,
                               unsigned char source[OPT_ROWS_MAX], struct error *e);

/* The rules. Options given up are put back to `defaults`. ERROR_USAGE names the pair. */
enum error_kind opt_check(const struct opt_table *t, const void *defaults, void *options,
                          unsigned char source[OPT_ROWS_MAX], struct error *e);

/* Who gave the option? `name` must be in the table. */
enum opt_source opt_source_of(const struct opt_table *t, const unsigned char source[OPT_ROWS_MAX],
                              const char *name);

/* Appends the option list for --help. 0, or -1 (buffer full). */
int opt_add_help(const struct opt_table *t, struct buf *b);

#endif
