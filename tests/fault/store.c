/* SPDX-License-Identifier: MIT */
#include "store.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gotext.h"

#define PAST_MAX_IDS INT64_MAX

/* One message, or (element NULL) a run of synthetic ones. */
struct segment {
    int64_t first;
    int64_t count;
    char *channel; /* folded */
    size_t channel_len;
    char *element;
    size_t element_len;
};

struct store {
    pthread_mutex_t lock; /* guards everything below */
    struct segment *segments;
    size_t count;
    size_t size;
    int64_t next_id;
};

struct store *store_new(void)
{
    struct store *s = bytes_alloc(NULL, sizeof(*s));
    *s = (struct store){.next_id = 1};
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

static void forget(struct store *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->segments[i].channel);
        free(s->segments[i].element);
    }
    s->count = 0;
    s->next_id = 1;
}

void store_free(struct store *s)
{
    if (!s)
        return;
    forget(s);
    free(s->segments);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* Takes `element` over. With the lock. */
static void append(struct store *s, struct view channel, int64_t count, struct bytes *element)
{
    if (s->count == s->size) {
        s->size = s->size ? s->size * 2 : 64;
        s->segments = bytes_alloc(s->segments, s->size * sizeof(*s->segments));
    }
    s->segments[s->count++] = (struct segment){.first = s->next_id,
                                               .count = count,
                                               .channel = bytes_copy(channel),
                                               .channel_len = channel.len,
                                               .element = element ? element->data : NULL,
                                               .element_len = element ? element->len : 0};
    s->next_id += count;
}

static void add_escaped(struct bytes *b, const char *key, struct view text)
{
    struct bytes html = {0};
    gotext_add_html(&html, text);
    bytes_addf(b, "\"%s\":", key);
    gotext_add_json(b, view_bytes(&html));
    bytes_add_str(b, ",");
    bytes_release(&html);
}

/* The original answers /send with the local time and a fraction, /get with UTC. */
static void add_time(struct bytes *b, time_t when, bool local)
{
    struct tm parts;
    char text[40];
    time_t shown = local ? when + 7200 : when;
    gmtime_r(&shown, &parts);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
    bytes_addf(b, "\"time\":\"%s%s\"}", text, local ? ".123456789+02:00" : "Z");
}

static void add_message(struct bytes *b, int64_t id, struct view channel, struct view sender,
                        struct view content, time_t when, bool local)
{
    bytes_addf(b, "{\"id\":%lld,", (long long)id);
    add_escaped(b, "channel", channel);
    add_escaped(b, "sender", sender);
    add_escaped(b, "content", content);
    add_time(b, when, local);
}

int64_t store_add(struct store *s, struct view channel, struct view sender, struct view content,
                  struct bytes *reply)
{
    struct bytes folded = {0}, element = {0};
    gotext_add_folded(&folded, channel);
    time_t now = time(NULL);
    pthread_mutex_lock(&s->lock);
    int64_t id = s->next_id;
    add_message(&element, id, view_bytes(&folded), sender, content, now, false);
    append(s, view_bytes(&folded), 1, &element);
    pthread_mutex_unlock(&s->lock);
    add_message(reply, id, channel, sender, content, now, true);
    bytes_release(&folded);
    return id;
}

int64_t store_put(struct store *s, struct view channel, struct view element)
{
    static const char mark[] = "@ID@";
    struct bytes folded = {0}, made = {0};
    gotext_add_folded(&folded, channel);
    pthread_mutex_lock(&s->lock);
    int64_t id = s->next_id;
    for (size_t i = 0; i < element.len; i++) {
        if (element.len - i >= 4 && memcmp(element.data + i, mark, 4) == 0) {
            bytes_addf(&made, "%lld", (long long)id);
            i += 3;
        } else {
            bytes_add(&made, element.data + i, 1);
        }
    }
    if (!made.data)
        bytes_add(&made, " ", 1);
    append(s, view_bytes(&folded), 1, &made);
    pthread_mutex_unlock(&s->lock);
    bytes_release(&folded);
    return id;
}

void store_fill(struct store *s, struct view channel, int64_t count)
{
    struct bytes folded = {0};
    gotext_add_folded(&folded, channel);
    pthread_mutex_lock(&s->lock);
    append(s, view_bytes(&folded), count, NULL);
    pthread_mutex_unlock(&s->lock);
    bytes_release(&folded);
}

void store_truncate(struct store *s)
{
    pthread_mutex_lock(&s->lock);
    forget(s);
    pthread_mutex_unlock(&s->lock);
}

int64_t store_last_id(struct store *s)
{
    pthread_mutex_lock(&s->lock);
    int64_t id = s->next_id - 1;
    pthread_mutex_unlock(&s->lock);
    return id;
}

static bool holds(const struct segment *g, struct view channel)
{
    struct view own = {g->channel, g->channel_len};
    return view_equal(own, channel) || view_equal(own, view_of("*"));
}

int64_t store_past(struct store *s, struct view channel, int64_t count, int64_t before)
{
    int64_t after = 0, left = count < 0 ? PAST_MAX_IDS : count;
    pthread_mutex_lock(&s->lock);
    if (left == 0)
        after = s->next_id;
    for (size_t i = s->count; i-- > 0 && left > 0;) {
        const struct segment *g = &s->segments[i];
        if (g->first >= before || !holds(g, channel))
            continue;
        int64_t there = before - g->first < g->count ? before - g->first : g->count;
        if (there >= left)
            after = g->first + there - left - 1;
        left -= there < left ? there : left;
    }
    pthread_mutex_unlock(&s->lock);
    return after;
}

/* About 121 bytes with a seven-digit id. */
static void add_synthetic(struct bytes *b, int64_t id, struct view channel)
{
    bytes_addf(b, "{\"id\":%lld,\"channel\":", (long long)id);
    gotext_add_json(b, channel);
    bytes_addf(b,
               ",\"sender\":\"fill\",\"content\":\"message %lld of a backlog\","
               "\"time\":\"2024-01-02T03:04:05Z\"}",
               (long long)id);
}

/* The first segment whose last id is above `id`. */
static size_t find(const struct store *s, int64_t id)
{
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->segments[middle].first + s->segments[middle].count - 1 > id)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

bool store_next(struct store *s, struct store_look *look, struct bytes *chunk, size_t enough)
{
    bool more = true;
    pthread_mutex_lock(&s->lock);
    for (size_t i = find(s, look->after); chunk->len < enough; i++) {
        if (i >= s->count || s->segments[i].first > look->upto) {
            more = false;
            break;
        }
        const struct segment *g = &s->segments[i];
        int64_t last = g->first + g->count - 1;
        int64_t id = look->after >= g->first ? look->after + 1 : g->first;
        if (!holds(g, look->channel)) {
            look->after = last;
            continue;
        }
        for (; id <= last && id <= look->upto && chunk->len < enough; id++) {
            bytes_add_str(chunk, look->begun ? "," : "[");
            look->begun = true;
            if (g->element)
                bytes_add(chunk, g->element, g->element_len);
            else
                add_synthetic(chunk, id, look->channel);
            look->after = id;
        }
    }
    pthread_mutex_unlock(&s->lock);
    return more;
}
