/* SPDX-License-Identifier: MIT */
#include "common/utc.h"

#include <stdint.h>
#include <string.h>
#include <time.h>

#define SECONDS_LEN 19 /* YYYY-MM-DDTHH:MM:SS */

struct date_time {
    int year, month, day, hour, minute, second;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* `count` digits at `p`; -1: they are none. */
static int digits(const char *p, int count)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (!is_digit(p[i]))
            return -1;
        value = value * 10 + (p[i] - '0');
    }
    return value;
}

static void put_digits(char *p, int count, int value)
{
    while (count-- > 0) {
        p[count] = (char)('0' + value % 10);
        value /= 10;
    }
}

/* The first SECONDS_LEN bytes; any byte may stand between day and hour. */
static bool read_date_time(const char *p, struct date_time *ret)
{
    *ret = (struct date_time){digits(p, 4),      digits(p + 5, 2),  digits(p + 8, 2),
                              digits(p + 11, 2), digits(p + 14, 2), digits(p + 17, 2)};
    return p[4] == '-' && p[7] == '-' && p[13] == ':' && p[16] == ':' && ret->year >= 1 &&
           ret->month >= 1 && ret->month <= 12 && ret->day >= 1 && ret->day <= 31 &&
           ret->hour >= 0 && ret->hour <= 23 && ret->minute >= 0 && ret->minute <= 59 &&
           ret->second >= 0 && ret->second <= 60;
}

/* A day that each month has, and no leap second: nothing to normalise. */
static bool is_simple(const struct date_time *t)
{
    return t->day <= 28 && t->second <= 59;
}

bool utc_is_canonical(struct span time)
{
    struct date_time t;
    return time.len == UTC_LEN && time.data[10] == 'T' && time.data[UTC_LEN - 1] == 'Z' &&
           read_date_time(time.data, &t) && is_simple(&t);
}

static bool read_offset(struct span text, int64_t *ret_seconds)
{
    *ret_seconds = 0;
    if (text.len == 1 && (text.data[0] == 'Z' || text.data[0] == 'z'))
        return true;
    if (text.len != 6 || (text.data[0] != '+' && text.data[0] != '-') || text.data[3] != ':')
        return false;
    int hours = digits(text.data + 1, 2), minutes = digits(text.data + 4, 2);
    *ret_seconds = (text.data[0] == '-' ? -60 : 60) * ((int64_t)hours * 60 + minutes);
    return hours >= 0 && hours <= 23 && minutes >= 0 && minutes <= 59;
}

/* Days from 1970-01-01, by the civil calendar. */
static int64_t days_from_date(int64_t year, int month, int day)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    int64_t y = year - 1;
    int64_t days = y * 365 + y / 4 - y / 100 + y / 400 - 719162;
    return days + before[month - 1] + (month > 2 && leap) + day - 1;
}

static int64_t seconds_of(const struct date_time *t)
{
    return days_from_date(t->year, t->month, t->day) * 86400 + t->hour * 3600 + t->minute * 60 +
           t->second;
}

static bool shift(struct date_time *t, int64_t offset_s)
{
    time_t utc = (time_t)(seconds_of(t) - offset_s);
    struct tm parts;
    if (!gmtime_r(&utc, &parts) || parts.tm_year < 1 - 1900 || parts.tm_year > 9999 - 1900)
        return false;
    *t = (struct date_time){parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                            parts.tm_hour,        parts.tm_min,     parts.tm_sec};
    return true;
}

/* As UTC. */
static bool read_time(struct span time, struct date_time *t)
{
    int64_t offset_s;
    size_t at = SECONDS_LEN;
    if (time.len <= SECONDS_LEN || !read_date_time(time.data, t))
        return false;
    if (time.data[at] == '.')
        at++;
    while (at > SECONDS_LEN && at < time.len && is_digit(time.data[at]))
        at++;
    if (!read_offset((struct span){time.data + at, time.len - at}, &offset_s))
        return false;
    return (offset_s == 0 && is_simple(t)) || shift(t, offset_s);
}

int utc_seconds(struct span time, int64_t *ret)
{
    struct date_time t;
    if (!read_time(time, &t))
        return -1;
    *ret = seconds_of(&t);
    return 0;
}

int utc_from_rfc3339(struct span time, char ret[UTC_LEN + 1])
{
    struct date_time t;
    if (!read_time(time, &t))
        return -1;
    memcpy(ret, "YYYY-MM-DDTHH:MM:SSZ", UTC_LEN + 1);
    put_digits(ret, 4, t.year);
    put_digits(ret + 5, 2, t.month);
    put_digits(ret + 8, 2, t.day);
    put_digits(ret + 11, 2, t.hour);
    put_digits(ret + 14, 2, t.minute);
    put_digits(ret + 17, 2, t.second);
    return 0;
}
