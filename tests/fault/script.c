/* SPDX-License-Identifier: MIT */
#include "script.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

#define LINE_WORDS 16
#define LINE_BYTES 4096

struct rule {
    char *line; /* the words below point into it */
    const char *method;
    const char *path;
    const char *channel; /* NULL: any */
    int64_t first, last;
    int64_t seen; /* under the lock */
    struct action action;
    char *text;
    char *content;
};

struct script {
    pthread_mutex_t lock; /* guards `seen` of the rules; all else is constant */
    struct rule *rules;
    size_t count;
};

/* name, kind, then its arguments: n number, s seconds, f file, u URL, r the tail of `status` */
static const struct {
    const char *name;
    enum action_kind kind;
    const char *arguments;
} actions[] = {
    {"normal", ACTION_NORMAL, ""},
    {"status", ACTION_STATUS, "nr"},
    {"status-after", ACTION_STATUS_AFTER, "nr"},
    {"close-before", ACTION_CLOSE_BEFORE, ""},
    {"close-after", ACTION_CLOSE_AFTER, ""},
    {"reset-before", ACTION_RESET_BEFORE, ""},
    {"reset-after", ACTION_RESET_AFTER, ""},
    {"cut", ACTION_CUT, "n"},
    {"cut-all", ACTION_CUT_ALL, "n"},
    {"cut-chunked", ACTION_CUT_CHUNKED, "n"},
    {"stall-before", ACTION_STALL_BEFORE, "s"},
    {"stall", ACTION_STALL, "ns"},
    {"hang", ACTION_HANG, ""},
    {"html", ACTION_HTML, ""},
    {"body", ACTION_BODY, "f"},
    {"status-line-only", ACTION_STATUS_LINE_ONLY, ""},
    {"drip", ACTION_DRIP, "n"},
    {"redirect", ACTION_REDIRECT, "nu"},
    {"lie-id", ACTION_LIE_ID, ""},
    {"wrong-echo", ACTION_WRONG_ECHO, ""},
    {"close-kept", ACTION_CLOSE_KEPT, ""},
    {"reset-kept", ACTION_RESET_KEPT, ""},
};

static bool number_of(const char *word, int64_t *ret_value)
{
    char *end;
    errno = 0;
    long long value = strtoll(word, &end, 10);
    if (errno || end == word || *end || value < 0)
        return false;
    *ret_value = value;
    return true;
}

static bool seconds_of(const char *word, int64_t *ret_ms)
{
    char *end;
    if (strcmp(word, "held") == 0) {
        *ret_ms = WIRE_HELD;
        return true;
    }
    double value = strtod(word, &end);
    if (end == word || *end || !(value >= 0 && value <= 86400))
        return false;
    *ret_ms = (int64_t)(value * 1000);
    return true;
}

/* `N`, `N-M`, `N-` or `*` */
static bool range_of(char *word, struct rule *r)
{
    r->first = 1;
    r->last = INT64_MAX;
    if (strcmp(word, "*") == 0)
        return true;
    char *dash = strchr(word, '-');
    if (dash)
        *dash = '\0';
    if (!number_of(word, &r->first) || r->first < 1)
        return false;
    if (!dash)
        r->last = r->first;
    else if (dash[1])
        return number_of(dash + 1, &r->last) && r->last >= r->first;
    return true;
}

static bool load(struct rule *r)
{
    FILE *file = fopen(r->action.file, "rb");
    if (!file)
        return false;
    struct bytes b = {0};
    char piece[16384];
    size_t n;
    while ((n = fread(piece, 1, sizeof(piece), file)) > 0)
        bytes_add(&b, piece, n);
    bool good = !ferror(file);
    fclose(file);
    r->content = b.data;
    r->action.content = view_bytes(&b);
    return good;
}

/* The words after `status CODE`. */
static bool status_tail(struct rule *r, char **words, size_t count)
{
    for (size_t i = 0; i < count; i += 2) {
        if (i + 1 == count)
            return false;
        if (strcmp(words[i], "retry-after") == 0) {
            if (!number_of(words[i + 1], &r->action.retry_after))
                return false;
        } else if (strcmp(words[i], "body") == 0) {
            r->action.file = words[i + 1];
            if (!load(r))
                return false;
        } else {
            return false;
        }
    }
    return true;
}

static bool action_of(struct rule *r, char **words, size_t count)
{
    size_t a = 0;
    r->action.held = count > 1 && strcmp(words[0], "held") == 0;
    words += r->action.held;
    count -= r->action.held;
    while (a < sizeof(actions) / sizeof(actions[0]) && strcmp(actions[a].name, words[0]) != 0)
        a++;
    if (a == sizeof(actions) / sizeof(actions[0]))
        return false;
    r->action.kind = actions[a].kind;
    r->action.retry_after = -1;
    size_t i = 1;
    for (const char *kind = actions[a].arguments; *kind; kind++, i++) {
        if (*kind == 'r')
            return status_tail(r, words + i, count - i);
        if (i >= count)
            return false;
        bool good = true;
        if (*kind == 'n')
            good = number_of(words[i], &r->action.number);
        else if (*kind == 's')
            good = seconds_of(words[i], &r->action.pause_ms);
        else
            r->action.file = words[i];
        if (!good || (*kind == 'f' && !load(r)))
            return false;
    }
    return i == count && (r->action.kind != ACTION_DRIP || r->action.number > 0);
}

/* METHOD PATH[?channel=NAME] NUMBERS ACTION [ARGUMENT ...] */
static bool rule_of(const char *line, struct rule *r)
{
    char *words[LINE_WORDS], *rest = NULL;
    size_t count = 0;
    *r = (struct rule){.line = bytes_copy(view_of(line))};
    for (char *w = strtok_r(r->line, " \t\n", &rest); w; w = strtok_r(NULL, " \t\n", &rest)) {
        if (count == LINE_WORDS)
            return false;
        words[count++] = w;
    }
    if (count < 4)
        return false;
    r->method = words[0];
    r->path = words[1];
    char *query = strchr(words[1], '?');
    if (query) {
        *query = '\0';
        if (strncmp(query + 1, "channel=", 8) != 0)
            return false;
        r->channel = query + 9;
    }
    struct bytes text = {0};
    for (size_t i = 3; i < count; i++)
        bytes_addf(&text, "%s%s", i == 3 ? "" : "_", words[i]);
    r->text = text.data;
    r->action.text = r->text;
    return range_of(words[2], r) && action_of(r, words + 3, count - 3);
}

static void release_rule(struct rule *r)
{
    free(r->line);
    free(r->text);
    free(r->content);
}

struct script *script_read(const char *path)
{
    struct script *s = bytes_alloc(NULL, sizeof(*s));
    *s = (struct script){.rules = NULL};
    pthread_mutex_init(&s->lock, NULL);
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[LINE_BYTES];
    int number = 0;
    if (path && !file) {
        fprintf(stderr, "faultd: cannot read %s\n", path);
        script_free(s);
        return NULL;
    }
    while (file && fgets(line, sizeof(line), file)) {
        number++;
        if (line[0] == '#' || line[strspn(line, " \t\n")] == '\0')
            continue;
        s->rules = bytes_alloc(s->rules, (s->count + 1) * sizeof(*s->rules));
        if (!rule_of(line, &s->rules[s->count++])) {
            fprintf(stderr, "faultd: %s:%d: not a rule: %s", path, number, line);
            fclose(file);
            script_free(s);
            return NULL;
        }
    }
    if (file)
        fclose(file);
    return s;
}

void script_free(struct script *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++)
        release_rule(&s->rules[i]);
    free(s->rules);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static bool fits(const char *pattern, struct view text)
{
    return strcmp(pattern, "*") == 0 || view_equal(view_of(pattern), text);
}

const struct action *script_next(struct script *s, const char *method, struct view path,
                                 struct view channel)
{
    static const struct action normal = {.retry_after = -1, .text = "normal"};
    const struct action *chosen = NULL;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->count; i++) {
        struct rule *r = &s->rules[i];
        if (!fits(r->method, view_of(method)) || !fits(r->path, path) ||
            (r->channel && !fits(r->channel, channel)))
            continue;
        r->seen++;
        if (!chosen && r->seen >= r->first && r->seen <= r->last)
            chosen = &r->action;
    }
    pthread_mutex_unlock(&s->lock);
    return chosen ? chosen : &normal;
}
