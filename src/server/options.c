/* SPDX-License-Identifier: MIT */
#include "server/options.h"

#include <stdlib.h>

#include "common/file.h"
#include "server/store.h"

#define AT(member) .offset = offsetof(struct server_options, member)

/* clang-format off */
static const struct opt rows[] = {
    {.type = OPT_HEADING, .help = "Options"},
    {OPT_STRING, 'l', "listen", "ADDR", "HOST:PORT, [IPv6]:PORT or unix:PATH (127.0.0.1:10080)",
     AT(listen), .env = "CHANCATD_LISTEN"},
    {OPT_STRING, 'd', "database", "WHERE", "SQLite file, or :memory:", AT(database),
     .env = "CHANCATD_DATABASE"},
    {OPT_STRING, 0, "token-file", "FILE", "demand the token in FILE as Authorization: Bearer",
     AT(token_file)},
    {OPT_NUMBER, 0, "max-connections", "N", "connections at once (8192)", AT(max_connections),
     .min = 1, .max = 1000000},
    {OPT_NUMBER, 0, "max-per-address", "N", "connections at once from one address (no limit)",
     AT(max_per_address), .min = 1, .max = 1000000},
    {OPT_FLAG, 0, "plain", NULL, "no extras, to test clients against a server without them",
     AT(plain)},
    {OPT_STRING, 0, "config", "FILE", "options from FILE ($CHANCATD_CONFIG)", AT(config),
     .env = "CHANCATD_CONFIG", .flags = OPT_LINE_ONLY},
    {OPT_STRING, 0, "backup", "FILE", "copy the database to FILE, which must not exist, and exit",
     AT(backup), .flags = OPT_LINE_ONLY},
    {OPT_STRING, 0, "copy", "FROM", "copy the database FROM to the place TO behind it, and exit",
     AT(copy), .flags = OPT_LINE_ONLY},
    {OPT_FLAG, 0, "check", NULL, "check the configuration and exit", AT(check),
     .flags = OPT_LINE_ONLY},
    {OPT_FLAG, 'q', "quiet", NULL, "say errors only", AT(quiet)},
    {OPT_FLAG, 'v', "verbose", NULL, "say what is being done", AT(verbose)},
    {OPT_FLAG, 'h', "help", NULL, "show this help", AT(help), .flags = OPT_LINE_ONLY},
    {OPT_FLAG, 'V', "version", NULL, "show the version", AT(version), .flags = OPT_LINE_ONLY},
};
/* clang-format on */

static const struct opt_rule rules[] = {
    {"quiet", OPT_EXCLUDES, "verbose"}, {"backup", OPT_EXCLUDES, "check"},
    {"copy", OPT_EXCLUDES, "backup"},   {"copy", OPT_EXCLUDES, "check"},
    {"copy", OPT_EXCLUDES, "database"},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const struct opt_table server_options_table = {rows, COUNT(rows), rules, COUNT(rules)};

static const struct server_options defaults = {
    .listen = "127.0.0.1:10080",
    .max_connections = 8192,
};

int server_options_add_help(struct buf *b)
{
    if (buf_add_str(b, "usage: chancatd [OPTION ...]\n"
                       "       chancatd --copy FROM TO [OPTION ...]\n"
                       "A chat server for chancat, on a database of SQLite or PostgreSQL.\n") ||
        opt_add_help(&server_options_table, b))
        return -1;
    return buf_add_str(b, "\nThe whole story: man chancatd\n");
}

/* $variable/rest if the variable is an absolute path, else $HOME/in_home/rest. */
static int add_path(struct buf *b, const char *variable, const char *in_home, const char *rest)
{
    const char *base = getenv(variable);
    if (base && *base == '/')
        return buf_addf(b, "%s/%s", base, rest);
    const char *home = getenv("HOME");
    return home && *home == '/' ? buf_addf(b, "%s/%s/%s", home, in_home, rest) : -1;
}

enum error_kind server_options_add_database(const struct server_options *o, struct buf *b,
                                            struct error *e)
{
    if (o->database)
        return buf_add_str(b, o->database) ? error_set(e, ERROR_USAGE, "the path is too long")
                                           : ERROR_NONE;
    if (add_path(b, "XDG_STATE_HOME", ".local/state", "chancat/chat.db"))
        return error_set(e, ERROR_USAGE, "there is no home directory; name a database with -d");
    return ERROR_NONE;
}

static enum error_kind read_config(struct server_options *o, struct error *e)
{
    const struct opt_table *t = &server_options_table;
    if (o->config)
        return opt_parse_file(t, o->config, true, &o->file_text, o, o->source, e);
    struct buf path;
    buf_init(&path, 4096);
    enum error_kind kind = ERROR_NONE;
    if (add_path(&path, "XDG_CONFIG_HOME", ".config", "chancat/chancatd.conf") == 0)
        kind = opt_parse_file(t, path.data, false, &o->file_text, o, o->source, e);
    buf_release(&path);
    return kind;
}

/* It may be a place that was given without its option, with a password in it. */
static enum error_kind refuse_operand(const char *operand, struct error *e)
{
    struct buf name;
    buf_init(&name, ERROR_TEXT_MAX / 2);
    int bad = store_add_name(operand, &name);
    enum error_kind kind =
        error_set(e, ERROR_USAGE, "unexpected '%s'; see --help", bad ? "..." : name.data);
    buf_release(&name);
    return kind;
}

/* Behind --copy FROM there is TO; else there are none. */
static enum error_kind read_operands(struct server_options *o, char **operands, struct error *e)
{
    if (o->copy && (!*operands || !**operands))
        return error_set(e, ERROR_USAGE, "--copy FROM TO: there is no TO");
    if (o->copy)
        o->copy_to = *operands++;
    return *operands ? refuse_operand(*operands, e) : ERROR_NONE;
}

enum error_kind server_options_read(struct server_options *o, int argc, char **argv,
                                    struct error *e)
{
    const struct opt_table *t = &server_options_table;
    *o = defaults;
    buf_init(&o->token, 8192);
    buf_init(&o->file_text, OPT_FILE_MAX);
    int operand = argc;
    enum error_kind kind = opt_parse_argv(t, argc, argv, o, o->source, &operand, e);
    if (kind || o->help || o->version)
        return kind;
    kind = read_operands(o, argv + operand, e);
    if (!kind)
        kind = opt_parse_env(t, o, o->source, e);
    if (!kind)
        kind = read_config(o, e);
    if (!kind)
        kind = opt_check(t, &defaults, o, o->source, e);
    if (!kind && o->token_file && file_read_token(o->token_file, &o->token, e))
        kind = error_rekind(e, ERROR_USAGE);
    return kind;
}

void server_options_release(struct server_options *o)
{
    buf_release(&o->token);
    buf_release(&o->file_text);
}
