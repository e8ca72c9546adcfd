/* SPDX-License-Identifier: MIT */
#include "server/access_log.h"

#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"

#define PEER_MAX 96

void access_begin(struct access *a, const char *method)
{
    a->wanted = log_get_level() >= LOG_VERBOSE;
    if (!a->wanted)
        return;
    snprintf(a->method, sizeof(a->method), "%s", method);
    a->began_ms = clock_now_ms();
}

static bool is_harmless(struct span name)
{
    static const char *const names[] = {"channel", "last", "before", "count", "limit", "wait"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (span_equal(name, span_of(names[i])))
            return true;
    }
    return false;
}

/* In a value that is shown: does it hide a parameter of its own, encoded once too often? */
static bool is_plain(struct span value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] == '=' || value.data[i] == '@' ||
            (value.len - i >= 3 && (strncasecmp(value.data + i, "%3d", 3) == 0 ||
                                    strncasecmp(value.data + i, "%40", 3) == 0)))
            return false;
    }
    return true;
}

/* One pair of the query. What has no name may be anything. */
static int add_pair(struct buf *b, struct span pair)
{
    const char *equals = memchr(pair.data, '=', pair.len);
    size_t name = equals ? (size_t)(equals - pair.data) : 0;
    if (pair.len == 0)
        return 0;
    if (equals && is_harmless((struct span){pair.data, name}) &&
        is_plain((struct span){equals + 1, pair.len - name - 1}))
        return buf_add(b, pair.data, pair.len);
    return buf_add(b, pair.data, name) || buf_add_str(b, equals ? "=*" : "*");
}

/* The part before the query: a path, or whatever a client of a proxy sends. No path here has an @
 * or a =, and what stands before the one and behind the other may be a secret in any of the forms
 * that a target can take: http://me:secret@host/, //me:secret@host/, me:secret@host:443. */
static int add_path(struct buf *b, struct span path)
{
    const char *end = path.data + path.len, *from = path.data, *upto = end;
    for (const char *at = path.data; at < end; at++) {
        bool three = end - at >= 3;
        if (*at == '@')
            from = at;
        else if (three && strncasecmp(at, "%40", 3) == 0)
            from = at;
        else if (*at == '=' || (three && strncasecmp(at, "%3d", 3) == 0))
            upto = at < upto ? at : upto;
    }
    if (upto < from) /* a secret with both */
        return buf_add_char(b, '*');
    return (from > path.data && buf_add_char(b, '*')) || buf_add(b, from, (size_t)(upto - from)) ||
           (upto < end && buf_add_str(b, "=*"));
}

int access_add_target(struct buf *b, const char *target)
{
    size_t path = strcspn(target, "?#;");
    int bad = add_path(b, (struct span){target, path});
    const char *query = target + path;
    while (!bad && *query) {
        if (*query == '#') /* nothing that a client should send */
            return buf_add_str(b, "#*");
        bad = buf_add_char(b, *query++); /* what divides: ? & or ; */
        size_t len = strcspn(query, "&;?#");
        bad = bad || add_pair(b, (struct span){query, len});
        query += len;
    }
    return bad ? -1 : 0;
}

static void tell_peer(const struct sockaddr *peer, char text[PEER_MAX])
{
    char host[64], port[16];
    bool v6 = peer && peer->sa_family == AF_INET6;
    socklen_t len = v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    if (peer && peer->sa_family == AF_UNIX)
        snprintf(text, PEER_MAX, "unix");
    else if (!peer || getnameinfo(peer, len, host, sizeof(host), port, sizeof(port),
                                  NI_NUMERICHOST | NI_NUMERICSERV))
        snprintf(text, PEER_MAX, "unknown");
    else
        snprintf(text, PEER_MAX, "%s%s%s:%s", v6 ? "[" : "", host, v6 ? "]" : "", port);
}

void access_end(const struct access *a, const struct access_end *end)
{
    if (!a->wanted)
        return;
    char peer[PEER_MAX];
    struct buf target;
    buf_init(&target, 2 * strlen(end->target) + 1); /* x= becomes x=* */
    tell_peer(end->peer, peer);
    const char *shown = access_add_target(&target, end->target) || !target.data ? "*" : target.data;
    int64_t bytes = strcmp(a->method, "HEAD") == 0 ? 0 : end->bytes;
    bool is_long = strlen(shown) > ACCESS_TARGET_MAX;
    log_info("%s %d%s %" PRId64 " bytes %" PRId64 " ms %s %.*s%s", peer, end->status,
             end->cut ? " cut" : "", bytes, clock_now_ms() - a->began_ms, a->method,
             ACCESS_TARGET_MAX, shown, is_long ? "..." : "");
    buf_release(&target);
}
