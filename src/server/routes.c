/* SPDX-License-Identifier: MIT */
#include "server/routes.h"

#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "server/access_log.h"
#include "server/body.h"
#include "server/guard.h"
#include "server/housekeeper.h"
#include "server/recheck.h"
#include "server/reply.h"
#include "server/until.h"
#include "server/waiters.h"

#define HURRY_MS 100 /* how often a stop looks whether it must hurry */

struct routes {
    struct routes_config config;
    const struct api *api;
    struct MHD_Daemon *daemon;
    int listen_fd;
    bool inherited; /* it is the service manager's, too */
    struct waiters waiters;
    struct guard guard;
    struct recheck recheck;
    atomic_size_t body_bytes;      /* of all requests in work: bodies, parameters, replies */
    atomic_int_least64_t received; /* bytes of bodies since the start */
    atomic_bool stopping;
    struct housekeeper housekeeper; /* of the deadlines of waiters, guard and recheck */
    /* the end, under `lock` */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int64_t active;  /* requests begun and not completed */
    int64_t storing; /* of them, those whose memory the store's writer uses */
    bool ending;     /* no request may be suspended any more */
};

enum phase { PHASE_BODY, PHASE_STORING, PHASE_WAITING, PHASE_ANSWER };

/* One request; MHD's per-request pointer. */
struct request {
    struct routes *routes;
    struct MHD_Connection *connection;
    struct guarded *guarded;
    _Atomic enum phase phase; /* moved on by whoever resumes the connection */
    char *target;             /* as it came, path and query */
    struct body body;
    bool begun; /* counted in routes->active */
    struct api_call call;
    struct waiter waiter;
    bool woken; /* it has waited, and there may be news */
    struct reply reply;
    struct access access;
};

/* What is due: a housekeeper_look_fn. */
static int64_t expire(void *context)
{
    struct routes *r = context;
    int64_t waiter = waiters_expire(&r->waiters), connection = guard_expire(&r->guard);
    return clock_sooner(recheck_waiters(&r->recheck), clock_sooner(waiter, connection));
}

static void resume(struct request *q)
{
    if (atomic_exchange(&q->phase, PHASE_ANSWER) == PHASE_WAITING)
        atomic_fetch_sub_explicit(&q->routes->api->metrics->waiting, 1, memory_order_relaxed);
    MHD_resume_connection(q->connection);
}

/* Begins and ends the time in which a request is the writer's. False: too late to begin. */
static bool storing_begins(struct request *q)
{
    struct routes *r = q->routes;
    pthread_mutex_lock(&r->lock);
    bool open = !r->ending;
    if (open) {
        r->storing++;
        MHD_suspend_connection(q->connection);
    }
    pthread_mutex_unlock(&r->lock);
    return open;
}

static void storing_ends(struct routes *r)
{
    pthread_mutex_lock(&r->lock);
    r->storing--;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

static void on_stored(struct store_append *append, enum error_kind kind)
{
    struct request *q = append->context;
    struct routes *r = q->routes; /* the request may be gone once it is resumed */
    api_stored(&q->call, kind);
    resume(q);
    storing_ends(r);
}

static void on_wake(void *context)
{
    struct request *q = context;
    api_woken(&q->call);
    q->woken = true;
    resume(q);
}

void routes_on_message(void *routes, struct span channel, int64_t id)
{
    struct routes *r = routes;
    if (channel.data)
        waiters_wake_channel(&r->waiters, channel, id);
    else
        housekeeper_look_at(&r->housekeeper, recheck_soon(&r->recheck));
}

/* Suspends first, then joins the waiters, then looks: a message that comes in between is either
 * seen by the look or wakes the waiter. */
static void start_waiting(struct request *q, int64_t deadline)
{
    struct routes *r = q->routes;
    atomic_store(&q->phase, PHASE_WAITING);
    atomic_fetch_add_explicit(&r->api->metrics->waiting, 1, memory_order_relaxed);
    q->waiter = (struct waiter){
        .channel = {q->call.channel.data, q->call.channel.len},
        .after = q->call.after,
        .deadline = deadline,
        .wake = on_wake,
        .context = q,
    };
    q->woken = false;
    MHD_suspend_connection(q->connection);
    if (!waiters_add(&r->waiters, &q->waiter))
        resume(q);
    else if (api_has_news(&q->call) && waiters_remove(&r->waiters, &q->waiter))
        resume(q);
    else
        housekeeper_look_at(&r->housekeeper, deadline);
}

/* A waiter survives that the store goes away for a while. */
static bool waits_on(struct request *q)
{
    return q->woken && clock_left_ms(q->waiter.deadline) != 0 &&
           !atomic_load(&q->routes->stopping) && api_waits_on(&q->call);
}

static enum MHD_Result answer(struct request *q)
{
    body_recount(&q->body, api_bytes(&q->call));
    metrics_count(q->routes->api->metrics, q->call.route, q->call.response.status);
    return reply_send(&q->reply, q->connection, &q->call,
                      q->body.discard || atomic_load(&q->routes->stopping));
}

static void *on_uri(void *context, const char *uri, struct MHD_Connection *connection)
{
    struct routes *r = context;
    struct request *q = calloc(1, sizeof(*q));
    if (!q)
        return NULL;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    q->routes = r;
    q->connection = connection;
    q->guarded = info ? info->socket_context : NULL;
    q->target = strdup(uri);
    body_init(&q->body, &r->body_bytes);
    api_init(&q->call, r->api);
    return q;
}

static struct span path_of(const struct request *q)
{
    return (struct span){q->target, strcspn(q->target, "?")};
}

/* The header is complete. */
static void begin(struct request *q, const char *method)
{
    struct routes *r = q->routes;
    q->begun = true;
    access_begin(&q->access, method);
    q->body.limit = api_body_limit(r->api, path_of(q));
    pthread_mutex_lock(&r->lock);
    r->active++;
    pthread_mutex_unlock(&r->lock);
    if (q->guarded) {
        int64_t deadline = clock_deadline(r->config.body_ms);
        guard_set(&r->guard, q->guarded, deadline);
        housekeeper_look_at(&r->housekeeper, deadline);
    }
}

static const char *header(struct request *q, const char *name)
{
    return MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, name);
}

/* What a header says about where the body ends. */
struct framing {
    const char *length;
    bool chunked, differs;
};

static enum MHD_Result look_at_header(void *context, enum MHD_ValueKind kind, const char *name,
                                      const char *value)
{
    (void)kind;
    struct framing *f = context;
    f->chunked |= strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0;
    if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) != 0)
        return MHD_YES;
    f->differs |= f->length && (!value || strcmp(f->length, value) != 0);
    f->length = value;
    return MHD_YES;
}

/* Two answers to where the body ends: a proxy in front may have taken the other one, and what is a
 * body to it would be the next request here. */
static bool is_framed_twice(struct request *q)
{
    struct framing f = {0};
    MHD_get_connection_values(q->connection, MHD_HEADER_KIND, look_at_header, &f);
    return f.differs || (f.length && f.chunked);
}

static bool is_refused(struct request *q)
{
    if (is_framed_twice(q)) {
        q->body.refused = 400;
        q->body.discard = true; /* and the connection ends */
        return true;
    }
    const char *announced = header(q, MHD_HTTP_HEADER_CONTENT_LENGTH);
    bool authorized =
        api_authorized(q->routes->api, path_of(q), header(q, MHD_HTTP_HEADER_AUTHORIZATION));
    return body_is_refused(&q->body, authorized, announced ? strtoull(announced, NULL, 10) : 0,
                           header(q, MHD_HTTP_HEADER_EXPECT) != NULL);
}

static enum MHD_Result refuse(struct request *q, const char *method)
{
    q->call.route = api_route(q->routes->api, method, path_of(q));
    q->call.response.retry_after_s = q->body.refused == 429;
    api_fail(&q->call, q->body.refused, body_sentence(&q->body));
    return answer(q);
}

static struct api_request api_request_of(struct request *q, const char *method)
{
    struct span path = path_of(q);
    const char *query = q->target + path.len;
    return (struct api_request){
        .method = method,
        .path = path,
        .query = span_of(*query ? query + 1 : query),
        .body = body_text(&q->body),
        .content_type = header(q, MHD_HTTP_HEADER_CONTENT_TYPE),
        .authorization = header(q, MHD_HTTP_HEADER_AUTHORIZATION),
        .idempotency_key = header(q, "Idempotency-Key"),
        .prefer = header(q, MHD_HTTP_HEADER_PREFER),
    };
}

static enum MHD_Result start_storing(struct request *q)
{
    struct routes *r = q->routes;
    q->call.append.done = on_stored;
    q->call.append.context = q;
    if (!storing_begins(q)) {
        q->call.response.retry_after_s = 1;
        api_fail(&q->call, 503, "The server is stopping");
        return answer(q);
    }
    atomic_store(&q->phase, PHASE_STORING);
    if (store_queue(r->api->store, &q->call.append) == ERROR_NONE)
        return MHD_YES;
    q->call.response.retry_after_s = 1;
    api_fail(&q->call, 429, "Too many messages at once");
    resume(q);
    storing_ends(r);
    return MHD_YES;
}

/* The request is complete, or as much of it as is wanted. */
static enum MHD_Result handle(struct request *q, const char *method)
{
    if (q->guarded)
        guard_set(&q->routes->guard, q->guarded, CLOCK_NEVER);
    if (!api_needs_no_room(path_of(q)))
        body_check_total(&q->body);
    if (q->body.refused)
        return refuse(q, method);
    struct api_request request = api_request_of(q, method);
    enum api_next next = api_begin(&q->call, &request);
    body_release(&q->body); /* the call has taken out of it what it needs */
    body_recount(&q->body, api_bytes(&q->call));
    switch (next) {
    case API_READY:
        return answer(q);
    case API_STORE:
        return start_storing(q);
    case API_WAIT:
        start_waiting(q, clock_deadline(q->call.wait_s * 1000));
        return MHD_YES;
    }
    return MHD_NO;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_len, void **per_request)
{
    (void)context, (void)connection, (void)url, (void)version;
    struct request *q = *per_request;
    if (!q || !q->target)
        return MHD_NO; /* no memory */
    if (!q->begun) {
        begin(q, method);
        return is_refused(q) ? handle(q, method) : MHD_YES;
    }
    if (*upload_len) {
        if (!api_needs_no_room(path_of(q)))
            body_take(&q->body, upload, *upload_len);
        atomic_fetch_add_explicit(&q->routes->received, (int64_t)*upload_len, memory_order_relaxed);
        *upload_len = 0;
        return MHD_YES;
    }
    if (atomic_load(&q->phase) == PHASE_BODY)
        return handle(q, method);
    if (q->call.wait_s && q->call.response.status == 0) {
        api_read(&q->call);
        if (waits_on(q)) {
            start_waiting(q, q->waiter.deadline);
            return MHD_YES;
        }
    }
    return answer(q);
}

/* For the log. */
static void tell_access(const struct request *q, enum MHD_RequestTerminationCode code)
{
    const union MHD_ConnectionInfo *info =
        q->access.wanted
            ? MHD_get_connection_info(q->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)
            : NULL;
    const struct access_end end = {
        .peer = info ? info->client_addr : NULL,
        .target = q->target,
        .status = q->reply.call ? q->call.response.status : 0,
        .bytes = reply_bytes(&q->reply),
        .cut = code != MHD_REQUEST_TERMINATED_COMPLETED_OK,
    };
    access_end(&q->access, &end);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **per_request,
                         enum MHD_RequestTerminationCode code)
{
    (void)connection;
    struct routes *r = context;
    struct request *q = *per_request;
    if (!q)
        return;
    tell_access(q, code);
    if (q->guarded) {
        int64_t deadline = clock_deadline(r->config.header_ms);
        guard_set(&r->guard, q->guarded, deadline);
        housekeeper_look_at(&r->housekeeper, deadline);
    }
    if (q->begun) {
        pthread_mutex_lock(&r->lock);
        r->active--;
        pthread_cond_broadcast(&r->changed);
        pthread_mutex_unlock(&r->lock);
    }
    body_release(&q->body);
    api_release(&q->call);
    free(q->target);
    free(q);
    *per_request = NULL;
}

static void on_connection(void *context, struct MHD_Connection *connection, void **per_connection,
                          enum MHD_ConnectionNotificationCode code)
{
    struct routes *r = context;
    struct guarded *guarded = *per_connection;
    struct metrics *metrics = r->api->metrics;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        atomic_fetch_sub_explicit(&metrics->connections, 1, memory_order_relaxed);
        if (guarded)
            guard_remove(&r->guard, guarded);
        free(guarded);
        *per_connection = NULL;
        return;
    }
    atomic_fetch_add_explicit(&metrics->connections, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&metrics->accepted, 1, memory_order_relaxed);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    guarded = info ? calloc(1, sizeof(*guarded)) : NULL;
    if (guarded) {
        int64_t deadline = clock_deadline(r->config.header_ms);
        guard_add(&r->guard, guarded, info->connect_fd, deadline);
        housekeeper_look_at(&r->housekeeper, deadline);
    }
    *per_connection = guarded;
}

__attribute__((format(printf, 2, 0))) static void on_mhd_log(void *context, const char *format,
                                                             va_list args)
{
    (void)context;
    char text[512];
    vsnprintf(text, sizeof(text), format, args);
    text[strcspn(text, "\r\n")] = '\0';
    log_info("http: %s", text);
}

enum error_kind routes_new(const struct routes_config *config, struct routes **ret, struct error *e)
{
    struct routes *r = calloc(1, sizeof(*r));
    if (!r)
        return error_set(e, ERROR_LOCAL, "no memory");
    r->config = *config;
    r->listen_fd = -1;
    waiters_init(&r->waiters);
    guard_init(&r->guard);
    recheck_init(&r->recheck, &r->waiters);
    housekeeper_init(&r->housekeeper, expire, r);
    pthread_mutex_init(&r->lock, NULL);
    until_init(&r->changed);
    *ret = r;
    return ERROR_NONE;
}

static struct MHD_Daemon *start_daemon(struct routes *r)
{
    unsigned flags = MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    flags |= MHD_is_feature_supported(MHD_FEATURE_EPOLL) == MHD_YES
                 ? (unsigned)MHD_USE_EPOLL_INTERNAL_THREAD
                 : (unsigned)MHD_USE_POLL_INTERNAL_THREAD;
    return MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, r, MHD_OPTION_EXTERNAL_LOGGER, on_mhd_log, NULL,
        MHD_OPTION_LISTEN_SOCKET, r->listen_fd, MHD_OPTION_URI_LOG_CALLBACK, on_uri, r,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, r, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
        r, MHD_OPTION_CONNECTION_LIMIT, (unsigned)r->config.max_connections,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)r->config.max_per_address,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)ROUTES_HEADER_BYTES,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)ROUTES_REPLY_S, MHD_OPTION_END);
}

enum error_kind routes_start(struct routes *r, const struct api *api, struct listener *listener,
                             struct error *e)
{
    r->api = api;
    r->listen_fd = listener->fd;
    r->inherited = listener->inherited;
    recheck_begin(&r->recheck, api->store);
    enum error_kind kind = housekeeper_start(&r->housekeeper, e);
    if (kind)
        return kind;
    r->daemon = start_daemon(r);
    if (!r->daemon)
        return error_set(e, ERROR_LOCAL, "cannot start the HTTP server: %s", strerror(errno));
    listener->fd = -1;
    return ERROR_NONE;
}

/* Grows or changes while clients send or take anything. */
static int64_t movement(struct routes *r)
{
    return atomic_load(&r->received) + guard_unsent(&r->guard);
}

static bool is_hurried(const struct routes *r)
{
    struct pollfd p = {.fd = r->config.hurry_fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0; /* a negative descriptor is passed over */
}

/* Until nothing is in flight, but not for ever, and not for clients that stand still. The writer is
 * waited for in any case: it uses memory of the requests, and MHD cannot end while a connection is
 * suspended. */
static void wait_for_requests(struct routes *r)
{
    int64_t deadline = clock_deadline(ROUTES_STOP_MS), still = 0, seen = -1;
    pthread_mutex_lock(&r->lock);
    while (r->active > 0 && clock_left_ms(deadline) != 0 && !is_hurried(r)) {
        int64_t now = movement(r);
        if (now != seen || r->storing > 0)
            still = clock_deadline(ROUTES_STILL_MS);
        else if (clock_left_ms(still) == 0)
            break;
        seen = now;
        until_wait(&r->changed, &r->lock, clock_deadline(HURRY_MS));
    }
    if (r->active > 0)
        log_warn("stopping with %lld requests unanswered", (long long)r->active);
    while (r->storing > 0)
        pthread_cond_wait(&r->changed, &r->lock);
    r->ending = true; /* seen under the same lock by whoever would begin to store */
    pthread_mutex_unlock(&r->lock);
}

void routes_stop(struct routes *r)
{
    if (r->daemon) {
        atomic_store(&r->stopping, true);
        MHD_socket fd = MHD_quiesce_daemon(r->daemon);
        if (fd != MHD_INVALID_SOCKET && !r->inherited)
            shutdown(fd, SHUT_RDWR); /* newcomers are refused at once, and know it */
        waiters_close(&r->waiters);
        wait_for_requests(r);
        housekeeper_stop(&r->housekeeper); /* whoever it is waking is resumed before MHD ends */
        MHD_stop_daemon(r->daemon);
        if (fd != MHD_INVALID_SOCKET)
            close(fd);
        r->daemon = NULL;
    }
    housekeeper_stop(&r->housekeeper);
}

void routes_free(struct routes *r)
{
    if (!r)
        return;
    waiters_destroy(&r->waiters);
    guard_destroy(&r->guard);
    housekeeper_destroy(&r->housekeeper);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

const char *routes_library_version(void)
{
    return MHD_get_version();
}
