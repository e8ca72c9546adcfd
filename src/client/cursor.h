/* SPDX-License-Identifier: MIT */
/*
 * cursor: the file that remembers how far a channel was printed (--cursor-file).
 *
 * One line: a version, the id and the fingerprint of the newest message printed, server and channel
 * that it belongs to, and a checksum over all of it:
 *
 *     chancat-cursor-1 ID FINGERPRINT SERVER CHANNEL CHECKSUM
 *
 * (decimal id, hexadecimal fingerprint and checksum of 16 digits, server and channel
 * form-encoded). Id 0: the channel was empty. Fingerprint 0: the message was never seen
 * (--after). The checksum is hash_add over the line up to and with the space before it.
 *
 * Saving never harms what was saved before: FILE.tmp is written and put on disk, FILE stays as
 * FILE.prev (a hard link, where the file system has them), FILE.tmp takes its name, and the
 * directory is put on disk. All modes are 0600. FILE.lock keeps a second run off; it stays behind,
 * empty.
 *
 * A file that is damaged is never taken for "no file": FILE.prev is used, and said so; without a
 * good one the run does not start. A damaged FILE stays until the next save, which leaves FILE.prev
 * as it is. A FILE that is not there is a new start (FILE.prev is not looked at): removing FILE is
 * how a person starts anew.
 *
 * A FILE that is a symbolic link stays one: all of this happens where it leads to.
 *
 * Owned by one thread.
 */
#ifndef CHANCAT_CURSOR_H
#define CHANCAT_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/message.h"
#include "common/text.h"

#define CURSOR_PATH_MAX 4000 /* bytes of FILE's name */

struct cursor {
    struct buf path, tmp, prev, directory;
    struct span server, channel; /* not owned */
    int lock_fd;                 /* -1: not open */
    bool found;                  /* `saved` is what the file holds; false: there is no file */
    bool damaged;                /* `saved` is what FILE.prev holds, FILE is damaged */
    struct message_mark saved;
};

/*
 * Locks, reads what is there, and makes sure that a later save can work: what is there is written
 * anew in the same way; where there is nothing, FILE.tmp is put on disk and removed. `server` is
 * the URL without closing slashes.
 *
 * ERROR_USAGE: the file belongs to another server or channel; FILE is no name of a file (empty,
 * too long, closing slash) or names a directory, a FIFO or a device. ERROR_LOCAL: it is damaged and
 * so is FILE.prev; another run uses it (the lock is taken); it cannot be read or written; memory.
 *
 * A damaged FILE with a good FILE.prev is warned about (log_warn). The caller calls
 * cursor_close() in any case; a zeroed struct that was never opened is fine there.
 */
enum error_kind cursor_open(struct cursor *c, const char *path, struct span server,
                            struct span channel, struct error *e);
void cursor_close(struct cursor *c);

/* Saves durably and remembers it in c->saved (found is true from then on). Nothing happens when
 * `mark` is saved already. ERROR_LOCAL: FILE still holds what it held before, and may be saved to
 * again; if only the last step failed (putting the directory on disk), it may hold `mark`. */
enum error_kind cursor_save(struct cursor *c, struct message_mark mark, struct error *e);

#endif
