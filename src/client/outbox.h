/* SPDX-License-Identifier: MIT */
/*
 * outbox: lines that are kept on disk until the server has them (--outbox DIR).
 *
 *   DIR/            0700
 *   DIR/tmp/        files being written; whoever is dead left his behind, outbox_lock() removes it
 *   DIR/new/N       a line that waits; N is its number, 20 digits, sent in ascending order
 *   DIR/new/N.try   the line was perhaps sent: what settling its outcome needs
 *   DIR/failed/N.KEY         a line that will never be sent ...
 *   DIR/failed/N.KEY.reason  ... and one sentence why; of a file that is damaged no key can be
 *                            trusted: its name is N.damaged-INODE instead of N.KEY
 *   DIR/lock        flock(2): one process sends, any number enqueue
 *   DIR/spare       room that a .try takes when the disk is full, so that it can be emptied
 *   DIR/batch-FIRST-LAST     these lines were perhaps sent, together (outbox_batch.h)
 *
 * A line is accepted once it is durable: its file is written and put on disk in tmp/, link()ed to
 * the next free number in new/ (EEXIST: the one after), and the directory put on disk. So a
 * number appears whole or not at all, and two writers never get the same one. Lines that are put in
 * together share the waiting for the disk: none gets its number before all are on it.
 *
 * A line's file: one header line, then the bytes of channel, sender and content:
 *
 *     chancat-outbox-1 KEY SERVER CHANNEL-LEN SENDER-LEN CONTENT-LEN CHECKSUM
 *
 * KEY is 128 random bits as 32 hexadecimal digits (the idempotency key; the first 64 are the same
 * for all lines of a run), SERVER is form-encoded, the checksum (16 hexadecimal digits) covers the
 * header up to and with the space before it and all bytes after the header.
 *
 * A .try file is one line, written to tmp/ and rename()d over the one before; CHECKSUM as above:
 *
 *     chancat-try-1 KEY WATERMARK ATTEMPTS FIRST-TRY KEYED CHECKSUM
 *
 * KEY is the line's: a number is used again when new/ and failed/ are empty, and a .try that a
 * crash left behind must not speak for another line. A .try that is damaged says that the line
 * was tried (WATERMARK -1, ATTEMPTS 1, FIRST-TRY 0: long ago); the line stays.
 *
 * WATERMARK: newest id known before the first try, -1: none is known. FIRST-TRY: wall clock,
 * seconds since 1970. KEYED: 1 when all tries had the key, else 0. A line's file that is not what
 * it should be is set aside in failed/ with the reason.
 *
 * Durability of the end: the line's file goes first, then the directory is put on disk, then its
 * .try goes, so that a crash never leaves a tried line that looks untried. A .try without its
 * line is removed by outbox_lock().
 *
 * A struct outbox belongs to one thread; several processes may use one DIR.
 */
#ifndef CHANCAT_OUTBOX_H
#define CHANCAT_OUTBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "client/key.h"
#include "common/buf.h"
#include "common/error.h"
#include "common/message.h"
#include "common/text.h"

#define OUTBOX_PATH_MAX 4000 /* bytes of DIR's name */
#define OUTBOX_RUN_LEN  16
#define OUTBOX_LOOK_MS                                                                             \
    1000 /* others may have added lines meanwhile: look for the highest number                     \
          */
/* Bytes of channel, sender and content, each: those of a message, each byte replaced by U+FFFD. */
#define OUTBOX_TEXT_MAX  (3u * MESSAGE_CONTENT_MAX)
#define OUTBOX_GROUP_MAX 64    /* lines put in together; each holds a file open */
#define OUTBOX_SCAN_MAX  65536 /* numbers remembered of one look into new/, the lowest ones */

struct outbox_try {
    int64_t watermark; /* -1: not known */
    int64_t attempts;  /* 0: never tried, there is no .try */
    int64_t first_s;   /* wall clock of the first try, 0: not known */
    bool keyed;        /* all tries had the key */
};

/* A line in the outbox; spans point into `bytes`. */
struct outbox_line {
    uint64_t number;
    char key[KEY_LEN + 1];
    struct span server, channel, sender, content;
    struct outbox_try try;
    struct buf bytes, server_bytes;
};

/* A file in tmp/ that this process holds. */
struct outbox_temporary {
    int fd;
    char name[KEY_LEN + 1];
};

/* A line on its way into new/. */
struct outbox_added {
    struct outbox_temporary file;
    char key[KEY_LEN + 1];
    uint64_t number;
};

struct outbox {
    struct buf directory;
    struct buf numbers;   /* uint64_t: those given out (0: gone since), then, ascending, the rest */
    size_t next;          /* of those, the first that was not given out */
    uint64_t last_number; /* the highest this process has seen; the next link() tries above it */
    int64_t looked_ms;    /* when that was */
    char run[OUTBOX_RUN_LEN + 1]; /* begins the keys of all lines that this process adds */
    int lock_fd;                  /* -1: not held */
    bool unsynced;                /* outbox_batch.c: a record was removed, perhaps not on disk */
    struct outbox_added group[OUTBOX_GROUP_MAX]; /* put, and not committed */
    size_t group_count;
};

/* Makes the directories that are missing, parents included (0700). ERROR_LOCAL: also when DIR has
 * things in it but is no outbox. The caller calls outbox_close() in any case; a zeroed struct that
 * was never opened is fine there. */
enum error_kind outbox_open(struct outbox *o, const char *directory, struct error *e);
void outbox_close(struct outbox *o);

/*
 * Lines are put in one by one, or in groups, which takes less time: outbox_put_line() writes a
 * line, outbox_commit() puts all of them on disk and then into new/, in their order. A group has
 * OUTBOX_GROUP_MAX lines at most. What was not committed is not in the outbox.
 *
 *   ERROR_LOCAL     disk full and the like; also when so many files are open that the group must be
 *                   committed first
 *   ERROR_BAD_DATA  a text is longer than OUTBOX_TEXT_MAX or no UTF-8, or the URL of the server
 *                   is longer than about 5,000 bytes: it could not be read back
 */
enum error_kind outbox_put_line(struct outbox *o, struct span server, struct span channel,
                                struct span sender, struct span content, struct error *e);

/* The first *ret_accepted of the group are in the outbox, durably; ret_key and *ret_number are the
 * last one's. On failure some are not, and nothing of them is left in new/ (if only the last step
 * fails, whoever sends may have seen them). The group is empty afterwards. */
enum error_kind outbox_commit(struct outbox *o, size_t *ret_accepted, char ret_key[KEY_LEN + 1],
                              uint64_t *ret_number, struct error *e);

/* The group is given up. */
void outbox_abandon(struct outbox *o);

/* A group of one. */
enum error_kind outbox_add(struct outbox *o, struct span server, struct span channel,
                           struct span sender, struct span content, char ret_key[KEY_LEN + 1],
                           uint64_t *ret_number, struct error *e);

/* Becomes the one that sends: *ret_held tells whether it worked; false: another process sends.
 * Who gets it cleans up after the dead (tmp/, .try without a line). Nothing happens when it is held
 * already. ERROR_LOCAL: not held.
 */
enum error_kind outbox_lock(struct outbox *o, bool *ret_held, struct error *e);
void outbox_unlock(struct outbox *o);

/*
 * The waiting line with the lowest number, at most `upto`, among those that the last look into new/
 * found and that were not given out yet; looks anew when it is through with them. So each line is
 * given out once, also when it stays, until outbox_rewind(). (A slow writer may have got a number
 * below one that was given out: its line comes after that.) The lock must be held. `line` was
 * zeroed once by the caller and is reused; outbox_line_release() frees it.
 *
 *   *ret_found false     nothing waits
 *   ERROR_BAD_DATA       the line's file was damaged: it is in failed/ now, the sentence says
 *                        which and why; call again for the next one
 *   ERROR_LOCAL          nothing was given out; the next call tries the same line again
 */
enum error_kind outbox_next(struct outbox *o, uint64_t upto, struct outbox_line *line,
                            bool *ret_found, struct error *e);
void outbox_line_release(struct outbox_line *line);

/* The line with this number and key, whether it was given out or not. *ret_found false: it does
 * not wait any more, or is damaged. The lock must be held. ERROR_LOCAL: it cannot be read. */
enum error_kind outbox_get(struct outbox *o, uint64_t number, const char *key,
                           struct outbox_line *line, bool *ret_found, struct error *e);

/* What outbox_next() has just given out is given out again by the next one. */
void outbox_put_back(struct outbox *o);

/* The lines already given out are given out again by the next outbox_next(). */
void outbox_rewind(struct outbox *o);

/* Makes line->try durable, before the first byte of a try leaves. With attempts 0 it is forgotten:
 * it turned out that nothing has left. ERROR_LOCAL. */
enum error_kind outbox_record_try(struct outbox *o, const struct outbox_line *line,
                                  struct error *e);

/* The server has it: removes it. ERROR_LOCAL: may be called again. */
enum error_kind outbox_remove(struct outbox *o, const struct outbox_line *line, struct error *e);

/* It will never be sent: moves it to failed/, with the reason (made one line). ERROR_LOCAL: it is
 * in one of the two places; may be called again. */
enum error_kind outbox_set_aside(struct outbox *o, const struct outbox_line *line,
                                 const char *reason, struct error *e);

/* Is the line with this number and key in new/ (or has it been set aside)? For those who wait
 * for another process to send it. Damaged counts as this one, since nobody can know: in new/ it
 * waits, in failed/ it is set aside. ERROR_LOCAL. */
enum outbox_state { OUTBOX_WAITS, OUTBOX_SET_ASIDE, OUTBOX_GONE };
enum error_kind outbox_state(struct outbox *o, uint64_t number, const char key[KEY_LEN + 1],
                             enum outbox_state *ret, struct error *e);

/* The highest number in new/ and failed/, 0: none. ERROR_LOCAL. */
enum error_kind outbox_highest(struct outbox *o, uint64_t *ret, struct error *e);

/* How many lines that this process added are in failed/, whoever put them there. ERROR_LOCAL. */
enum error_kind outbox_count_failed(struct outbox *o, int64_t *ret, struct error *e);

/* How many lines wait whose number is at most `upto`. ERROR_LOCAL. */
enum error_kind outbox_count(struct outbox *o, uint64_t upto, int64_t *ret, struct error *e);

#endif
