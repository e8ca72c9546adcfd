/* SPDX-License-Identifier: MIT */
#include "server/guard.h"

#include <sys/ioctl.h>
#include <sys/socket.h>

#include "common/clock.h"

void guard_init(struct guard *g)
{
    g->first = NULL;
    pthread_mutex_init(&g->lock, NULL);
}

void guard_destroy(struct guard *g)
{
    pthread_mutex_destroy(&g->lock);
}

void guard_add(struct guard *g, struct guarded *connection, int fd, int64_t deadline)
{
    pthread_mutex_lock(&g->lock);
    *connection =
        (struct guarded){.fd = fd, .deadline = deadline, .next = g->first, .link = &g->first};
    if (connection->next)
        connection->next->link = &connection->next;
    g->first = connection;
    pthread_mutex_unlock(&g->lock);
}

void guard_set(struct guard *g, struct guarded *connection, int64_t deadline)
{
    pthread_mutex_lock(&g->lock);
    connection->deadline = deadline;
    pthread_mutex_unlock(&g->lock);
}

void guard_remove(struct guard *g, struct guarded *connection)
{
    pthread_mutex_lock(&g->lock);
    *connection->link = connection->next;
    if (connection->next)
        connection->next->link = connection->link;
    pthread_mutex_unlock(&g->lock);
}

int64_t guard_expire(struct guard *g)
{
    int64_t now = clock_now_ms(), nearest = CLOCK_NEVER;
    pthread_mutex_lock(&g->lock);
    for (struct guarded *c = g->first; c; c = c->next) {
        if (c->deadline <= now) {
            shutdown(c->fd, SHUT_RDWR);
            c->deadline = CLOCK_NEVER;
        } else if (c->deadline < nearest) {
            nearest = c->deadline;
        }
    }
    pthread_mutex_unlock(&g->lock);
    return nearest;
}

int64_t guard_unsent(struct guard *g)
{
    int64_t sum = 0;
    pthread_mutex_lock(&g->lock);
    for (struct guarded *c = g->first; c; c = c->next) {
        int bytes = 0;
        if (ioctl(c->fd, TIOCOUTQ, &bytes) == 0)
            sum += bytes;
    }
    pthread_mutex_unlock(&g->lock);
    return sum;
}
