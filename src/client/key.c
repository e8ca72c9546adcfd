/* SPDX-License-Identifier: MIT */
#include "client/key.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DAY_S 86400

enum error_kind key_make(char ret[KEY_LEN + 1], struct error *e)
{
    unsigned char bytes[KEY_LEN / 2];
    if (getentropy(bytes, sizeof(bytes)))
        return error_set(e, ERROR_LOCAL, "no random numbers: %s", strerror(errno));
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
    return ERROR_NONE;
}

bool key_is_fresh(int64_t first_s)
{
    int64_t age_s = (int64_t)time(NULL) - first_s;
    return age_s > -DAY_S && age_s < KEY_DAYS * DAY_S;
}
