/* SPDX-License-Identifier: MIT */
/*
 * options: what the administrator wants, from the command line, the environment and the
 * configuration file. No side effects.
 */
#ifndef CHANCATD_OPTIONS_H
#define CHANCATD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/opt.h"

struct server_options {
    const char *listen, *database; /* database NULL: the default path */
    const char *token_file, *config;
    const char *backup;         /* NULL: none is made */
    const char *copy, *copy_to; /* both, or NULL */
    int64_t max_connections;
    int64_t max_per_address; /* 0: no limit */
    bool plain, quiet, verbose, check, help, version;
    struct buf token;
    struct buf file_text; /* where strings of the file live */
    unsigned char source[OPT_ROWS_MAX];
};

extern const struct opt_table server_options_table;

/* ERROR_USAGE. The caller calls server_options_release() in any case. */
enum error_kind server_options_read(struct server_options *o, int argc, char **argv,
                                    struct error *e);
void server_options_release(struct server_options *o);

/* Appends the text for --help. 0, or -1. */
int server_options_add_help(struct buf *b);

/* Appends where the database is: what was asked for, else the default path. ERROR_USAGE: there is
 * no home directory. */
enum error_kind server_options_add_database(const struct server_options *o, struct buf *b,
                                            struct error *e);

#endif
