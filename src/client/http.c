/* SPDX-License-Identifier: MIT */
#include "client/http.h"

#include <curl/curl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/number.h"
#include "common/stop.h"

#define READ_BUFFER_BYTES 131072L

struct http {
    CURLM *multi;
    CURL *easy;
    struct curl_slist *headers;
    struct curl_slist *own_headers; /* those, and what the request in work has besides */
    struct buf url;                 /* prefix, then the request's target */
    size_t prefix_len;
    int fd; /* of the connection made last; -1: none, or it is closed */
    bool corked;
    char curl_error[CURL_ERROR_SIZE];
    const char *unix_socket; /* the caller's */
    struct http_peer peer;
    /* the request in work */
    const struct http_request *request;
    struct http_reply *reply;
    size_t sent; /* bytes of the body given to libcurl */
    bool told_sent;
    int64_t last_progress_ms;
    bool aborted;
};

enum error_kind http_global_init(struct error *e)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT))
        return error_set(e, ERROR_LOCAL, "cannot start libcurl");
    return ERROR_NONE;
}

void http_global_release(void)
{
    curl_global_cleanup();
}

const char *http_library_version(void)
{
    return "libcurl/" LIBCURL_VERSION;
}

const char *http_library_details(void)
{
    return curl_version();
}

static size_t on_read(char *to, size_t size, size_t count, void *context)
{
    struct http *h = context;
    size_t n = size * count, rest = h->request->body.len - h->sent;
    if (n > rest)
        n = rest;
    if (n)
        memcpy(to, h->request->body.data + h->sent, n);
    h->sent += n;
    h->last_progress_ms = clock_now_ms();
    return n;
}

static int on_seek(void *context, curl_off_t offset, int origin)
{
    (void)context, (void)offset, (void)origin;
    return CURL_SEEKFUNC_FAIL; /* never send a body twice */
}

/* What is known of the reply once its header is there. */
static void note_reply(struct http *h)
{
    long connects = 0;
    curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &h->reply->status);
    curl_easy_getinfo(h->easy, CURLINFO_NUM_CONNECTS, &connects);
    h->reply->reconnected = connects > 0;
}

static size_t on_write(char *data, size_t size, size_t count, void *context)
{
    struct http *h = context;
    size_t n = size * count;
    note_reply(h);
    if (!h->request->on_body(h->request->context, h->reply, (struct span){data, n})) {
        h->aborted = true;
        return 0;
    }
    h->last_progress_ms = clock_now_ms();
    return n;
}

static int on_socket(void *context, curl_socket_t fd, curlsocktype purpose)
{
    (void)purpose;
    struct http *h = context;
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    h->fd = fd;
    h->corked = false;
    return setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)) ? CURL_SOCKOPT_ERROR
                                                                    : CURL_SOCKOPT_OK;
}

static int on_close(void *context, curl_socket_t fd)
{
    struct http *h = context;
    if (h->fd == fd)
        h->fd = -1;
    return close(fd);
}

/* libcurl writes the head of a POST and then its body. Corked they travel together, and the server
 * is woken once. A new connection is left alone: it may have to begin with a handshake. */
static void cork(struct http *h, bool on)
{
#ifdef TCP_CORK
    int value = on;
    if (h->fd >= 0 && h->corked != on)
        setsockopt(h->fd, IPPROTO_TCP, TCP_CORK, &value, sizeof(value));
    h->corked = on && h->fd >= 0;
#else
    (void)h, (void)on;
#endif
}

/* The value of the header `line` if its name is `name` (with the colon), else NULL. */
static const char *value_of(const char *line, size_t len, const char *name)
{
    size_t n = strlen(name);
    return len > n && strncasecmp(line, name, n) == 0 ? line + n : NULL;
}

/* The value of a header as a string, without the white space around it. */
static void take_header(const char *value, const char *end, char *ret, size_t size)
{
    struct span s = text_trim((struct span){value, (size_t)(end - value)});
    snprintf(ret, size, "%.*s", (int)s.len, s.data);
}

/* What tells something about the server rather than about this reply. */
static void note_header(struct http_peer *peer, const char *line, const char *end)
{
    char date[64];
    const char *value;
    size_t n = (size_t)(end - line);
    if (value_of(line, n, "HTTP/")) {
        peer->server[0] = '\0';
        peer->date_s = -1;
    } else if ((value = value_of(line, n, "date:"))) {
        take_header(value, end, date, sizeof(date));
        peer->date_s = (int64_t)curl_getdate(date, NULL);
    } else if ((value = value_of(line, n, "server:"))) {
        take_header(value, end, peer->server, sizeof(peer->server));
    }
}

static size_t on_header(char *data, size_t size, size_t count, void *context)
{
    struct http *h = context;
    struct http_reply *reply = h->reply;
    size_t n = size * count;
    const char *value, *end = data + n;
    h->last_progress_ms = clock_now_ms();
    note_header(&h->peer, data, end);
    if (value_of(data, n, "HTTP/")) { /* only the final header counts */
        reply->features[0] = '\0';
        reply->last_id = -1;
    }
    if ((value = value_of(data, n, "chancat-features:"))) {
        snprintf(reply->features, sizeof(reply->features), "%.*s", (int)(end - value), value);
    } else if ((value = value_of(data, n, "chancat-last-id:"))) {
        struct span number = text_trim((struct span){value, (size_t)(end - value)});
        if (number_parse(number.data, number.len, &reply->last_id) || reply->last_id < 0)
            reply->last_id = -1;
    }
    return n;
}

/* Takes the URL apart once, so that a mistake is told before anything is sent. */
static enum error_kind check_url(const char *url, struct buf *ret, struct error *e)
{
    enum error_kind kind = ERROR_NONE;
    char *scheme = NULL, *user = NULL, *query = NULL, *fragment = NULL;
    CURLU *parts = curl_url();
    if (!parts)
        return error_set(e, ERROR_LOCAL, "no memory");
    CURLUcode code = curl_url_set(parts, CURLUPART_URL, url, 0);
    curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0);
    curl_url_get(parts, CURLUPART_USER, &user, 0);
    curl_url_get(parts, CURLUPART_QUERY, &query, 0);
    curl_url_get(parts, CURLUPART_FRAGMENT, &fragment, 0);
    size_t len = strlen(url);
    while (len && url[len - 1] == '/')
        len--;
    if (user) /* it may come with a password, so nothing of the URL is shown */
        kind = error_set(e, ERROR_USAGE,
                         "the URL holds a user name; put it and the password into ~/.netrc");
    else if (code || !scheme ||
             (strcasecmp(scheme, "http") != 0 && strcasecmp(scheme, "https") != 0))
        kind =
            error_set(e, ERROR_USAGE, "'%.200s' is not a URL that starts with http:// or https://",
                      strchr(url, '@') ? "..." : url);
    else if (query || fragment)
        kind = error_set(e, ERROR_USAGE, "the URL must end before any '?' or '#'");
    else if (buf_add(ret, url, len))
        kind = error_set(e, ERROR_USAGE, "the URL is longer than %d bytes", HTTP_BASE_MAX);
    curl_free(scheme);
    curl_free(user);
    curl_free(query);
    curl_free(fragment);
    curl_url_cleanup(parts);
    return kind;
}

/* libcurl opens ~/.netrc before each request; one that is not there need not be looked for. */
static bool has_netrc(void)
{
    char path[PATH_MAX];
    const char *home = getenv("HOME");
    if (!home || !home[0] || getenv("NETRC"))
        return true; /* libcurl finds another way to one */
    snprintf(path, sizeof(path), "%s/.netrc", home);
    return access(path, F_OK) == 0;
}

static CURLcode set_options(struct http *h, const struct http_config *c)
{
    CURLcode r = CURLE_OK;
#define SET(option, value) r = r ? r : curl_easy_setopt(h->easy, option, value)
    SET(CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
    SET(CURLOPT_QUICK_EXIT, 1L); /* a slow name look-up must not hold up the end of a run */
#endif
    SET(CURLOPT_ERRORBUFFER, h->curl_error);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_USERAGENT, "chancat/" CHANCAT_VERSION);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_CONNECT_MS);
    SET(CURLOPT_MAXAGE_CONN, (long)HTTP_REUSE_S);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_BUFFERSIZE, READ_BUFFER_BYTES);
    SET(CURLOPT_READFUNCTION, on_read);
    SET(CURLOPT_READDATA, h);
    SET(CURLOPT_SEEKFUNCTION, on_seek);
    SET(CURLOPT_SEEKDATA, h);
    SET(CURLOPT_WRITEFUNCTION, on_write);
    SET(CURLOPT_WRITEDATA, h);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, h);
    SET(CURLOPT_NETRC, (long)(has_netrc() ? CURL_NETRC_OPTIONAL : CURL_NETRC_IGNORED));
    if (c->token) {
        SET(CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
        SET(CURLOPT_XOAUTH2_BEARER, c->token);
    }
    if (c->ca_file)
        SET(CURLOPT_CAINFO, c->ca_file);
    if (c->cert_file)
        SET(CURLOPT_SSLCERT, c->cert_file);
    if (c->key_file)
        SET(CURLOPT_SSLKEY, c->key_file);
    if (c->abortive) {
        SET(CURLOPT_SOCKOPTFUNCTION, on_socket);
        SET(CURLOPT_SOCKOPTDATA, h);
        SET(CURLOPT_CLOSESOCKETFUNCTION, on_close);
        SET(CURLOPT_CLOSESOCKETDATA, h);
    }
    if (c->unix_socket)
        SET(CURLOPT_UNIX_SOCKET_PATH, c->unix_socket);
#undef SET
    return r;
}

/* What every request has: no pause before large bodies, and no old answer from a cache. */
static struct curl_slist *make_headers(void)
{
    struct curl_slist *first = curl_slist_append(NULL, "Expect:");
    if (!first || curl_slist_append(first, "Cache-Control: no-cache"))
        return first;
    curl_slist_free_all(first);
    return NULL;
}

enum error_kind http_open(const struct http_config *config, struct http **ret, struct error *e)
{
    struct http *h = calloc(1, sizeof(*h));
    if (!h)
        return error_set(e, ERROR_LOCAL, "no memory for a connection");
    h->fd = -1;
    h->peer.date_s = -1;
    h->unix_socket = config->unix_socket;
    buf_init(&h->url, HTTP_BASE_MAX);
    enum error_kind kind = check_url(config->url, &h->url, e);
    if (kind)
        goto fail;
    h->prefix_len = h->url.len;
    h->url.max_bytes = SIZE_MAX / 2; /* targets are bounded by their makers */
    h->multi = curl_multi_init();
    h->easy = curl_easy_init();
    h->headers = make_headers();
    CURLcode code = CURLE_OUT_OF_MEMORY;
    if (h->multi && h->easy && h->headers)
        code = set_options(h, config);
    if (code) {
        kind =
            error_set(e, ERROR_LOCAL, "cannot set up a connection: %s", curl_easy_strerror(code));
        goto fail;
    }
    *ret = h;
    return ERROR_NONE;
fail:
    http_close(h);
    return kind;
}

void http_close(struct http *h)
{
    if (!h)
        return;
    curl_easy_cleanup(h->easy);
    curl_multi_cleanup(h->multi);
    curl_slist_free_all(h->headers);
    curl_slist_free_all(h->own_headers);
    buf_release(&h->url);
    free(h);
}

static bool add_header(struct curl_slist *list, const char *name, const char *value)
{
    char line[160];
    snprintf(line, sizeof(line), "%s: %s", name, value);
    return !value || curl_slist_append(list, line);
}

/* The list with what this request has besides; NULL: no memory. */
static struct curl_slist *own_headers(struct http *h, const struct http_request *request)
{
    curl_slist_free_all(h->own_headers);
    h->own_headers = make_headers();
    if (h->own_headers && add_header(h->own_headers, "Content-Type", request->content_type) &&
        add_header(h->own_headers, "Idempotency-Key", request->idempotency_key) &&
        add_header(h->own_headers, "Prefer", request->prefer))
        return h->own_headers;
    curl_slist_free_all(h->own_headers);
    h->own_headers = NULL;
    return NULL;
}

static bool prepare(struct http *h, const struct http_request *request)
{
    struct curl_slist *headers =
        request->idempotency_key || request->content_type || request->prefer
            ? own_headers(h, request)
            : h->headers;
    if (!headers)
        return false;
    h->url.len = h->prefix_len;
    if (buf_add_str(&h->url, request->target))
        return false;
    CURLcode r = curl_easy_setopt(h->easy, CURLOPT_URL, h->url.data);
    r = r ? r : curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, headers);
    if (request->post) {
        r = r ? r : curl_easy_setopt(h->easy, CURLOPT_POST, 1L);
        r = r ? r
              : curl_easy_setopt(h->easy, CURLOPT_POSTFIELDSIZE_LARGE,
                                 (curl_off_t)request->body.len);
    } else {
        r = r ? r : curl_easy_setopt(h->easy, CURLOPT_HTTPGET, 1L);
    }
    return r == CURLE_OK && curl_multi_add_handle(h->multi, h->easy) == CURLM_OK;
}

/* Has the transfer ended? */
static bool take_result(struct http *h)
{
    int queued;
    CURLMsg *message;
    while ((message = curl_multi_info_read(h->multi, &queued))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        h->reply->code = (int)message->data.result;
        h->reply->end = h->aborted             ? HTTP_ABORTED
                        : message->data.result ? HTTP_FAILED
                                               : HTTP_COMPLETE;
        return true;
    }
    return false;
}

static void poll_until(struct http *h, int64_t deadline, bool first_signal_seen, int watch_fd)
{
    struct curl_waitfd fds[2] = {
        {.fd = first_signal_seen ? stop_now_fd() : stop_fd(), .events = CURL_WAIT_POLLIN},
        {.fd = watch_fd},
    };
    int left = clock_left_ms(deadline);
    /* curl_multi_poll takes no "for ever" */
    curl_multi_poll(h->multi, fds, watch_fd >= 0 ? 2 : 1, left < 0 ? 3600000 : left, NULL);
}

static bool second_signal(void)
{
    struct pollfd p = {.fd = stop_now_fd(), .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

/* After each look at the network: has all of the request been given to the connection? */
static void note_sent(struct http *h)
{
    if (h->told_sent || h->sent < h->request->body.len)
        return;
    h->told_sent = true;
    cork(h, false);
    if (h->request->on_sent)
        h->request->on_sent(h->request->context);
}

/* The loop of one transfer; sets reply->end. */
static void run(struct http *h)
{
    const struct http_request *request = h->request;
    int64_t stop_at = CLOCK_NEVER; /* set by the first signal */
    int64_t limit_at = request->limit_ms ? clock_deadline(request->limit_ms) : CLOCK_NEVER;
    for (;;) {
        int running;
        curl_multi_perform(h->multi, &running);
        if (request->on_flush) {
            int64_t before = clock_now_ms();
            if (!request->on_flush(request->context))
                h->aborted = true;
            h->last_progress_ms += clock_now_ms() - before; /* a slow reader is no silent server */
        }
        if (take_result(h))
            return;
        h->reply->end = HTTP_ABORTED;
        if (h->aborted)
            return;
        note_sent(h);
        if (stop_signal() && stop_at == CLOCK_NEVER)
            stop_at = clock_deadline(request->grace_ms);
        h->reply->end = HTTP_INTERRUPTED;
        if (stop_at != CLOCK_NEVER && (clock_left_ms(stop_at) == 0 || second_signal()))
            return;
        if (request->interrupt && request->interrupt(request->context))
            return;
        h->reply->end = HTTP_SILENT;
        int64_t silent_at = clock_sooner(h->last_progress_ms + request->silence_ms, limit_at);
        if (clock_left_ms(silent_at) == 0)
            return;
        int64_t wake_at = request->wake_at ? request->wake_at(request->context) : CLOCK_NEVER;
        poll_until(h, clock_sooner(silent_at, clock_sooner(stop_at, wake_at)),
                   stop_at != CLOCK_NEVER, request->watch_fd);
    }
}

/* Of a connection that was made for this request. */
static void note_connection(struct http *h)
{
    struct http_peer *peer = &h->peer;
    char *address = NULL;
    long port = 0, connects = 0;
    curl_off_t looked_up = 0, connected = 0, secured = 0;
    curl_easy_getinfo(h->easy, CURLINFO_NUM_CONNECTS, &connects);
    curl_easy_getinfo(h->easy, CURLINFO_NAMELOOKUP_TIME_T, &looked_up);
    curl_easy_getinfo(h->easy, CURLINFO_CONNECT_TIME_T, &connected);
    curl_easy_getinfo(h->easy, CURLINFO_APPCONNECT_TIME_T, &secured);
    curl_easy_getinfo(h->easy, CURLINFO_PRIMARY_IP, &address);
    curl_easy_getinfo(h->easy, CURLINFO_PRIMARY_PORT, &port);
    if (connects == 0 || connected == 0)
        return;
    if (h->unix_socket)
        snprintf(peer->address, sizeof(peer->address), "socket %s", h->unix_socket);
    else
        snprintf(peer->address, sizeof(peer->address), "%s port %ld", address ? address : "?",
                 port);
    peer->lookup_us = looked_up;
    peer->connect_us = connected - looked_up;
    peer->tls_us = secured ? secured - connected : 0;
    if (log_get_level() < LOG_VERBOSE)
        return;
    char tls[32] = "";
    if (peer->tls_us)
        snprintf(tls, sizeof(tls), ", TLS %.1f ms", (double)peer->tls_us / 1000);
    log_info("connected to %s: look-up %.1f ms, connect %.1f ms%s", peer->address,
             (double)peer->lookup_us / 1000, (double)peer->connect_us / 1000, tls);
}

static void gather(struct http *h)
{
    struct http_reply *reply = h->reply;
    long request_bytes = 0;
    curl_off_t retry_after = 0, uploaded = 0;
    char *location = NULL;
    note_reply(h);
    note_connection(h);
    h->peer.status = reply->status;
    if (reply->status)
        take_header(reply->features, strchr(reply->features, '\0'), h->peer.features,
                    sizeof(h->peer.features));
    curl_easy_getinfo(h->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
    curl_easy_getinfo(h->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
    curl_easy_getinfo(h->easy, CURLINFO_RETRY_AFTER, &retry_after);
    curl_easy_getinfo(h->easy, CURLINFO_REDIRECT_URL, &location);
    reply->left = request_bytes > 0 || uploaded > 0;
    if (retry_after > 0)
        reply->retry_after_ms = retry_after > 86400 ? 86400000 : (int64_t)retry_after * 1000;
    if (location)
        snprintf(reply->location, sizeof(reply->location), "%s", location);
    if (reply->end == HTTP_SILENT)
        snprintf(reply->error, sizeof(reply->error), "no answer for %lld s",
                 (long long)h->request->silence_ms / 1000);
    else if (reply->code == CURLE_SEND_FAIL_REWIND) /* see http.h: on_seek() */
        snprintf(reply->error, sizeof(reply->error), "the connection broke before the answer");
    else if (reply->end == HTTP_FAILED)
        snprintf(reply->error, sizeof(reply->error), "%s",
                 h->curl_error[0] ? h->curl_error : curl_easy_strerror((CURLcode)reply->code));
}

void http_perform(struct http *h, const struct http_request *request, struct http_reply *reply)
{
    *reply = (struct http_reply){.end = HTTP_FAILED,
                                 .code = CURLE_OUT_OF_MEMORY,
                                 .retry_after_ms = -1,
                                 .last_id = -1,
                                 .error = "no memory for a request"};
    h->request = request;
    h->reply = reply;
    h->sent = 0;
    h->told_sent = false;
    h->aborted = false;
    h->curl_error[0] = '\0';
    h->last_progress_ms = clock_now_ms();
    if (!prepare(h, request))
        return;
    reply->error[0] = '\0';
    cork(h, request->post);
    run(h);
    gather(h);
    curl_multi_remove_handle(h->multi, h->easy);
    h->request = NULL;
    h->reply = NULL;
}

const struct http_peer *http_peer(const struct http *h)
{
    return &h->peer;
}

void http_wait(struct http *h, int64_t deadline, int watch_fd)
{
    poll_until(h, deadline, false, watch_fd);
}

void http_wake(struct http *h)
{
    curl_multi_wakeup(h->multi);
}
