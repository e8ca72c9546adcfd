/* SPDX-License-Identifier: MIT */
/*
 * conn: one connection from its first request to its end, and what all connections share.
 */
#ifndef FAULT_CONN_H
#define FAULT_CONN_H

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

#include "bytes.h"
#include "script.h"
#include "store.h"

/*
 *   [I] set before the first connection, constant from then on
 *   [S] has a lock of its own
 *   [L] under `lock`, a leaf
 */
struct faultd {
    struct store *store;   /* [S] */
    struct script *script; /* [S] */
    const char *prefix;    /* [I] path before /get and the others; "" for none */
    int release_fds[2];    /* [I] a pipe; readable from the release on */
    int stop_fd;           /* [I] readable when the program ends */
    FILE *log_file;        /* [L] NULL: none */
    pthread_mutex_t lock;
    pthread_cond_t idle;                /* [L] signalled when `open` falls to 0 */
    struct bytes log;                   /* [L] */
    int64_t connections;                /* [L] */
    int64_t open;                       /* [L] */
    int64_t most_open;                  /* [L] */
    int64_t requests;                   /* [L] all but /fault/ */
    int64_t gets, pasts, sends, others; /* [L] of those */
};

/* Serves `fd` in a thread of its own and closes it. */
void conn_start(struct faultd *d, int fd);

/* Waits until every connection has ended. */
void conn_wait_all(struct faultd *d);

#endif
