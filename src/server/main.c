/* SPDX-License-Identifier: MIT */
/*
 * chancatd: a chat server for chancat. The steps of its life; nothing below here exits.
 */
#include <errno.h>
#include <poll.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/log.h"
#include "common/stop.h"
#include "server/api.h"
#include "server/backup.h"
#include "server/check.h"
#include "server/copy.h"
#include "server/listen.h"
#include "server/notify.h"
#include "server/options.h"
#include "server/routes.h"

#define SHOWN_MAX  8192
#define PATH_BYTES 4096
#define SPARE_FDS  64 /* database, listener, libraries */
#define HEADER_MS  60000
#define BODY_MS    120000

/* What is asked for on standard output: --help, --version, --check. */
static enum error_kind show(const struct server_options *o, struct error *e)
{
    struct buf text;
    enum error_kind kind = ERROR_NONE;
    buf_init(&text, SHOWN_MAX);
    if (o->help)
        server_options_add_help(&text);
    else if (o->version)
        buf_addf(&text, "chancatd %s (libmicrohttpd/%s, %s)\n", CHANCAT_VERSION,
                 routes_library_version(), store_libraries());
    else if (check_configuration(o, &text, e))
        kind = error_rekind(e, ERROR_USAGE);
    if (!kind && (fwrite(text.data, 1, text.len, stdout) < text.len || fflush(stdout)))
        kind = error_set(e, ERROR_LOCAL, "cannot write to standard output: %s", strerror(errno));
    buf_release(&text);
    return kind;
}

static enum error_kind back_up(const struct server_options *o, struct error *e)
{
    struct buf path;
    buf_init(&path, PATH_BYTES);
    enum error_kind kind = server_options_add_database(o, &path, e);
    if (!kind)
        kind = backup_write(path.data, o->backup, e);
    buf_release(&path);
    return kind;
}

/* Each connection needs a descriptor. */
static void raise_descriptor_limit(int64_t connections)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)connections + SPARE_FDS;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur < wanted)
        log_warn("the limit of open files allows fewer than %lld connections",
                 (long long)connections);
}

/* The folders above the default database; `path` is put back as it was. */
static enum error_kind make_folders(char *path, struct error *e)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int r = mkdir(path, 0700);
        int reason = errno;
        *slash = '/';
        if (r && reason != EEXIST)
            return error_set(e, ERROR_LOCAL, "cannot make a folder for %.300s: %s", path,
                             strerror(reason));
    }
    return ERROR_NONE;
}

static enum error_kind open_store(const struct server_options *o, struct routes *routes,
                                  struct store **ret, struct error *e)
{
    struct buf path;
    buf_init(&path, PATH_BYTES);
    enum error_kind kind = server_options_add_database(o, &path, e);
    if (!kind && !o->database)
        kind = make_folders(path.data, e);
    if (!kind)
        kind = store_open(path.data, routes_on_message, routes, ret, e);
    buf_release(&path);
    return kind;
}

/* One who cannot be told will end the server, which the log then explains. */
static void tell_manager(const char *state)
{
    struct error e;
    if (notify_send(state, &e))
        log_warn("%s", e.text);
}

static void wait_for_stop(void)
{
    struct pollfd p = {.fd = stop_fd(), .events = POLLIN};
    while (poll(&p, 1, -1) < 0 && errno == EINTR)
        continue;
}

static enum error_kind serve(const struct server_options *o, struct error *e)
{
    struct listener listener = {.fd = -1};
    struct routes *routes = NULL;
    struct routes_config config = {
        .max_connections = o->max_connections,
        .max_per_address = o->max_per_address,
        .header_ms = HEADER_MS,
        .body_ms = BODY_MS,
        .hurry_fd = stop_now_fd(),
    };
    struct keys keys;
    struct latest latest;
    struct health health;
    struct metrics metrics;
    struct api api = {
        .keys = &keys,
        .latest = &latest,
        .health = &health,
        .metrics = &metrics,
        .token = {o->token.data, o->token.len},
        .plain = o->plain,
    };
    keys_init(&keys);
    latest_init(&latest);
    metrics_init(&metrics, routes_library_version(), sqlite3_libversion());
    raise_descriptor_limit(o->max_connections);
    enum error_kind kind = listen_inherit(&listener, e);
    if (!kind && listener.fd < 0)
        kind = listen_open(&listener, o->listen, e);
    if (!kind)
        kind = routes_new(&config, &routes, e);
    health_init(&health, routes_on_message, routes); /* asked once there are requests */
    if (!kind)
        kind = open_store(o, routes, &api.store, e);
    if (!kind)
        kind = routes_start(routes, &api, &listener, e);
    if (!kind) {
        log_warn("listening on %s", listener.url);
        tell_manager(NOTIFY_READY);
        wait_for_stop();
        tell_manager(NOTIFY_STOPPING);
        log_info("stopping");
    }
    listen_close(&listener); /* first: later its path may be another server's already */
    if (routes)
        routes_stop(routes);
    store_close(api.store);
    routes_free(routes);
    health_destroy(&health);
    latest_destroy(&latest);
    keys_destroy(&keys);
    return kind;
}

static enum error_kind act(const struct server_options *o, struct error *e)
{
    if (o->help || o->version || o->check)
        return show(o, e);
    if (o->copy)
        return copy_database(o->copy, o->copy_to, e);
    return o->backup ? back_up(o, e) : serve(o, e);
}

int main(int argc, char **argv)
{
    struct server_options options;
    struct error e;
    file_fill_standard_fds();
    log_init("chancatd", LOG_NORMAL);
    log_never_block();
    enum error_kind kind = server_options_read(&options, argc, argv, &e);
    if (!kind)
        kind = stop_init(&e);
    if (!kind) {
        log_set_level(options.quiet ? LOG_QUIET : options.verbose ? LOG_VERBOSE : LOG_NORMAL);
        kind = act(&options, &e);
    }
    if (kind)
        log_error("%s", e.text);
    server_options_release(&options);
    if (kind == ERROR_STOPPED)
        stop_die();
    return kind == ERROR_NONE ? 0 : kind == ERROR_USAGE ? 2 : 1;
}
