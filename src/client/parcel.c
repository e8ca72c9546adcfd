/* SPDX-License-Identifier: MIT */
#include "client/parcel.h"

enum error_kind parcel_begin(struct parcel *ret, const char *label, struct span channel,
                             char key[KEY_LEN + 1], struct error *e)
{
    *ret = (struct parcel){.label = label, .channel = channel, .key = key, .watermark = -1};
    return key_make(key, e);
}

bool parcel_is_unknown(const struct parcel *p, enum error_kind kind)
{
    return kind == ERROR_UNKNOWN || (kind == ERROR_LOCAL && p->attempts > 0);
}
