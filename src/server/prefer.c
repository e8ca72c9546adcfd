/* SPDX-License-Identifier: MIT */
#include "server/prefer.h"

#include <string.h>
#include <strings.h>

#include "common/text.h"

/* The length of what stands before one of `ends` or the end; there may be any in a quoted string.
 */
static size_t length_before(const char *text, const char *ends)
{
    bool quoted = false;
    size_t i = 0;
    for (; text[i] && (quoted || !strchr(ends, text[i])); i++) {
        if (text[i] == '"')
            quoted = !quoted;
        else if (quoted && text[i] == '\\' && text[i + 1])
            i++;
    }
    return i;
}

static struct span without_space(const char *text, size_t len)
{
    while (len > 0 && strchr(" \t", *text))
        text++, len--;
    while (len > 0 && strchr(" \t", text[len - 1]))
        len--;
    return (struct span){text, len};
}

bool prefer_minimal(const char *header)
{
    while (header && *header) {
        size_t name_len = length_before(header, "=;,");
        struct span name = without_space(header, name_len);
        header += name_len;
        if (name.len == 6 && strncasecmp(name.data, "return", name.len) == 0) {
            header += *header == '=';
            struct span value = without_space(header, length_before(header, ";,"));
            return span_equal(value, span_of("minimal")) ||
                   span_equal(value, span_of("\"minimal\""));
        }
        header += length_before(header, ",");
        header += *header == ',';
    }
    return false;
}
