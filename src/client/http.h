/* SPDX-License-Identifier: MIT */
/*
 * http: the one user of curl.h: a request in, status and bytes out, within limits.
 *
 * A struct http is one kept-alive connection and belongs to one thread; only http_wake() may be
 * called by others. It knows nothing of messages.
 *
 * libcurl re-sends a POST by itself when a reused connection dies before the reply (two
 * messages stored, one success seen). So the body goes out through a read callback, and the seek
 * callback refuses: such a request ends with error 65 instead. No redirect is followed.
 *
 * Limits: HTTP_CONNECT_MS to connect, the request's `silence_ms` without a byte either way,
 * HTTP_REUSE_S seconds of idleness before a connection is not used again.
 */
#ifndef CHANCAT_HTTP_H
#define CHANCAT_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/text.h"

#define HTTP_CONNECT_MS 10000
#define HTTP_REUSE_S    30
#define HTTP_BASE_MAX   4096 /* bytes of the server's URL */

struct http;

/* All strings stay the caller's and must outlive the handle; NULL where not wanted. */
struct http_config {
    const char *url; /* http:// or https://, a path prefix is kept */
    const char *token;
    const char *ca_file, *cert_file, *key_file;
    const char *unix_socket;
    /* Close by reset (SO_LINGER): what the kernel has not delivered yet when we give up or die is
     * thrown away, so that a request cannot arrive after we are gone. For sending. */
    bool abortive;
};

enum http_end {
    HTTP_COMPLETE,   /* a whole reply came; `status` says what it is */
    HTTP_FAILED,     /* libcurl's `code` and `error` say why */
    HTTP_SILENT,     /* nothing happened for silence_ms, or limit_ms have passed */
    HTTP_ABORTED,    /* on_body returned false */
    HTTP_INTERRUPTED /* `interrupt` returned true, or a signal came */
};

struct http_reply {
    enum http_end end;
    int code;               /* of libcurl */
    long status;            /* 0: no status line came */
    bool left;              /* a byte of the request may have left this machine */
    bool reconnected;       /* it went over a new connection; known when a body comes */
    int64_t retry_after_ms; /* -1: not sent */
    int64_t last_id;        /* the header Chancat-Last-Id; -1: not sent */
    char features[128];     /* the header Chancat-Features */
    char location[256];     /* where a redirect points */
    char error[256];        /* a sentence for HTTP_FAILED and HTTP_SILENT */
};

/* The other side: of the connection made last, and of the final reply that came last. */
struct http_peer {
    char address[128];  /* "ADDRESS port N" or "socket PATH"; empty: there was no connection */
    int64_t lookup_us;  /* for the name, */
    int64_t connect_us; /* then for the connection, */
    int64_t tls_us;     /* then for TLS (0: none) */
    long status;        /* of the reply; 0: none came */
    int64_t date_s;     /* the header Date; -1: there was none */
    char features[128]; /* the header Chancat-Features */
    char server[128];   /* the header Server */
};

struct http_request {
    const char *target; /* path and query, put behind the URL's prefix */
    bool post;
    struct span body;            /* of a POST, form-encoded */
    const char *content_type;    /* of it; NULL: form-encoded */
    const char *idempotency_key; /* sent as the header of that name; NULL: none */
    const char *prefer;          /* the same */
    int64_t silence_ms;
    int64_t limit_ms; /* for all of it; 0: none, as long as something happens */
    int64_t grace_ms; /* how long a signal lets the request go on (a second signal ends it) */
    int watch_fd;     /* wakes the wait when its other end goes away; -1: none */
    /* A piece of the reply's body; reply->status is known. False aborts. */
    bool (*on_body)(void *context, const struct http_reply *reply, struct span piece);
    /* All that one look at the network brought has been handed over. False aborts. May be NULL. */
    bool (*on_flush)(void *context);
    /* Called once, when all of the request was given to the connection and its reply has not come:
     * time for other work that takes no longer than a reply. May be NULL. */
    void (*on_sent)(void *context);
    /* Asked after every wake-up; true ends the request. May be NULL. */
    bool (*interrupt)(void *context);
    /* When `interrupt` wants to be asked next, at the latest (clock_now_ms(), or CLOCK_NEVER);
     * asked before every wait. May be NULL. */
    int64_t (*wake_at)(void *context);
    void *context;
};

/* curl_global_init and its counterpart; once, while there is one thread. */
enum error_kind http_global_init(struct error *e);
void http_global_release(void);

/* ERROR_USAGE: the URL cannot be used. ERROR_LOCAL: memory. The caller calls http_close(). */
enum error_kind http_open(const struct http_config *config, struct http **ret, struct error *e);
void http_close(struct http *h);

/* Runs one request to its end; fills *reply in any case. A new connection is told at LOG_VERBOSE.
 */
void http_perform(struct http *h, const struct http_request *request, struct http_reply *reply);

/* What is known of the other side; the handle's. */
const struct http_peer *http_peer(const struct http *h);

/* Waits until `deadline` (clock_now_ms), http_wake(), a stop signal, or an event on watch_fd. */
void http_wait(struct http *h, int64_t deadline, int watch_fd);

/* Ends the wait of http_perform or http_wait once, now or when it begins. Any thread. */
void http_wake(struct http *h);

/* libcurl's version, such as libcurl/7.88.1, for --version; and that of what it runs with, followed
 * by the libraries which that uses. */
const char *http_library_version(void);
const char *http_library_details(void);

#endif
