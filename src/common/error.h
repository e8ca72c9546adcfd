/* SPDX-License-Identifier: MIT */
/*
 * error: the kind of a failure and one sentence about it.
 *
 * Functions that can fail return an enum error_kind (0 = fine) and put the
 * sentence into the caller's struct error, which never allocates. Only main and
 * the modes print it, so nothing is said twice. The kinds tell apart what the
 * caller must do next, not where it happened.
 */
#ifndef CHANCAT_ERROR_H
#define CHANCAT_ERROR_H

enum error_kind {
    ERROR_NONE = 0,
    ERROR_USAGE,       /* the command line, the environment or a configuration file is wrong */
    ERROR_LOCAL,       /* this machine: memory, files, stdin, stdout */
    ERROR_UNREACHABLE, /* the server did not do it this time; trying again may help */
    ERROR_REFUSED,     /* the server, or a rule of ours, said no for good */
    ERROR_UNKNOWN,     /* a message may or may not have been stored */
    ERROR_RESET,       /* the server's history is not the one we knew */
    ERROR_BAD_DATA,    /* bytes that are not what they should be */
    ERROR_STOPPED      /* a signal or another part of the program asked to stop */
};

#define ERROR_TEXT_MAX 512

struct error {
    enum error_kind kind;
    char text[ERROR_TEXT_MAX]; /* no newline, no closing full stop; may hold hostile bytes */
};

/* Fills `e` (NULL: only the kind matters) and returns `kind`, so that
 * `return error_set(e, ERROR_LOCAL, "...")` reads as one step. Long texts are cut. */
enum error_kind error_set(struct error *e, enum error_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Keeps the sentence, changes the kind; returns it. NULL is fine. */
enum error_kind error_rekind(struct error *e, enum error_kind kind);

#endif
