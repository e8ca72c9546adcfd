/* SPDX-License-Identifier: MIT */
#include "client/outbox_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/form.h"
#include "common/hash.h"
#include "common/record.h"

#define LINE_VERSION "chancat-outbox-1"
#define TRY_VERSION  "chancat-try-1"

const struct outbox_try outbox_try_unknown = {.watermark = -1, .attempts = 1};
const struct outbox_try outbox_try_none = {.watermark = -1};

bool outbox_file_is_key(struct span s)
{
    if (s.len != KEY_LEN)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (!memchr("0123456789abcdef", s.data[i], 16))
            return false;
    }
    return true;
}

static bool is_text(struct span s)
{
    return s.len <= OUTBOX_TEXT_MAX && text_valid_prefix(s.data, s.len) == s.len;
}

static const char *texts_fault(const struct outbox_line *line)
{
    const struct span *texts[] = {&line->channel, &line->sender, &line->content, &line->server};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (!is_text(*texts[i]))
            return "it is longer than 1 MiB, or no valid UTF-8";
    }
    return NULL;
}

enum error_kind outbox_file_make(struct buf *b, const struct outbox_line *line, struct error *e)
{
    const char *fault = texts_fault(line);
    if (fault)
        return error_set(e, ERROR_BAD_DATA, "the line cannot be kept in an outbox: %s", fault);
    if (buf_addf(b, LINE_VERSION " %s ", line->key) || form_add_encoded(b, line->server) ||
        buf_addf(b, " %zu %zu %zu ", line->channel.len, line->sender.len, line->content.len))
        return error_set(e, ERROR_LOCAL, "no memory for a line of the outbox");
    uint64_t sum = hash_add(HASH_START, (struct span){b->data, b->len});
    sum = hash_add(hash_add(hash_add(sum, line->channel), line->sender), line->content);
    if (record_end(b, sum))
        return error_set(e, ERROR_LOCAL, "no memory for a line of the outbox");
    if (b->len > OUTBOX_HEADER_MAX)
        return error_set(e, ERROR_BAD_DATA, "the server's URL is too long for an outbox");
    if (buf_add(b, line->channel.data, line->channel.len) ||
        buf_add(b, line->sender.data, line->sender.len) ||
        buf_add(b, line->content.data, line->content.len))
        return error_set(e, ERROR_LOCAL, "no memory for a line of the outbox");
    return ERROR_NONE;
}

/* Splits the body as the three length fields say; they must add up to all of it. */
static const char *take_texts(const struct span *lengths, struct span body,
                              struct outbox_line *line)
{
    struct span *texts[] = {&line->channel, &line->sender, &line->content};
    for (size_t i = 0; i < 3; i++) {
        int64_t len;
        if (!record_decimal(lengths[i], &len) || (uint64_t)len > body.len)
            return "a length in it is wrong";
        *texts[i] = (struct span){body.data, (size_t)len};
        body.data += len;
        body.len -= (size_t)len;
    }
    return body.len ? "a length in it is wrong" : NULL;
}

enum error_kind outbox_file_parse(struct outbox_line *line, struct error *e)
{
    struct span file = {line->bytes.data, line->bytes.len}, fields[5], body;
    const char *fault = record_read(file, LINE_VERSION, fields, 5, &body);
    if (!fault && file.len - body.len > OUTBOX_HEADER_MAX)
        fault = "its header is too long";
    if (!fault && !outbox_file_is_key(fields[0]))
        fault = "its key is wrong";
    if (!fault)
        fault = take_texts(fields + 2, body, line);
    if (!fault) {
        memcpy(line->key, fields[0].data, KEY_LEN);
        line->key[KEY_LEN] = '\0';
        buf_release(&line->server_bytes);
        buf_init(&line->server_bytes, OUTBOX_HEADER_MAX);
        int r = form_add_decoded(&line->server_bytes, fields[1]);
        if (r < 0)
            return error_set(e, ERROR_LOCAL, "no memory for a line of the outbox");
        line->server = (struct span){line->server_bytes.data, line->server_bytes.len};
        fault = r == 0 ? "its server is wrong" : texts_fault(line);
    }
    return fault ? error_set(e, ERROR_BAD_DATA, "%s", fault) : ERROR_NONE;
}

enum error_kind outbox_file_key(const char *path, char ret[KEY_LEN + 1], struct error *e)
{
    char start[sizeof(LINE_VERSION) + KEY_LEN]; /* the '\0' stands for the space */
    struct stat info;
    if (lstat(path, &info) == 0 ? !S_ISREG(info.st_mode) : errno == ENOENT)
        return error_set(e, ERROR_BAD_DATA, "%s is no regular file", path);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : pread(fd, start, sizeof(start), 0);
    int bad = n < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    if (bad && bad != ENOENT)
        return error_set(e, ERROR_LOCAL, "cannot read %s: %s", path, strerror(bad));
    struct span key = {start + sizeof(LINE_VERSION), KEY_LEN};
    if (n != sizeof(start) || memcmp(start, LINE_VERSION " ", sizeof(LINE_VERSION)) != 0 ||
        !outbox_file_is_key(key))
        return error_set(e, ERROR_BAD_DATA, "%s has no key", path);
    memcpy(ret, key.data, KEY_LEN);
    ret[KEY_LEN] = '\0';
    return ERROR_NONE;
}

enum error_kind outbox_file_holds(const char *path, const char *key, bool *ret, struct error *e)
{
    char found[KEY_LEN + 1];
    enum error_kind kind = outbox_file_key(path, found, e);
    *ret = !kind && strcmp(found, key) == 0;
    return kind == ERROR_BAD_DATA ? ERROR_NONE : kind;
}

enum error_kind outbox_file_unlink(const char *path, const char *key, struct error *e)
{
    bool there;
    enum error_kind kind = outbox_file_holds(path, key, &there, e);
    if (!kind && there && unlink(path) && errno != ENOENT)
        kind = error_set(e, ERROR_LOCAL, "cannot remove %s: %s", path, strerror(errno));
    return kind;
}

int outbox_try_make(struct buf *b, const struct outbox_line *line)
{
    if (buf_addf(b, TRY_VERSION " %s %" PRId64 " %" PRId64 " %" PRId64 " %d ", line->key,
                 line->try.watermark, line->try.attempts, line->try.first_s, line->try.keyed))
        return -1;
    return record_end(b, hash_add(HASH_START, (struct span){b->data, b->len}));
}

bool outbox_try_read(const struct span fields[4], struct outbox_try *ret)
{
    static const struct span unknown = {"-1", 2};
    int64_t keyed;
    *ret = (struct outbox_try){.watermark = -1};
    if ((!span_equal(fields[0], unknown) && !record_decimal(fields[0], &ret->watermark)) ||
        !record_decimal(fields[1], &ret->attempts) || ret->attempts == 0 ||
        !record_decimal(fields[2], &ret->first_s) || !record_decimal(fields[3], &keyed) ||
        keyed > 1)
        return false;
    ret->keyed = keyed;
    return true;
}

void outbox_try_parse(struct span file, struct outbox_line *line)
{
    struct outbox_try try;
    struct span fields[5], rest;
    line->try = outbox_try_unknown;
    if (record_read(file, TRY_VERSION, fields, 5, &rest) || rest.len ||
        !outbox_file_is_key(fields[0]) || !outbox_try_read(fields + 1, &try))
        return;
    if (span_equal(fields[0], span_of(line->key)))
        line->try = try;
    else
        line->try = outbox_try_none;
}
