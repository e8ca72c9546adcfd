/* SPDX-License-Identifier: MIT */
#include "common/record.h"

#include <inttypes.h>
#include <string.h>

#include "common/hash.h"
#include "common/number.h"

#define HEX_DIGITS 16

int record_end(struct buf *b, uint64_t sum)
{
    return buf_addf(b, "%016" PRIx64 "\n", sum);
}

/* Cuts the bytes up to the next `separator` off the front of `rest`; false: there is none. */
static bool take(struct span *rest, char separator, struct span *ret)
{
    const char *end = rest->len ? memchr(rest->data, separator, rest->len) : NULL;
    if (!end)
        return false;
    *ret = (struct span){rest->data, (size_t)(end - rest->data)};
    rest->data += ret->len + 1;
    rest->len -= ret->len + 1;
    return true;
}

const char *record_read(struct span file, const char *version, struct span *fields, size_t count,
                        struct span *ret_rest)
{
    struct span line, first;
    if (file.len == 0)
        return "it is empty";
    if (!take(&file, '\n', &line))
        return "it has no whole line";
    struct span left = line;
    if (!take(&left, ' ', &first) || !span_equal(first, span_of(version)))
        return "it is of another kind or version";
    for (size_t i = 0; i < count; i++) {
        if (!take(&left, ' ', &fields[i]))
            return "it has too few fields";
    }
    uint64_t sum;
    if (!record_hex(left, &sum))
        return "it has no checksum where one must be";
    uint64_t real = hash_add(HASH_START, (struct span){line.data, line.len - left.len});
    if (hash_add(real, file) != sum)
        return "its checksum is wrong";
    *ret_rest = file;
    return NULL;
}

bool record_hex(struct span field, uint64_t *ret)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t value = 0;
    if (field.len != HEX_DIGITS)
        return false;
    for (size_t i = 0; i < HEX_DIGITS; i++) {
        const char *digit = memchr(digits, field.data[i], HEX_DIGITS);
        if (!digit)
            return false;
        value = value << 4 | (uint64_t)(digit - digits);
    }
    *ret = value;
    return true;
}

bool record_decimal(struct span field, int64_t *ret)
{
    if (field.len == 0 || field.data[0] < '0' || field.data[0] > '9')
        return false;
    if (field.data[0] == '0' && field.len > 1)
        return false;
    return number_parse(field.data, field.len, ret) == 0;
}
