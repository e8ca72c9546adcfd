/* SPDX-License-Identifier: MIT */
#include "server/reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/prefer.h"

#define STREAM_BYTES API_FILL_BYTES

static ssize_t stream(void *context, uint64_t position, char *to, size_t max)
{
    (void)position;
    struct reply *r = context;
    struct api_response *response = &r->call->response;
    if (r->used == response->body.len) {
        if (!response->more)
            return MHD_CONTENT_READER_END_OF_STREAM;
        r->before += (int64_t)r->used;
        r->used = 0;
        if (!api_fill(r->call))
            return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    size_t n = response->body.len - r->used;
    if (n > max)
        n = max;
    memcpy(to, response->body.data + r->used, n);
    r->used += n;
    return (ssize_t)n;
}

static struct MHD_Response *make_response(struct reply *r)
{
    struct api_response *response = &r->call->response;
    if (response->more)
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BYTES, stream, r, NULL);
    r->used = response->body.len;
    /* The body lives as long as the request does, and the response goes before it. */
    return MHD_create_response_from_buffer(response->body.len,
                                           response->body.data ? response->body.data : (char[]){""},
                                           MHD_RESPMEM_PERSISTENT);
}

static void add_number_header(struct MHD_Response *to, const char *name, int64_t value)
{
    char text[32];
    snprintf(text, sizeof(text), "%" PRId64, value);
    MHD_add_response_header(to, name, text);
}

static void add_headers(const struct api_call *call, bool last, struct MHD_Response *to)
{
    const struct api_response *response = &call->response;
    MHD_add_response_header(to, MHD_HTTP_HEADER_CONTENT_TYPE, response->content_type);
    MHD_add_response_header(to, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (!call->api->plain)
        MHD_add_response_header(to, "Chancat-Features", API_FEATURES);
    if (response->last_id >= 0)
        add_number_header(to, "Chancat-Last-Id", response->last_id);
    if (response->replayed)
        MHD_add_response_header(to, "Idempotency-Replayed", "true");
    if (response->minimal)
        MHD_add_response_header(to, MHD_HTTP_HEADER_PREFERENCE_APPLIED, PREFER_MINIMAL);
    if (response->authenticate)
        MHD_add_response_header(to, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
    if (response->retry_after_s)
        add_number_header(to, MHD_HTTP_HEADER_RETRY_AFTER, response->retry_after_s);
    if (last)
        MHD_add_response_header(to, MHD_HTTP_HEADER_CONNECTION, "close");
}

enum MHD_Result reply_send(struct reply *r, struct MHD_Connection *connection,
                           struct api_call *call, bool last)
{
    *r = (struct reply){.call = call};
    struct MHD_Response *response = make_response(r);
    if (!response)
        return MHD_NO;
    add_headers(call, last, response);
    enum MHD_Result result =
        MHD_queue_response(connection, (unsigned)call->response.status, response);
    MHD_destroy_response(response);
    return result;
}

int64_t reply_bytes(const struct reply *r)
{
    return r->before + (int64_t)r->used;
}
