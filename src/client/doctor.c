/* SPDX-License-Identifier: MIT */
#include "client/doctor.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "client/channel.h"
#include "client/screen.h"
#include "client/session.h"
#include "common/log.h"
#include "common/stop.h"

#define REPORT_MAX   262144u
#define CLOCK_NEAR_S 2   /* the Date of a reply has whole seconds */
#define HEALTH_MAX   512 /* bytes of a reply that are read */
/* Asked for when there is no CHANNEL; reading makes no channel. */
#define ANY_CHANNEL "doctor"

struct doctor {
    const struct options *o;
    struct output *out;
    struct tally *tally;
    struct buf report; /* the section in work */
    struct http *http;
    bool wrong, failed; /* a check; to write the report */
};

/* Appends formatted text, made safe for a terminal, and a newline. */
static void add(struct doctor *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add_safe(struct doctor *d, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void add_safe(struct doctor *d, const char *format, va_list args)
{
    struct buf line;
    buf_init(&line, REPORT_MAX);
    /* a report that is cut short for lack of memory is better than none */
    if (buf_addv(&line, format, args) == 0)
        text_add_visible(&d->report, (struct span){line.data, line.len});
    buf_add_char(&d->report, '\n');
    buf_release(&line);
}

static void add(struct doctor *d, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_safe(d, format, args);
    va_end(args);
}

/* Hands a section over, so that a check that takes long does not hide what is known already. */
static void hand_over(struct doctor *d)
{
    struct error e;
    if (d->failed || output_write(d->out, &d->report, NULL, &e) != OUTPUT_FAILED)
        return;
    d->failed = true;
    log_error("%s", e.text);
    tally_add(d->tally, ERROR_LOCAL);
}

static void wrong(struct doctor *d, enum error_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void wrong(struct doctor *d, enum error_kind kind, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_add_str(&d->report, "wrong  ");
    add_safe(d, format, args);
    va_end(args);
    tally_add(d->tally, kind);
    d->wrong = true;
}

/* ---- versions and options ------------------------------------------------------------------ */

static void add_versions(struct doctor *d)
{
    struct utsname system;
    const char *readline = screen_library_version();
    add(d, "chancat %s, Jansson/%s%s%s, %s", CHANCAT_VERSION, JANSSON_VERSION,
        readline ? ", Readline/" : "", readline ? readline : "", http_library_details());
    if (uname(&system) >= 0)
        add(d, "%s %s %s", system.sysname, system.release, system.machine);
}

/* A URL without what may be secret in it. */
static void add_url(struct buf *b, const char *url)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    size_t name_len = strcspn(host, "/?#");
    const char *at = NULL;
    for (const char *p = host; p < host + name_len; p++)
        at = *p == '@' ? p : at;
    size_t shown = strcspn(host, "?#");
    if (at)
        buf_addf(b, "%.*s...%.*s", (int)(host - url), url, (int)(shown - (size_t)(at - host)), at);
    else
        buf_addf(b, "%.*s", (int)((size_t)(host - url) + shown), url);
    if (host[shown])
        buf_add_str(b, "?...");
}

static void add_value(struct buf *b, const struct opt *row, const struct options *o)
{
    const char *at = (const char *)o + row->offset;
    const char *text;
    int64_t n;
    bool flag;
    switch (row->type) {
    case OPT_FLAG:
        memcpy(&flag, at, sizeof(flag));
        buf_add_str(b, flag ? "yes" : "no");
        break;
    case OPT_STRING:
        memcpy(&text, at, sizeof(text));
        if (text && row->offset == offsetof(struct options, url))
            add_url(b, text);
        else
            buf_add_str(b, text ? text : "-");
        break;
    case OPT_NUMBER:
    case OPT_SECONDS:
        memcpy(&n, at, sizeof(n));
        if (row->word && n == row->word_value)
            buf_add_str(b, row->word);
        else if (n < 0)
            buf_add_str(b, "-");
        else if (row->type == OPT_SECONDS)
            buf_addf(b, "%.15g", (double)n / 1000);
        else
            buf_addf(b, "%" PRId64, n);
        break;
    case OPT_HEADING:
        break;
    }
}

static void add_source(struct buf *b, const struct opt *row, enum opt_source source)
{
    switch (source) {
    case OPT_FROM_ARGV:
        buf_add_str(b, "command line");
        break;
    case OPT_FROM_ENV:
        buf_addf(b, "environment, %s", row->env);
        break;
    case OPT_FROM_FILE:
        buf_add_str(b, "configuration file");
        break;
    case OPT_FROM_DEFAULT:
        buf_add_str(b, "default");
        break;
    }
}

static void add_options(struct doctor *d)
{
    struct buf value, source;
    buf_init(&value, REPORT_MAX);
    buf_init(&source, 256);
    add(d, "options:");
    for (size_t i = 0; i < options_table.count; i++) {
        const struct opt *row = &options_table.rows[i];
        if (row->type == OPT_HEADING || row->offset == offsetof(struct options, doctor) ||
            row->offset == offsetof(struct options, help) ||
            row->offset == offsetof(struct options, version))
            continue;
        buf_clear(&value);
        buf_clear(&source);
        add_value(&value, row, d->o);
        add_source(&source, row, (enum opt_source)d->o->source[i]);
        add(d, "  %-12s %-30s %s", row->name, value.data ? value.data : "",
            source.data ? source.data : "");
    }
    buf_release(&value);
    buf_release(&source);
}

static const char *presence(const char *path)
{
    return access(path, R_OK) == 0 ? "it is there" : strerror(errno);
}

/* What a conversation would look like. */
static void add_terminal(struct doctor *d)
{
    const char *term = getenv("TERM");
    add(d, "  environment TERM: %s; at a terminal, lines are %s", term && *term ? term : "not set",
        screen_is_capable() ? "edited with readline" : "read plainly");
}

/* Files and variables that say something beside the options. */
static void add_surroundings(struct doctor *d)
{
    static const char *const variables[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                            "ALL_PROXY",  "no_proxy",    "NO_PROXY"};
    struct buf text;
    buf_init(&text, 65536);
    if (options_add_config_path(d->o, &text) == 0)
        add(d, "  configuration file %s: %s", text.data, presence(text.data));
    buf_clear(&text);
    if (getenv("HOME") && buf_addf(&text, "%s/.netrc", getenv("HOME")) == 0)
        add(d, "  %s: %s", text.data, presence(text.data));
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        const char *value = getenv(variables[i]);
        if (!value || !*value)
            continue;
        buf_clear(&text);
        add_url(&text, value);
        add(d, "  environment %s: %s", variables[i], text.data ? text.data : "");
    }
    buf_release(&text);
    add_terminal(d);
}

/* ---- files --------------------------------------------------------------------------------- */

/* The directory that `path` is in. */
static void directory_of(const char *path, char ret[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    if (!slash)
        snprintf(ret, PATH_MAX, ".");
    else
        snprintf(ret, PATH_MAX, "%.*s", len ? (int)len : 1, path);
}

static void check_outbox(struct doctor *d)
{
    struct stat st;
    const char *path = d->o->outbox;
    if (!path)
        return;
    if (stat(path, &st) && errno == ENOENT)
        add(d, "note   the outbox %s is not there; it will be made", path);
    else if (access(path, R_OK | W_OK | X_OK))
        wrong(d, ERROR_LOCAL, "the outbox %s cannot be used: %s", path, strerror(errno));
    else if (!S_ISDIR(st.st_mode))
        wrong(d, ERROR_LOCAL, "the outbox %s is no directory", path);
    else
        add(d, "ok     the outbox %s can be written", path);
}

static void check_cursor(struct doctor *d)
{
    char directory[PATH_MAX];
    const char *path = d->o->cursor_file;
    if (!path)
        return;
    directory_of(path, directory);
    if (access(directory, W_OK | X_OK))
        wrong(d, ERROR_LOCAL, "the directory %s, for the cursor file, cannot be written: %s",
              directory, strerror(errno));
    else if (access(path, R_OK) && errno != ENOENT)
        wrong(d, ERROR_LOCAL, "the cursor file %s cannot be read: %s", path, strerror(errno));
    else
        add(d, "ok     the cursor file %s %s", path,
            access(path, F_OK) ? "is not there; it will be made" : "is there");
}

/* ---- the server ---------------------------------------------------------------------------- */

bool doctor_is_number(struct span name)
{
    struct span s = text_trim(name);
    size_t i = 0, digits = 0;
    i += i < s.len && (s.data[i] == '+' || s.data[i] == '-');
    for (; i < s.len && s.data[i] >= '0' && s.data[i] <= '9'; i++)
        digits++;
    if (i < s.len && s.data[i] == '.')
        for (i++; i < s.len && s.data[i] >= '0' && s.data[i] <= '9'; i++)
            digits++;
    if (digits == 0 || i == s.len || (s.data[i] != 'e' && s.data[i] != 'E'))
        return digits > 0 && i == s.len;
    i++;
    i += i < s.len && (s.data[i] == '+' || s.data[i] == '-');
    size_t exponent = i;
    while (i < s.len && s.data[i] >= '0' && s.data[i] <= '9')
        i++;
    return i == s.len && i > exponent;
}

static void tell_connection(struct doctor *d)
{
    const struct http_peer *peer = http_peer(d->http);
    if (!peer->address[0])
        return;
    char tls[32] = "";
    if (peer->tls_us)
        snprintf(tls, sizeof(tls), ", TLS %.1f ms", (double)peer->tls_us / 1000);
    add(d, "ok     connected to %s: look-up %.1f ms, connect %.1f ms%s", peer->address,
        (double)peer->lookup_us / 1000, (double)peer->connect_us / 1000, tls);
}

/* What may help with a failure. */
static void tell_advice(struct doctor *d, enum error_kind kind)
{
    const struct http_peer *peer = http_peer(d->http);
    if (peer->status == 401 || peer->status == 403)
        add(d, "note   %s",
            d->o->token_file ? "is the token in the file of --token-file right?"
                             : "no token is sent; --token-file names one");
    else if (peer->status == 404 || kind == ERROR_BAD_DATA || (peer->status && peer->status < 400))
        add(d, "note   is the URL that of a chat server, with the path it is served under?");
    else if (kind == ERROR_UNREACHABLE && !peer->address[0])
        add(d, "note   is the URL right, and does the server run?");
}

static void tell_server(struct doctor *d)
{
    const struct http_peer *peer = http_peer(d->http);
    if (peer->features[0])
        add(d, "ok     the server has these features: %s", peer->features);
    else
        add(d, "note   the server announces no features; chancat works without them");
    if (peer->server[0])
        add(d, "ok     it calls itself %s", peer->server);
    if (peer->date_s < 0) {
        add(d, "note   its replies have no date, so the clocks cannot be compared");
        return;
    }
    int64_t ahead = peer->date_s - (int64_t)time(NULL);
    if (ahead >= -CLOCK_NEAR_S && ahead <= CLOCK_NEAR_S)
        add(d, "ok     its clock is that of this machine, within %d s", CLOCK_NEAR_S);
    else
        add(d, "note   its clock is %" PRId64 " s %s that of this machine; messages have its time",
            ahead < 0 ? -ahead : ahead, ahead < 0 ? "behind" : "ahead of");
}

static void tell_channel(struct doctor *d, struct span name, int64_t newest)
{
    bool announces = http_peer(d->http)->features[0] != '\0';
    if (!d->o->channel)
        add(d, "note   no CHANNEL was given; it was tried with the name '%s'", ANY_CHANNEL);
    else if (newest == 0)
        add(d, "ok     the channel can be read; it has no message");
    else if (newest < 0)
        add(d, "ok     the channel can be read");
    else
        add(d, "ok     the channel can be read; its newest message is %" PRId64, newest);
    if (doctor_is_number(name) && announces)
        add(d, "ok     the channel's name looks like a number; this server takes it as text");
    else if (doctor_is_number(name))
        add(d, "note   the channel's name looks like a number; this server may take 7, 007 and 7.0 "
               "for one channel");
}

static bool on_health_body(void *context, const struct http_reply *reply, struct span piece)
{
    size_t *len = context;
    (void)reply;
    *len += piece.len;
    return *len <= HEALTH_MAX;
}

/* chancatd answers GET /healthz with 200 when it could store something. */
static void check_sending(struct doctor *d)
{
    struct http_reply reply;
    size_t len = 0;
    struct http_request request = {.target = "/healthz",
                                   .silence_ms = CHANNEL_SILENCE_MS,
                                   .watch_fd = -1,
                                   .on_body = on_health_body,
                                   .context = &len};
    if (d->o->receive)
        return;
    if (!http_peer(d->http)->features[0]) {
        add(d, "note   whether this server lets us send cannot be told without sending");
        return;
    }
    http_perform(d->http, &request, &reply);
    if (reply.status == 200)
        add(d, "ok     the server says that it could store a message");
    else if (reply.status >= 500)
        wrong(d, ERROR_UNREACHABLE, "the server says that it cannot store messages (status %ld)",
              reply.status);
    else
        add(d, "note   the server does not say whether it could store a message");
}

static void check_server(struct doctor *d)
{
    struct error e;
    struct channel channel;
    int64_t newest, retry_after_ms;
    struct span name = span_of(d->o->channel ? d->o->channel : ANY_CHANNEL);
    struct http_config config = session_http_config(d->o);
    enum error_kind kind = http_open(&config, &d->http, &e);
    if (kind) {
        wrong(d, kind, "%s", e.text);
        return;
    }
    channel_init(&channel, d->http, name);
    kind = channel_probe(&channel, name, &newest, &retry_after_ms, &e);
    tell_connection(d);
    if (kind == ERROR_NONE) {
        tell_server(d);
        tell_channel(d, name, newest);
        check_sending(d);
    } else if (kind != ERROR_STOPPED) {
        wrong(d, kind, "%s", e.text);
        tell_advice(d, kind);
    }
    channel_release(&channel);
    http_close(d->http);
}

void doctor_run(const struct options *o, struct output *out, struct tally *tally)
{
    struct doctor d = {.o = o, .out = out, .tally = tally};
    buf_init(&d.report, REPORT_MAX);
    add_versions(&d);
    add_options(&d);
    add_surroundings(&d);
    add(&d, "checks:");
    hand_over(&d);
    if (o->wrong.kind) {
        wrong(&d, o->wrong.kind, "%s", o->wrong.text);
    } else {
        check_outbox(&d);
        check_cursor(&d);
        hand_over(&d);
        check_server(&d);
    }
    if (stop_signal() == 0 && d.wrong)
        add(&d, "result: something is wrong, see above (exit status %d)", tally_status(tally));
    else if (stop_signal() == 0)
        add(&d, "result: all is well");
    hand_over(&d);
    buf_release(&d.report);
}
