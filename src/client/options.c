/* SPDX-License-Identifier: MIT */
#include "client/options.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "common/message.h"
#include "common/text.h"

#define SECONDS(n) ((int64_t)(n)*1000)
#define YEAR_MS    SECONDS(366 * 86400)
#define AT(member) .offset = offsetof(struct options, member)

/* clang-format off */
static const struct opt rows[] = {
    {.type = OPT_HEADING, .help = "What to do"},
    {OPT_FLAG, 'r', "receive", NULL, "print messages only; do not read stdin", AT(receive)},
    {OPT_FLAG, 's', "send", NULL, "send lines only; do not print messages", AT(send)},
    {OPT_FLAG, 'f', "follow", NULL, "go on after stdin has ended", AT(follow)},
    {OPT_NUMBER, 'n', "lines", "NUM", "start with the last NUM messages, or all (50)", AT(lines),
     .max = INT32_MAX, .word = "all", .word_value = OPTIONS_ALL},
    {OPT_NUMBER, 'a', "after", "ID", "start after message ID instead", AT(after), .max = INT64_MAX},
    {OPT_STRING, 'C', "cursor-file", "FILE", "start after the id in FILE, and keep it up to date",
     AT(cursor_file)},
    {OPT_STRING, 0, "on-reset", "WORD", "the server's history went back: fail, restart or skip",
     AT(on_reset_word)},
    {OPT_NUMBER, 'c', "count", "NUM", "end after NUM messages", AT(count), .min = 1,
     .max = INT64_MAX},
    {OPT_SECONDS, 0, "idle", "SECS", "end with status 6 when no message came for SECS",
     AT(idle_ms), .min = 1, .max = YEAR_MS},
    {.type = OPT_HEADING, .help = "Server"},
    {OPT_STRING, 'u', "url", "URL", "server ($CHANCAT_URL, else http://localhost:10080)", AT(url),
     .env = "CHANCAT_URL"},
    {OPT_SECONDS, 'i', "interval", "SECS", "pause between polls (2)", AT(interval_ms), .min = 10,
     .max = SECONDS(86400)},
    {OPT_SECONDS, 0, "retry-for", "SECS", "try a failing server so long, or inf (60; with -f inf)",
     AT(retry_for_ms), .max = YEAR_MS, .word = "inf", .word_value = INT64_MAX},
    {OPT_SECONDS, 0, "settle", "SECS", "look so long for a line that is perhaps stored (30)",
     AT(settle_ms), .max = SECONDS(86400)},
    {OPT_STRING, 0, "token-file", "FILE", "send the token in FILE as Authorization: Bearer",
     AT(token_file)},
    {OPT_STRING, 0, "cacert", "FILE", "trust the certificate authorities in FILE", AT(cacert)},
    {OPT_STRING, 0, "cert", "FILE", "client certificate", AT(cert)},
    {OPT_STRING, 0, "key", "FILE", "private key of the client certificate", AT(key)},
    {OPT_STRING, 0, "unix-socket", "PATH", "connect to the Unix socket PATH", AT(unix_socket)},
    {.type = OPT_HEADING, .help = "Input and output"},
    {OPT_STRING, 'S', "sender", "NAME", "sender ($CHANCAT_SENDER, else the login name)",
     AT(sender), .env = "CHANCAT_SENDER"},
    {OPT_FLAG, '0', "null", NULL, "input records end with NUL instead of newline", AT(null)},
    {OPT_FLAG, 'j', "json", NULL, "each input line is a JSON object: content, channel, sender",
     AT(json)},
    {OPT_FLAG, 0, "receipts", NULL, "with -s: print each stored message", AT(receipts)},
    {OPT_STRING, 0, "outbox", "DIR", "keep each line in DIR until the server has it", AT(outbox)},
    {OPT_FLAG, 0, "flush", NULL, "send what waits in the outbox and end", AT(flush)},
    {OPT_FLAG, 0, "no-echo", NULL, "do not print what this run has sent", AT(no_echo)},
    {OPT_FLAG, 0, "text", NULL, "print `sender: content` instead of JSON lines", AT(text)},
    {.type = OPT_HEADING, .help = "General"},
    {OPT_STRING, 0, "config", "FILE", "options from FILE ($CHANCAT_CONFIG)", AT(config),
     .env = "CHANCAT_CONFIG", .flags = OPT_LINE_ONLY},
    {OPT_FLAG, 0, "doctor", NULL, "say what works and what is wrong; send nothing", AT(doctor),
     .flags = OPT_LINE_ONLY},
    {OPT_FLAG, 'q', "quiet", NULL, "say errors only", AT(quiet)},
    {OPT_FLAG, 'v', "verbose", NULL, "say what is being done", AT(verbose)},
    {OPT_FLAG, 'h', "help", NULL, "show this help", AT(help), .flags = OPT_LINE_ONLY},
    {OPT_FLAG, 'V', "version", NULL, "show the version", AT(version), .flags = OPT_LINE_ONLY},
};
/* clang-format on */

static const struct opt_rule rules[] = {
    {"receive", OPT_EXCLUDES, "send"},     {"send", OPT_EXCLUDES, "follow"},
    {"send", OPT_EXCLUDES, "lines"},       {"send", OPT_EXCLUDES, "after"},
    {"send", OPT_EXCLUDES, "count"},       {"send", OPT_EXCLUDES, "interval"},
    {"send", OPT_EXCLUDES, "no-echo"},     {"send", OPT_EXCLUDES, "text"},
    {"send", OPT_EXCLUDES, "cursor-file"}, {"send", OPT_EXCLUDES, "on-reset"},
    {"receive", OPT_EXCLUDES, "settle"},   {"receive", OPT_EXCLUDES, "outbox"},
    {"flush", OPT_NEEDS, "outbox"},        {"flush", OPT_EXCLUDES, "receive"},
    {"flush", OPT_EXCLUDES, "follow"},     {"flush", OPT_EXCLUDES, "lines"},
    {"flush", OPT_EXCLUDES, "after"},      {"flush", OPT_EXCLUDES, "count"},
    {"flush", OPT_EXCLUDES, "interval"},   {"flush", OPT_EXCLUDES, "cursor-file"},
    {"flush", OPT_EXCLUDES, "on-reset"},   {"flush", OPT_EXCLUDES, "no-echo"},
    {"flush", OPT_EXCLUDES, "text"},       {"flush", OPT_EXCLUDES, "null"},
    {"flush", OPT_EXCLUDES, "json"},       {"receive", OPT_EXCLUDES, "null"},
    {"receive", OPT_EXCLUDES, "json"},     {"receive", OPT_EXCLUDES, "no-echo"},
    {"quiet", OPT_EXCLUDES, "verbose"},    {"receipts", OPT_NEEDS, "send"},
    {"idle", OPT_NEEDS, "follow"},         {"key", OPT_NEEDS, "cert"},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const struct opt_table options_table = {rows, COUNT(rows), rules, COUNT(rules)};

static const struct options defaults = {
    .url = "http://localhost:10080",
    .lines = 50,
    .on_reset_word = "fail",
    .after = OPTIONS_UNSET,
    .count = OPTIONS_UNSET,
    .idle_ms = OPTIONS_UNSET,
    .interval_ms = SECONDS(2),
    .settle_ms = SECONDS(30),
    .retry_for_ms = OPTIONS_UNSET,
};

int options_add_help(struct buf *b)
{
    if (buf_add_str(b, "usage: chancat [OPTION ...] [CHANNEL]\n"
                       "Prints the messages of a chat channel as JSON lines and sends each line "
                       "of stdin.\n") ||
        opt_add_help(&options_table, b))
        return -1;
    return buf_add_str(b, "\nThe whole story: man chancat\n");
}

int options_add_config_path(const struct options *o, struct buf *path)
{
    if (o->config)
        return buf_add_str(path, o->config);
    const char *base = getenv("XDG_CONFIG_HOME");
    if (base && *base == '/')
        return buf_addf(path, "%s/chancat/config", base);
    const char *home = getenv("HOME");
    return home && *home ? buf_addf(path, "%s/.config/chancat/config", home) : -1;
}

static enum error_kind read_config(struct options *o, struct error *e)
{
    struct buf path;
    buf_init(&path, 4096);
    enum error_kind kind = ERROR_NONE;
    if (o->config)
        kind = opt_parse_file(&options_table, o->config, true, &o->file_text, o, o->source, e);
    else if (options_add_config_path(o, &path) == 0)
        kind = opt_parse_file(&options_table, path.data, false, &o->file_text, o, o->source, e);
    buf_release(&path);
    return kind;
}

static enum error_kind take_login_name(struct options *o, struct error *e)
{
    const struct passwd *user = getpwuid(geteuid());
    const char *name = user ? user->pw_name : getenv("LOGNAME");
    if (!name || !*name)
        return error_set(e, ERROR_USAGE, "there is no login name; give a sender with -S");
    if (buf_add_str(&o->login, name))
        return error_set(e, ERROR_LOCAL, "no memory");
    o->sender = o->login.data;
    return ERROR_NONE;
}

static enum error_kind check_name(const char *what, const char *value, struct error *e)
{
    struct span s = span_of(value);
    if (s.len > MESSAGE_NAME_MAX)
        return error_set(e, ERROR_USAGE, "the %s is longer than %u bytes", what, MESSAGE_NAME_MAX);
    if (text_valid_prefix(s.data, s.len) != s.len)
        return error_set(e, ERROR_USAGE, "the %s is not valid UTF-8", what);
    if (text_trim(s).len == 0)
        return error_set(e, ERROR_USAGE, "the %s is empty", what);
    return ERROR_NONE;
}

/* A file that libcurl would miss only later, after many tries. */
static enum error_kind check_readable(const char *option, const char *path, struct error *e)
{
    if (!path || access(path, R_OK) == 0)
        return ERROR_NONE;
    return error_set(e, ERROR_USAGE, "--%s: cannot read %s", option, path);
}

static enum error_kind check_files(struct options *o, struct error *e)
{
    enum error_kind kind = check_readable("cacert", o->cacert, e);
    if (!kind)
        kind = check_readable("cert", o->cert, e);
    if (!kind)
        kind = check_readable("key", o->key, e);
    if (!kind && o->token_file && file_read_token(o->token_file, &o->token, e))
        kind = error_rekind(e, ERROR_USAGE);
    return kind;
}

static enum error_kind take_on_reset(struct options *o, struct error *e)
{
    static const char *const words[] = {
        [ON_RESET_FAIL] = "fail", [ON_RESET_RESTART] = "restart", [ON_RESET_SKIP] = "skip"};
    if (o->terminal && opt_source_of(&options_table, o->source, "on-reset") == OPT_FROM_DEFAULT) {
        o->on_reset = ON_RESET_SKIP; /* a person sees that it was, and goes on talking */
        return ERROR_NONE;
    }
    for (size_t i = 0; i < COUNT(words); i++) {
        if (strcmp(o->on_reset_word, words[i]) == 0) {
            o->on_reset = (enum options_on_reset)i;
            return ERROR_NONE;
        }
    }
    return error_set(e, ERROR_USAGE, "--on-reset: '%s' is not fail, restart or skip",
                     o->on_reset_word);
}

/* What no single option can tell. */
static enum error_kind check_whole(struct options *o, struct error *e)
{
    bool channel_per_line = o->json && o->send;
    bool asks = o->terminal && !o->receive && !o->send && !o->json;
    if (o->flush && o->channel)
        return error_set(e, ERROR_USAGE, "--flush takes no CHANNEL; each line has its own");
    if (!o->channel && !channel_per_line && !asks && !o->flush && !o->doctor)
        return error_set(e, ERROR_USAGE, "give a CHANNEL; see --help");
    if (!o->channel && o->cursor_file)
        return error_set(e, ERROR_USAGE, "--cursor-file needs a CHANNEL");
    enum error_kind kind = o->channel ? check_name("channel", o->channel, e) : ERROR_NONE;
    if (!kind)
        kind = take_on_reset(o, e);
    if (!kind && !o->sender)
        kind = take_login_name(o, e);
    if (!kind)
        kind = check_name("sender", o->sender, e);
    return kind ? kind : check_files(o, e);
}

static enum error_kind read_all(struct options *o, int argc, char **argv,
                                enum options_terminal terminal, struct error *e)
{
    int operand = argc;
    enum error_kind kind = opt_parse_argv(&options_table, argc, argv, o, o->source, &operand, e);
    if (kind || o->help || o->version)
        return kind;
    if (argc - operand > 1)
        return error_set(e, ERROR_USAGE, "one CHANNEL, not %d; quote a name with spaces",
                         argc - operand);
    o->channel = operand < argc ? argv[operand] : NULL;
    kind = opt_parse_env(&options_table, o, o->source, e);
    if (!kind)
        kind = read_config(o, e);
    if (!kind)
        kind = opt_check(&options_table, &defaults, o, o->source, e);
    if (kind)
        return kind;
    o->send |= o->flush;
    o->sender_known = o->sender != NULL;
    o->sender_named = opt_source_of(&options_table, o->source, "sender") == OPT_FROM_ARGV;
    o->terminal = terminal && !o->receive && !o->send && !o->doctor;
    o->screen = o->terminal && terminal == OPTIONS_SCREEN;
    if (o->terminal && !o->screen)
        o->no_echo = true; /* what was typed stands there already */
    if (o->retry_for_ms == OPTIONS_UNSET)
        o->retry_for_ms = o->follow || o->terminal ? INT64_MAX : SECONDS(60);
    return check_whole(o, e);
}

enum error_kind options_read(struct options *o, int argc, char **argv,
                             enum options_terminal terminal, struct error *e)
{
    *o = defaults;
    buf_init(&o->token, 8192);
    buf_init(&o->file_text, OPT_FILE_MAX);
    buf_init(&o->login, 4096);
    struct error wrong;
    enum error_kind kind = read_all(o, argc, argv, terminal, &wrong);
    if (kind && o->doctor) {
        o->wrong = wrong;
        return ERROR_NONE;
    }
    if (kind && e)
        *e = wrong;
    return kind;
}

struct span options_server(const struct options *o)
{
    struct span url = span_of(o->url);
    while (url.len && url.data[url.len - 1] == '/')
        url.len--;
    return url;
}

void options_release(struct options *o)
{
    buf_release(&o->token);
    buf_release(&o->file_text);
    buf_release(&o->login);
}
