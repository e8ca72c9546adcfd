/* SPDX-License-Identifier: MIT */
/*
 * copy_end: one end of a copy from database to database: what copy.c needs of a store, in pages.
 *
 * The one end (COPY_FROM) stays at the state it has when it is opened, whatever servers store
 * meanwhile, and is never written to: all messages with an id up to the highest that is there, and
 * none that gets an id later. The other (COPY_TO) is made if it is not there, and nobody else can
 * store in it until it is closed. What is written counts with the next commit, and what was not
 * committed is gone when the process dies.
 *
 * Messages come and go in the order of their ids. So what is in the target is always a beginning of
 * what is in the source, and the highest id in it says where a copy goes on.
 *
 * One thread. All functions: ERROR_LOCAL, or ERROR_STOPPED when a signal came while they waited.
 */
#ifndef CHANCATD_COPY_END_H
#define CHANCATD_COPY_END_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "server/store.h"

#define COPY_PAGE_ROWS  1000       /* at most */
#define COPY_PAGE_BYTES (1u << 20) /* of texts after which a page takes no further row */
#define COPY_KEYS_ROWS  200        /* of keys in a page, each with up to 8 kB of ids */
#define COPY_NONE       INT64_MIN  /* an id below all others */

enum copy_role { COPY_FROM, COPY_TO };

/* Rows are valid until the end is asked for something else. count 0: there are no more. */
struct copy_page {
    const struct store_message *messages;
    size_t count;
};

struct copy_key {
    struct span name;
    int64_t fingerprint, time_s;
    struct span ids; /* 8 bytes each, big-endian; at least one */
};

struct copy_keys {
    const struct copy_key *keys;
    size_t count;
};

struct copy_end;

struct copy_end_ops {
    /* The highest id of a message, COPY_NONE: there is no message; and the highest that ever was
     * given to one, as far as is known. */
    enum error_kind (*last_id)(struct copy_end *end, int64_t *ret, struct error *e);
    enum error_kind (*highest_id)(struct copy_end *end, int64_t *ret, struct error *e);

    /* Messages with a higher id than `after` come next. On the target this ends with the next
     * write. */
    enum error_kind (*seek)(struct copy_end *end, int64_t after, struct error *e);
    enum error_kind (*next)(struct copy_end *end, struct copy_page *ret, struct error *e);

    /* The next keys behind a name, in the order of bytes; "" is before all. */
    enum error_kind (*next_keys)(struct copy_end *end, const char *after, struct copy_keys *ret,
                                 struct error *e);

    /* Only on the target. replace_keys(): all keys behind `after`, up to the last of these (with
     * `rest`: all that are behind), become these. raise_ids(): no message gets this id, or a lower
     * one, from now on; not before the commit. */
    enum error_kind (*write)(struct copy_end *end, const struct copy_page *page, struct error *e);
    enum error_kind (*replace_keys)(struct copy_end *end, const char *after,
                                    const struct copy_keys *keys, bool rest, struct error *e);
    enum error_kind (*raise_ids)(struct copy_end *end, int64_t id, struct error *e);
    enum error_kind (*commit)(struct copy_end *end, struct error *e);

    void (*close)(struct copy_end *end);
};

struct copy_end {
    const struct copy_end_ops *ops;
};

/* Opens the place as store_open() would. COPY_FROM must be there; COPY_TO must be of this program's
 * version, empty or not there. ERROR_USAGE: a place that cannot be an end. */
enum error_kind copy_end_open(const char *where, enum copy_role role, struct copy_end **ret,
                              struct error *e);

#endif
