/* SPDX-License-Identifier: MIT */
#include "common/number.h"

#include <stdbool.h>
#include <string.h>

int number_parse(const char *text, size_t len, int64_t *ret)
{
    bool negative = len > 0 && text[0] == '-';
    size_t i = len > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0;
    if (i == len)
        return -1;
    int64_t value = 0; /* counts down: INT64_MIN has no positive twin */
    for (; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        int digit = text[i] - '0';
        if (value < (INT64_MIN + digit) / 10)
            return -1;
        value = value * 10 - digit;
    }
    if (!negative && value == INT64_MIN)
        return -1;
    *ret = negative ? value : -value;
    return 0;
}

int number_parse_seconds(const char *text, int64_t *ret_ms)
{
    size_t whole = strspn(text, "0123456789");
    int64_t seconds = 0;
    if (whole > 0 && number_parse(text, whole, &seconds))
        return -1;
    if (seconds > INT64_MAX / 1000 - 1)
        return -1;
    int64_t ms = seconds * 1000;
    const char *rest = text + whole;
    if (*rest == '.') {
        size_t digits = strspn(++rest, "0123456789");
        if (whole + digits == 0)
            return -1;
        int64_t unit = 100;
        for (size_t i = 0; i < digits; i++, unit /= 10)
            ms += (rest[i] - '0') * unit;
        rest += digits;
    } else if (whole == 0) {
        return -1;
    }
    if (*rest != '\0')
        return -1;
    *ret_ms = ms;
    return 0;
}
