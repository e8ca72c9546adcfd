/* SPDX-License-Identifier: MIT */
#include "server/api.h"

#include <stdatomic.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/form.h"
#include "common/log.h"
#include "common/number.h"
#include "server/prefer.h"
#include "server/render.h"

#define BATCH_PATH    "/batch"
#define HEALTH_PATH   "/healthz"
#define COUNT_DEFAULT 100
#define NUMBER_MAX    64                  /* bytes of a number with its space */
#define VALUE_MAX     (3u * API_BODY_MAX) /* each byte may be invalid and become U+FFFD */
#define RETRY_AFTER_S 1
#define SAY_AGAIN_MS  1000 /* a failure of the store, at the earliest */
#define UNLIMITED     INT64_MAX
/* One piece and then the longest message: each byte may become \u00XX; what came in the query is in
 * the last term. A message that did not fit would block its channel for good. */
#define RESPONSE_MAX (API_FILL_BYTES + 6u * API_BODY_MAX + (1u << 20))

static const char page[] =
    "chancatd " CHANCAT_VERSION ", a chat server for chancat\n"
    "\n"
    "GET  /get?channel=C&last=ID       messages with an id above ID (0), as a JSON array\n"
    "GET  /past?channel=C&count=N&before=ID\n"
    "                                  the newest N (100) with an id below ID\n"
    "POST /send                        form fields channel, sender, content: stores a message\n"
    "\n"
    "Extras, announced in the header Chancat-Features:\n"
    "  wait    /get ... &wait=SECS     holds the reply until a message comes (25 at most)\n"
    "  limit   /get ... &limit=N       the first N messages after last (1,000 at most)\n"
    "  keys    POST /send or /batch with the header Idempotency-Key (1 to 128 visible ASCII\n"
    "          characters): a repeat within 7 days stores nothing and gets the same reply\n"
    "  batch   POST /batch             application/x-ndjson: up to 1,000 lines, 1 MiB, each\n"
    "          {\"channel\":\"ops\",\"sender\":\"anna\",\"content\":\"hi\"}; stores all or none\n"
    "  minimal POST /batch with the header Prefer: return=minimal: the reply is, when the ids\n"
    "          have no gaps, {\"first\":ID,\"last\":ID,\"count\":N}\n"
    "Chancat-Last-Id: N in a reply to /get or /past: the newest id of the channel (0: none)\n"
    "\n"
    "A message: {\"id\":1,\"channel\":\"ops\",\"sender\":\"anna\",\"content\":\"hi\","
    "\"time\":\"2024-01-01T00:00:00Z\"}\n"
    "An error:  {\"error\":\"...\"}\n"
    "\n"
    "GET /healthz: 200 while messages can be stored; GET /metrics: for Prometheus\n"
    "\n"
    "The whole story: man chancat-protocol\n";

struct api_body_limit api_body_limit(const struct api *api, struct span path)
{
    if (!api->plain && span_equal(path, span_of(BATCH_PATH)))
        return (struct api_body_limit){BATCH_BODY_MAX, BATCH_TOO_LARGE};
    return (struct api_body_limit){API_BODY_MAX, "The body is too large"};
}

bool api_needs_no_room(struct span path)
{
    return span_equal(path, span_of(HEALTH_PATH));
}

void api_init(struct api_call *call, const struct api *api)
{
    *call = (struct api_call){.api = api, .response.last_id = -1};
    buf_init(&call->response.body, RESPONSE_MAX);
    buf_init(&call->channel, VALUE_MAX);
    buf_init(&call->sender, VALUE_MAX);
    buf_init(&call->content, VALUE_MAX);
    batch_init(&call->batch);
}

void api_release(struct api_call *call)
{
    buf_release(&call->response.body);
    buf_release(&call->channel);
    buf_release(&call->sender);
    buf_release(&call->content);
    batch_release(&call->batch);
    keys_drop(call->api->keys, &call->key);
}

size_t api_bytes(const struct api_call *call)
{
    return call->channel.size + call->sender.size + call->content.size + batch_bytes(&call->batch) +
           call->response.body.size;
}

void api_fail(struct api_call *call, int status, const char *text)
{
    struct api_response *r = &call->response;
    r->status = status;
    r->content_type = API_JSON;
    r->more = false;
    r->last_id = -1;
    keys_drop(call->api->keys, &call->key);
    buf_clear(&r->body);
    render_error(&r->body, text); /* an empty body if there is no memory: the status tells */
}

static enum api_next fail(struct api_call *call, int status, const char *text)
{
    api_fail(call, status, text);
    return API_READY;
}

/* Nothing was stored, and a later try may succeed. */
static enum api_next fail_memory(struct api_call *call)
{
    call->response.retry_after_s = RETRY_AFTER_S;
    return fail(call, 429, "No memory for the request now");
}

/* However many ask a store that fails, and however often they try again, the log stays short. */
static void say_failure(const struct error *e)
{
    static atomic_int_least64_t quiet_until;
    int_least64_t until = atomic_load(&quiet_until);
    if (clock_left_ms(until) == 0 &&
        atomic_compare_exchange_strong(&quiet_until, &until, clock_deadline(SAY_AGAIN_MS)))
        log_error("%s", e->text);
    else
        log_info("%s", e->text);
}

static enum api_next fail_store(struct api_call *call, const struct error *e)
{
    say_failure(e);
    call->store_failed = true;
    call->response.retry_after_s = RETRY_AFTER_S;
    return fail(call, 503, "The store failed");
}

/* No early end, so that the time tells nothing about where a wrong token differs. */
static bool same_secret(struct span a, struct span b)
{
    unsigned char different = a.len != b.len;
    for (size_t i = 0; i < a.len; i++)
        different |= (unsigned char)(a.data[i] ^ b.data[b.len ? i % b.len : 0]);
    return !different;
}

bool api_authorized(const struct api *api, struct span path, const char *authorization)
{
    static const char scheme[] = "Bearer ";
    size_t len = sizeof(scheme) - 1;
    if (api->token.len == 0 || span_equal(path, span_of(HEALTH_PATH)))
        return true;
    if (!authorization || strncasecmp(authorization, scheme, len) != 0)
        return false;
    struct span given = span_of(authorization + len);
    return given.len > 0 && same_secret(given, api->token);
}

/* The decoded, valid and trimmed value of a parameter; body before query. False: no memory. */
static bool take(const struct api_request *request, const char *key, struct buf *ret)
{
    struct buf raw;
    buf_init(&raw, ret->max_bytes);
    int found = form_find(request->body, key, &raw);
    if (found == 0)
        found = form_find(request->query, key, &raw);
    bool good = found >= 0;
    if (found > 0) {
        struct span text = text_trim((struct span){raw.data ? raw.data : "", raw.len});
        good = text_add_sanitized(ret, text, false, NULL) == 0;
    }
    buf_release(&raw);
    return good;
}

enum number_result { NUMBER_ABSENT, NUMBER_GOOD, NUMBER_BAD };

static enum number_result take_number(const struct api_request *request, const char *key,
                                      int64_t *ret)
{
    struct buf text;
    buf_init(&text, NUMBER_MAX);
    enum number_result result = NUMBER_BAD;
    if (take(request, key, &text))
        result = text.len == 0                                 ? NUMBER_ABSENT
                 : number_parse(text.data, text.len, ret) == 0 ? NUMBER_GOOD
                                                               : NUMBER_BAD;
    buf_release(&text);
    return result;
}

static struct span span_of_buf(const struct buf *b)
{
    return (struct span){b->data ? b->data : "", b->len};
}

/* A header's value without the white space that may stand around it. */
static struct span header_value(const char *value)
{
    value += strspn(value, " \t");
    size_t len = strlen(value);
    while (len > 0 && strchr(" \t", value[len - 1]))
        len--;
    return (struct span){value, len};
}

/* False: the response is made. */
static bool begin_key(struct api_call *call, const struct api_request *request)
{
    if (!request->idempotency_key || call->api->plain)
        return true;
    struct span key = header_value(request->idempotency_key);
    if (!keys_valid(key)) {
        api_fail(call, 400, "Idempotency-Key must be 1 to 128 visible ASCII characters");
        return false;
    }
    if (!keys_hold(call->api->keys, &call->key, key)) {
        call->response.retry_after_s = RETRY_AFTER_S;
        api_fail(call, 409, "A request with this Idempotency-Key is in work");
        return false;
    }
    call->append.key = (struct span){call->key.text, call->key.len};
    return true;
}

static bool has_type(const struct api_request *request, const char *type)
{
    const char *given = request->content_type;
    size_t len = strlen(type);
    return given && strncasecmp(given, type, len) == 0 &&
           (given[len] == '\0' || strchr("; \t", given[len]));
}

static enum api_next begin_send(struct api_call *call, const struct api_request *request)
{
    if (!take(request, "channel", &call->channel) || !take(request, "sender", &call->sender) ||
        !take(request, "content", &call->content))
        return fail_memory(call);
    if (!call->channel.len || !call->sender.len || !call->content.len)
        return fail(call, 400, "Channel, sender or content empty");
    call->message = (struct store_message){
        .channel = span_of_buf(&call->channel),
        .sender = span_of_buf(&call->sender),
        .content = span_of_buf(&call->content),
    };
    call->append.messages = &call->message;
    call->append.count = 1;
    return begin_key(call, request) ? API_STORE : API_READY;
}

static enum api_next begin_batch(struct api_call *call, const struct api_request *request)
{
    struct error e;
    if (!has_type(request, BATCH_TYPE))
        return fail(call, 415, "A batch is of the type " BATCH_TYPE);
    switch (batch_parse(&call->batch, request->body, &e)) {
    case ERROR_NONE:
        break;
    case ERROR_BAD_DATA:
        return fail(call, 400, e.text);
    case ERROR_REFUSED:
        return fail(call, 413, e.text);
    default:
        return fail_memory(call);
    }
    call->minimal = prefer_minimal(request->prefer);
    call->append.messages = call->batch.messages;
    call->append.count = call->batch.count;
    return begin_key(call, request) ? API_STORE : API_READY;
}

static bool has_no_gaps(const struct store_append *a)
{
    return a->messages[a->count - 1].id - a->messages[0].id == (int64_t)a->count - 1;
}

void api_stored(struct api_call *call, enum error_kind kind)
{
    struct api_response *r = &call->response;
    keys_drop(call->api->keys, &call->key); /* from here on the store knows it */
    if (kind == ERROR_REFUSED) {
        api_fail(call, 422, "The Idempotency-Key belongs to another request");
        return;
    }
    if (kind) {
        r->retry_after_s = RETRY_AFTER_S;
        api_fail(call, 503,
                 kind == ERROR_UNKNOWN ? "It may be stored, or not" : "Nothing was stored");
        return;
    }
    r->status = 200;
    r->content_type = API_JSON;
    r->replayed = call->append.replayed;
    r->minimal = call->minimal && has_no_gaps(&call->append); /* else the ids must be told */
    if (r->minimal) /* no memory: an empty reply, outcome unknown; so below */
        render_ids(&r->body, call->batch.messages, call->batch.count);
    else if (call->batch.count)
        render_messages(&r->body, call->batch.messages, call->batch.count);
    else
        render_message(&r->body, &call->message);
    buf_release(&call->content); /* the reply may be read slowly */
    batch_release(&call->batch);
}

/* The channel of a reading. False: the response is made. */
static bool begin_reading(struct api_call *call, const struct api_request *request)
{
    if (!take(request, "channel", &call->channel)) {
        fail_memory(call);
        return false;
    }
    if (!call->channel.len) {
        api_fail(call, 400, "Channel empty");
        return false;
    }
    call->since_us = clock_now_us();
    call->upto = INT64_MAX;
    call->left = UNLIMITED;
    return true;
}

static enum api_next begin_get(struct api_call *call, const struct api_request *request)
{
    int64_t limit = 0;
    if (!begin_reading(call, request))
        return API_READY;
    if (take_number(request, "last", &call->after) == NUMBER_BAD)
        return fail(call, 400, "Last must be of type int64");
    if (call->api->plain) {
        api_read(call);
        return API_READY;
    }
    enum number_result has_limit = take_number(request, "limit", &limit);
    if (has_limit == NUMBER_BAD || (has_limit == NUMBER_GOOD && limit < 1))
        return fail(call, 400, "Limit must be a whole number above 0");
    if (has_limit == NUMBER_GOOD)
        call->left = limit < API_LIMIT_MAX ? limit : API_LIMIT_MAX;
    if (take_number(request, "wait", &call->wait_s) == NUMBER_BAD || call->wait_s < 0)
        return fail(call, 400, "Wait must be a whole number of seconds");
    if (call->wait_s > API_WAIT_MAX_S)
        call->wait_s = API_WAIT_MAX_S;
    if (call->wait_s > 0)
        return API_WAIT;
    api_read(call);
    return API_READY;
}

static enum api_next begin_past(struct api_call *call, const struct api_request *request)
{
    int64_t count = COUNT_DEFAULT, before = INT64_MAX;
    struct error e;
    if (!begin_reading(call, request))
        return API_READY;
    if (take_number(request, "count", &count) == NUMBER_BAD)
        return fail(call, 400, "Count must be of type int");
    if (take_number(request, "before", &before) == NUMBER_BAD)
        return fail(call, 400, "Before must be of type int64");
    if (store_find_start(call->api->store, span_of_buf(&call->channel), before, count, &call->after,
                         &e))
        return fail_store(call, &e);
    call->upto = before == INT64_MIN ? INT64_MIN : before - 1;
    api_read(call);
    return API_READY;
}

static enum api_next begin_page(struct api_call *call, const struct api_request *request)
{
    (void)request;
    call->response.status = 200;
    call->response.content_type = "text/plain; charset=utf-8";
    buf_add(&call->response.body, page, sizeof(page) - 1);
    return API_READY;
}

/* All the rest of a question for health, once there is an answer. */
static void answer_health(struct api_call *call)
{
    const char *problem = health_problem(call->api->health, call->probe);
    if (problem) {
        call->response.retry_after_s = RETRY_AFTER_S;
        api_fail(call, 503, problem);
        return;
    }
    call->response.status = 200;
    call->response.content_type = API_JSON;
    buf_add_str(&call->response.body, "{\"status\":\"ok\"}"); /* the status tells, too */
}

static enum api_next begin_health(struct api_call *call, const struct api_request *request)
{
    (void)request;
    if (!health_ask(call->api->health, call->api->store, &call->probe)) {
        call->after = call->probe - 1;
        call->wait_s = HEALTH_WAIT_S;
        return API_WAIT;
    }
    answer_health(call);
    return API_READY;
}

static enum api_next begin_metrics(struct api_call *call, const struct api_request *request)
{
    (void)request;
    struct store_stats stats;
    store_stats(call->api->store, &stats);
    if (metrics_render(call->api->metrics, &stats, &call->response.body))
        return fail_memory(call);
    call->response.status = 200;
    call->response.content_type = METRICS_TYPE;
    return API_READY;
}

static const struct route {
    const char *method, *path;
    enum api_next (*begin)(struct api_call *call, const struct api_request *request);
    const char *body; /* the type of the body that is read; NULL: none is */
    enum metrics_route label;
    bool extra; /* unknown to a plain server */
} routes[] = {
    {"GET", "/get", begin_get, NULL, METRICS_GET, false},
    {"GET", "/past", begin_past, NULL, METRICS_PAST, false},
    {"POST", "/send", begin_send, "application/x-www-form-urlencoded", METRICS_SEND, false},
    {"POST", BATCH_PATH, begin_batch, BATCH_TYPE, METRICS_BATCH, true},
    {"GET", "/", begin_page, NULL, METRICS_PAGE, false},
    {"GET", HEALTH_PATH, begin_health, NULL, METRICS_HEALTH, false},
    {"HEAD", HEALTH_PATH, begin_health, NULL, METRICS_HEALTH, false},
    {"GET", "/metrics", begin_metrics, NULL, METRICS_METRICS, false},
};

/* NULL: there is none. */
static const struct route *find_route(const struct api *api, const char *method, struct span path)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (strcmp(routes[i].method, method) == 0 && span_equal(span_of(routes[i].path), path))
            return routes[i].extra && api->plain ? NULL : &routes[i];
    }
    return NULL;
}

enum metrics_route api_route(const struct api *api, const char *method, struct span path)
{
    const struct route *route = find_route(api, method, path);
    return route ? route->label : METRICS_OTHER;
}

enum api_next api_begin(struct api_call *call, const struct api_request *request)
{
    struct api_request r = *request;
    const struct route *route = find_route(call->api, r.method, r.path);
    call->route = route ? route->label : METRICS_OTHER;
    if (!api_authorized(call->api, r.path, r.authorization)) {
        call->response.authenticate = true;
        return fail(call, 401, "A token is needed");
    }
    if (!route)
        return fail(call, 404, "404 page not found");
    if (!route->body || !has_type(&r, route->body))
        r.body = (struct span){"", 0};
    return route->begin(call, &r);
}

void api_woken(struct api_call *call)
{
    call->since_us = clock_now_us();
}

bool api_has_news(struct api_call *call)
{
    int64_t last;
    if (call->probe)
        return health_has_ended(call->api->health, call->probe);
    if (store_last_id(call->api->store, span_of_buf(&call->channel), clock_now_us(), &last, NULL))
        return !call->patient;
    return last > call->after;
}

bool api_waits_on(struct api_call *call)
{
    struct api_response *r = &call->response;
    if (!call->store_failed || store_recheck_ms(call->api->store) == 0)
        return false;
    r->status = 0;
    r->retry_after_s = 0;
    buf_clear(&r->body);
    call->store_failed = false;
    call->patient = true;
    return true;
}

/* One message of a reading. */
struct filling {
    struct api_call *call;
    bool no_memory;
};

static bool add_row(void *context, const struct store_message *m)
{
    struct filling *f = context;
    struct buf *body = &f->call->response.body;
    bool first = body->len > 0 && body->data[body->len - 1] == '[';
    if ((!first && buf_add_char(body, ',')) || render_message(body, m)) {
        f->no_memory = true;
        return false;
    }
    f->call->after = m->id;
    f->call->left--;
    return body->len < API_FILL_BYTES && f->call->left > 0;
}

/* Appends rows, and the closing bracket when nothing is left. */
static enum error_kind fill(struct api_call *call, struct error *e)
{
    struct filling f = {.call = call};
    struct api_response *r = &call->response;
    size_t target = API_FILL_BYTES;
    enum error_kind kind = call->left > 0 && call->after < call->upto
                               ? store_read(call->api->store, span_of_buf(&call->channel),
                                            call->after, call->upto, call->left, add_row, &f, e)
                               : ERROR_NONE;
    if (!kind && f.no_memory)
        kind = error_set(e, ERROR_LOCAL, "no memory for a reply");
    if (kind)
        return kind;
    r->more = call->left > 0 && r->body.len >= target; /* it stopped because the piece is full */
    if (!r->more && buf_add_char(&r->body, ']'))
        return error_set(e, ERROR_LOCAL, "no memory for a reply");
    return ERROR_NONE;
}

static void finish_reading(struct api_call *call, int64_t last)
{
    struct api_response *r = &call->response;
    if (!call->api->plain) {
        r->last_id = last;
    } else if (r->body.len == 2) { /* no message */
        buf_clear(&r->body);
        buf_add_str(&r->body, "null"); /* there is room where [] was */
    }
}

/* All of a short reply, which others may have read just before. */
static enum error_kind read_first_piece(struct api_call *call, struct error *e)
{
    struct api_response *r = &call->response;
    const struct latest_question question = {span_of_buf(&call->channel), call->after, call->upto,
                                             call->left};
    bool rows = call->after < call->upto;
    if (rows && latest_find(call->api->latest, &question, &r->body))
        return ERROR_NONE;
    if (buf_add_char(&r->body, '['))
        return error_set(e, ERROR_LOCAL, "no memory for a reply");
    enum error_kind kind = fill(call, e);
    if (!kind && rows && !r->more)
        latest_keep(call->api->latest, &question, span_of_buf(&r->body));
    return kind;
}

void api_read(struct api_call *call)
{
    struct api_response *r = &call->response;
    struct error e;
    int64_t last, after = call->after, upto = call->upto, left = call->left;
    if (call->probe) {
        answer_health(call);
        return;
    }
    /* A long reply ends with what is there now, however fast others write. */
    enum error_kind kind =
        store_last_id(call->api->store, span_of_buf(&call->channel), call->since_us, &last, &e);
    if (!kind && last < call->upto)
        call->upto = last;
    r->status = 200;
    r->content_type = API_JSON;
    if (!kind)
        kind = read_first_piece(call, &e);
    if (!kind) {
        finish_reading(call, last);
        return;
    }
    fail_store(call, &e);
    call->after = after;
    call->upto = upto;
    call->left = left;
}

bool api_fill(struct api_call *call)
{
    struct error e;
    buf_shrink(&call->response.body, 4 * API_FILL_BYTES);
    enum error_kind kind = fill(call, &e);
    if (kind)
        log_error("a reply is cut: %s", e.text);
    return kind == ERROR_NONE;
}
