/* SPDX-License-Identifier: MIT */
/*
 * options: what the user wants, from the command line, the environment and the configuration
 * file, checked. No side effects; nothing is printed here.
 *
 * To add an option: a member below, a row in the table in options.c, its rules there, and
 * a paragraph in man/chancat.1 (a test compares the two).
 */
#ifndef CHANCAT_OPTIONS_H
#define CHANCAT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/opt.h"
#include "common/text.h"

#define OPTIONS_ALL   (-1) /* --lines all */
#define OPTIONS_UNSET (-1) /* --after, --count, --idle, --retry-for not given */

/* What to do when the server's history is another one than before. */
enum options_on_reset { ON_RESET_FAIL = 0, ON_RESET_RESTART, ON_RESET_SKIP };

/* What stdin and stdout are. */
enum options_terminal {
    OPTIONS_NO_TERMINAL = 0,
    OPTIONS_PLAIN_TERMINAL, /* what is typed stays on it as it was typed */
    OPTIONS_SCREEN          /* terminal.h */
};

struct options {
    const char *channel; /* NULL: not given */
    const char *url, *sender;
    bool receive, send, follow, no_echo, text, null, json, receipts, flush, doctor, quiet, verbose,
        help, version;
    bool sender_known; /* given by anybody, not taken from the login name */
    bool sender_named; /* on the command line, so that it wins over JSON lines */
    bool terminal;     /* stdin and stdout are a terminal: a conversation */
    bool screen;       /* and it has a screen */
    int64_t lines;     /* or OPTIONS_ALL */
    int64_t after, count;
    int64_t idle_ms, interval_ms;
    int64_t settle_ms;
    int64_t retry_for_ms;    /* INT64_MAX: for ever */
    const char *cursor_file; /* NULL: none */
    const char *on_reset_word;
    enum options_on_reset on_reset; /* what the word says */
    const char *outbox;             /* NULL: none */
    const char *token_file, *cacert, *cert, *key, *unix_socket, *config;
    struct buf token;   /* what token_file holds */
    struct error wrong; /* with --doctor: what is wrong with all this, for its report; else none */
    /* where the strings live */
    struct buf file_text, login;
    unsigned char source[OPT_ROWS_MAX];
};

extern const struct opt_table options_table;

/* Reads everything. `terminal`: what both stdin and stdout are. ERROR_USAGE, ERROR_LOCAL; where
 * --doctor was read before that, it goes to o->wrong instead. The caller calls options_release() in
 * any case. */
enum error_kind options_read(struct options *o, int argc, char **argv,
                             enum options_terminal terminal, struct error *e);
void options_release(struct options *o);

/* The server's URL without closing slashes: what cursor files and outboxes know it by. */
struct span options_server(const struct options *o);

/* Appends the path of the configuration file that is read, if it is there. -1: there is none, since
 * there is no home directory; or no memory. */
int options_add_config_path(const struct options *o, struct buf *path);

/* Appends the text for --help. 0, or -1 (buffer full). */
int options_add_help(struct buf *b);

#endif
