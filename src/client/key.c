/* SPDX-License-Identifier: MIT */
#include "client/key.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum error_kind key_make(char ret[KEY_LEN + 1], struct error *e)
{
    unsigned char bytes[KEY_LEN / 2];
    if (getentropy(bytes, sizeof(bytes)))
        return error_set(e, ERROR_LOCAL, "no random numbers: %s", strerror(errno));
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
    return ERROR_NONE;
}
