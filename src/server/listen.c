/* SPDX-License-Identifier: MIT */
#include "server/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/file.h"
#include "common/number.h"

#define FIRST_PASSED_FD 3 /* SD_LISTEN_FDS_START */

static enum error_kind failed(const char *address, struct error *e)
{
    return error_set(e, ERROR_LOCAL, "cannot listen on %.200s: %s", address, strerror(errno));
}

static int make_socket(int family)
{
    int fd = socket(family, SOCK_STREAM, 0);
    if (fd >= 0)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

/* A socket in the file system that refuses connections belongs to nobody. */
static bool is_dead_socket(const struct sockaddr_un *where)
{
    struct stat st;
    if (lstat(where->sun_path, &st) || !S_ISSOCK(st.st_mode))
        return false;
    int fd = make_socket(AF_UNIX);
    if (fd < 0)
        return false;
    bool dead =
        connect(fd, (const struct sockaddr *)where, sizeof(*where)) < 0 && errno == ECONNREFUSED;
    close(fd);
    return dead;
}

static enum error_kind take_path(const char *path, struct sockaddr_un *where, struct error *e)
{
    *where = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (!*path || strlen(path) >= sizeof(where->sun_path))
        return error_set(e, ERROR_USAGE, "unix:PATH needs a path of 1 to %zu bytes",
                         sizeof(where->sun_path) - 1);
    snprintf(where->sun_path, sizeof(where->sun_path), "%s", path);
    return ERROR_NONE;
}

/* Only a socket is replaced. */
static enum error_kind look_at_place(const struct sockaddr_un *where, bool *exists, struct error *e)
{
    struct stat st;
    *exists = lstat(where->sun_path, &st) == 0;
    if (!*exists)
        return errno == ENOENT ? ERROR_NONE : failed(where->sun_path, e);
    return S_ISSOCK(st.st_mode)
               ? ERROR_NONE
               : error_set(e, ERROR_LOCAL, "cannot listen on %.200s: something else is there",
                           where->sun_path);
}

static enum error_kind check_unix(const char *path, struct error *e)
{
    struct sockaddr_un where;
    struct buf directory;
    bool exists = false;
    enum error_kind kind = take_path(path, &where, e);
    if (!kind)
        kind = look_at_place(&where, &exists, e);
    if (kind)
        return kind;
    if (exists && access(path, W_OK)) /* one that we could not even ask whether it lives */
        return failed(path, e);
    buf_init(&directory, sizeof(where.sun_path));
    if (file_add_directory(&directory, path))
        kind = error_set(e, ERROR_LOCAL, "no memory");
    else if (access(directory.data, W_OK | X_OK))
        kind = error_set(e, ERROR_LOCAL, "cannot make files in %.200s: %s", directory.data,
                         strerror(errno));
    buf_release(&directory);
    return kind;
}

static enum error_kind open_unix(struct listener *l, const char *path, struct error *e)
{
    struct sockaddr_un where;
    _Static_assert(sizeof(where.sun_path) <= sizeof(l->path), "it is copied there");
    bool exists;
    enum error_kind kind = take_path(path, &where, e);
    if (!kind)
        kind = look_at_place(&where, &exists, e);
    if (kind)
        return kind;
    l->fd = make_socket(AF_UNIX);
    if (l->fd < 0)
        return failed(path, e);
    if (is_dead_socket(&where))
        unlink(path);
    if (bind(l->fd, (struct sockaddr *)&where, sizeof(where)))
        return failed(path, e);
    snprintf(l->path, sizeof(l->path), "%s", path);
    if (listen(l->fd, LISTEN_BACKLOG))
        return failed(path, e);
    snprintf(l->url, sizeof(l->url), "unix:%s", path);
    return ERROR_NONE;
}

/* Takes HOST:PORT or [HOST]:PORT apart. */
static bool split(const char *address, char host[256], char port[16])
{
    const char *colon = strrchr(address, ':');
    size_t len = colon ? (size_t)(colon - address) : 0;
    if (!colon || len == 0 || len >= 256 || strlen(colon + 1) >= 16 || !colon[1] ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return false;
    bool brackets = address[0] == '[' && address[len - 1] == ']';
    if (!brackets && memchr(address, ':', len))
        return false;
    if (strtol(colon + 1, NULL, 10) > UINT16_MAX) /* getaddrinfo() would take it modulo 65536 */
        return false;
    snprintf(host, 256, "%.*s", (int)(brackets ? len - 2 : len), address + brackets);
    snprintf(port, 16, "%s", colon + 1);
    return host[0] != '\0';
}

/* 0, or -1: errno. *ret is the caller's to close unless it is -1. */
static int bind_one(const struct addrinfo *info, int *ret)
{
    int one = 1, fd = *ret = make_socket(info->ai_family);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (info->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    return bind(fd, info->ai_addr, info->ai_addrlen);
}

static void tell_unix_url(struct listener *l, const struct sockaddr_un *where, socklen_t len)
{
    size_t used = len > offsetof(struct sockaddr_un, sun_path)
                      ? len - offsetof(struct sockaddr_un, sun_path)
                      : 0;
    bool hidden = used > 0 && where->sun_path[0] == '\0'; /* outside the file system */
    snprintf(l->url, sizeof(l->url), "unix:%s%.*s", hidden ? "@" : "", (int)(used - hidden),
             where->sun_path + hidden);
}

static enum error_kind tell_url(struct listener *l, const char *address, struct error *e)
{
    struct sockaddr_storage where;
    socklen_t len = sizeof(where);
    char host[256], port[16];
    if (getsockname(l->fd, (struct sockaddr *)&where, &len))
        return failed(address, e);
    if (where.ss_family == AF_UNIX) {
        tell_unix_url(l, (const struct sockaddr_un *)&where, len);
        return ERROR_NONE;
    }
    int r = getnameinfo((struct sockaddr *)&where, len, host, sizeof(host), port, sizeof(port),
                        NI_NUMERICHOST | NI_NUMERICSERV);
    if (r)
        return error_set(e, ERROR_LOCAL, "cannot tell the address: %s", gai_strerror(r));
    bool v6 = where.ss_family == AF_INET6;
    snprintf(l->url, sizeof(l->url), "http://%s%s%s:%s", v6 ? "[" : "", host, v6 ? "]" : "", port);
    return ERROR_NONE;
}

/* The number in a variable, 0 when it is not there. ERROR_USAGE: it is none. */
static enum error_kind number_of(const char *variable, int64_t *ret, struct error *e)
{
    const char *text = getenv(variable);
    *ret = 0;
    if (text && *text && (number_parse(text, strlen(text), ret) || *ret < 0))
        return error_set(e, ERROR_USAGE, "%s is no number: '%.100s'", variable, text);
    return ERROR_NONE;
}

static bool is_stream_listener(int fd)
{
    int type = 0, listens = 0;
    socklen_t type_len = sizeof(type), listens_len = sizeof(listens);
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) == 0 && type == SOCK_STREAM &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &listens_len) == 0 && listens;
}

enum error_kind listen_inherit(struct listener *l, struct error *e)
{
    *l = (struct listener){.fd = -1};
    int64_t pid, count;
    enum error_kind kind = number_of("LISTEN_PID", &pid, e);
    if (kind || pid != getpid())
        return kind; /* meant for another process, which started this one */
    kind = number_of("LISTEN_FDS", &count, e);
    if (kind)
        return kind;
    if (count != 1)
        return error_set(e, ERROR_USAGE, "LISTEN_FDS is %lld, and one socket is served",
                         (long long)count);
    if (!is_stream_listener(FIRST_PASSED_FD))
        return error_set(e, ERROR_USAGE, "what was passed is no stream socket that listens");
    l->fd = FIRST_PASSED_FD;
    l->inherited = true;
    fcntl(l->fd, F_SETFD, FD_CLOEXEC);
    return tell_url(l, "the socket passed", e);
}

/* The caller frees what was found. */
static enum error_kind find(const char *address, struct addrinfo **ret, struct error *e)
{
    char host[256], port[16];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    if (!split(address, host, port))
        return error_set(e, ERROR_USAGE, "'%.200s' is not HOST:PORT, [IPv6]:PORT or unix:PATH",
                         address);
    int r = getaddrinfo(host, port, &hints, ret);
    return r ? error_set(e, ERROR_LOCAL, "cannot listen on %.200s: %s", address, gai_strerror(r))
             : ERROR_NONE;
}

enum error_kind listen_open(struct listener *l, const char *address, struct error *e)
{
    *l = (struct listener){.fd = -1};
    if (strncmp(address, "unix:", 5) == 0)
        return open_unix(l, address + 5, e);
    struct addrinfo *found;
    enum error_kind kind = find(address, &found, e);
    if (kind)
        return kind;
    if (bind_one(found, &l->fd) || listen(l->fd, LISTEN_BACKLOG))
        kind = failed(address, e);
    freeaddrinfo(found);
    return kind ? kind : tell_url(l, address, e);
}

enum error_kind listen_check(const char *address, struct error *e)
{
    int fd;
    if (strncmp(address, "unix:", 5) == 0)
        return check_unix(address + 5, e);
    struct addrinfo *found;
    enum error_kind kind = find(address, &found, e);
    if (kind)
        return kind;
    /* Whether it may be had is looked at before whether somebody has it. Nobody is disturbed: a
     * socket that does not listen keeps the port from no server. */
    if (bind_one(found, &fd) && errno != EADDRINUSE)
        kind = failed(address, e);
    if (fd >= 0)
        close(fd);
    freeaddrinfo(found);
    return kind;
}

void listen_close(struct listener *l)
{
    if (l->fd >= 0)
        close(l->fd);
    if (l->path[0])
        unlink(l->path);
    *l = (struct listener){.fd = -1};
}
