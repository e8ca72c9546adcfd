/* SPDX-License-Identifier: MIT */
#include "bench/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

void load_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

double load_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

long load_number(const char *text, long least, long most)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (end == text || *end || n < least || n > most)
        load_fail("'%s' is no number from %ld to %ld", text, least, most);
    return n;
}

int load_connect(int port, int nonblocking)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((in_port_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | (nonblocking ? SOCK_NONBLOCK : 0), 0);
    if (fd < 0)
        load_fail("no socket: %s", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) && errno != EINPROGRESS)
        load_fail("cannot connect to port %d: %s", port, strerror(errno));
    return fd;
}

void load_send(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            load_fail("cannot send: %s", strerror(errno));
        data += n;
        len -= (size_t)n;
    }
}

void load_post(int fd, const char *channel, long number)
{
    char body[200], request[500];
    int n = snprintf(body, sizeof(body), "channel=%s&sender=bench&content=message+%ld", channel,
                     number);
    n = snprintf(request, sizeof(request),
                 "POST /send HTTP/1.1\r\nHost: bench\r\n"
                 "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s",
                 n, body);
    load_send(fd, request, (size_t)n);
}

size_t load_reply_len(const char *text)
{
    static const char name[] = "Content-Length:";
    const char *end = strstr(text, "\r\n\r\n");
    if (!end)
        return 0;
    const char *line = text;
    while (line < end && strncasecmp(line, name, sizeof(name) - 1) != 0) {
        line = memchr(line, '\n', (size_t)(end - line));
        if (!line)
            load_fail("a reply without Content-Length");
        line++;
    }
    size_t all = (size_t)(end - text) + 4 + strtoul(line + sizeof(name) - 1, NULL, 10);
    return all <= strlen(text) ? all : 0;
}

static FILE *open_proc(pid_t pid, const char *what)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, what);
    FILE *f = fopen(path, "r");
    if (!f)
        load_fail("%s: %s", path, strerror(errno));
    return f;
}

double load_cpu_ms(pid_t pid)
{
    char text[1024];
    unsigned long user, system;
    FILE *f = open_proc(pid, "stat");
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    text[n] = '\0';
    const char *rest = strrchr(text, ')'); /* behind the name; fields 14 and 15 are wanted */
    if (!rest || sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                        &system) != 2)
        load_fail("/proc/%ld/stat cannot be read", (long)pid);
    return (double)(user + system) * 1e3 / (double)sysconf(_SC_CLK_TCK);
}

long load_resident_kib(pid_t pid)
{
    long pages;
    FILE *f = open_proc(pid, "statm");
    int n = fscanf(f, "%*d %ld", &pages);
    fclose(f);
    if (n != 1)
        load_fail("/proc/%ld/statm cannot be read", (long)pid);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void load_print(const char *name, double *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare);
    printf("%s %.3f %.3f %.3f\n", name, values[(count - 1) / 2],
           values[(count * 99 + 99) / 100 - 1], values[count - 1]);
}
