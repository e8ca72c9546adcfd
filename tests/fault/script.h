/* SPDX-License-Identifier: MIT */
/*
 * script: the rules that tell the fault server when to misbehave, and how. The language is
 * described in faultd.c.
 *
 * Every rule counts the requests that fit its method and path; of the rules whose numbers include
 * that count, the first decides. Counting has a lock of its own (a leaf).
 */
#ifndef FAULT_SCRIPT_H
#define FAULT_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"

enum action_kind {
    ACTION_NORMAL = 0,
    ACTION_STATUS,       /* number, retry_after, file: that status, nothing stored */
    ACTION_STATUS_AFTER, /* the same, but stored */
    ACTION_CLOSE_BEFORE,
    ACTION_CLOSE_AFTER,
    ACTION_RESET_BEFORE,
    ACTION_RESET_AFTER,
    ACTION_CUT,     /* number: bytes of the body */
    ACTION_CUT_ALL, /* number: bytes of head and body */
    ACTION_CUT_CHUNKED,
    ACTION_STALL_BEFORE, /* pause_ms */
    ACTION_STALL,        /* number: bytes of the body, pause_ms */
    ACTION_HANG,
    ACTION_HTML,
    ACTION_BODY, /* file */
    ACTION_STATUS_LINE_ONLY,
    ACTION_DRIP,     /* number: bytes a piece */
    ACTION_REDIRECT, /* number: status, file: the URL */
    ACTION_LIE_ID,
    ACTION_WRONG_ECHO,
    ACTION_CLOSE_KEPT,
    ACTION_RESET_KEPT
};

struct action {
    enum action_kind kind;
    int64_t number;
    int64_t pause_ms;    /* WIRE_HELD: until the release */
    bool held;           /* until the release, before all else */
    int64_t retry_after; /* seconds; -1: none */
    const char *file;    /* path or URL */
    struct view content; /* of the file */
    const char *text;    /* the action as written in the script, for the log */
};

struct script;

/* Reads the rules of `path` (NULL: none). NULL with a message on stderr when it is wrong. */
struct script *script_read(const char *path);
void script_free(struct script *s);

/* Counts a request and tells what to do with it. The action lives as long as the script.
 * `channel` is the request's own, as it came. */
const struct action *script_next(struct script *s, const char *method, struct view path,
                                 struct view channel);

#endif
