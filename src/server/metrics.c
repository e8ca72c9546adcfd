/* SPDX-License-Identifier: MIT */
#include "server/metrics.h"

#include <inttypes.h>
#include <time.h>

/* 0: any other. */
static const int statuses[METRICS_STATUSES] = {200, 400, 401, 404, 409, 413,
                                               415, 422, 429, 500, 503, 0};

static const char *const routes[METRICS_ROUTES] = {
    [METRICS_OTHER] = "other",     [METRICS_GET] = "/get",         [METRICS_PAST] = "/past",
    [METRICS_SEND] = "/send",      [METRICS_BATCH] = "/batch",     [METRICS_PAGE] = "/",
    [METRICS_HEALTH] = "/healthz", [METRICS_METRICS] = "/metrics",
};

static int64_t load(const atomic_int_least64_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

void metrics_init(struct metrics *m, const char *http_library, const char *sql_library)
{
    *m = (struct metrics){
        .started_s = (int64_t)time(NULL),
        .http_library = http_library,
        .sql_library = sql_library,
    };
}

void metrics_count(struct metrics *m, enum metrics_route route, int status)
{
    int i = 0;
    while (statuses[i] && statuses[i] != status)
        i++;
    atomic_fetch_add_explicit(&m->requests[route][i], 1, memory_order_relaxed);
}

static int add_head(struct buf *b, const char *name, const char *type, const char *help)
{
    return buf_addf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static int add_number(struct buf *b, const char *name, const char *type, const char *help,
                      int64_t number)
{
    return add_head(b, name, type, help) || buf_addf(b, "%s %" PRId64 "\n", name, number);
}

/* What was answered with 200 is there from the start, so that a rate can be made of it. */
static int add_requests(const struct metrics *m, struct buf *b)
{
    static const char name[] = "chancatd_http_requests_total";
    int bad = add_head(b, name, "counter", "Requests answered, by route and status.");
    for (int route = 0; route < METRICS_ROUTES; route++) {
        for (int i = 0; i < METRICS_STATUSES; i++) {
            int64_t count = load(&m->requests[route][i]);
            if (count == 0 && (statuses[i] != 200 || route == METRICS_OTHER))
                continue;
            bad |= buf_addf(b, "%s{route=\"%s\",status=\"", name, routes[route]);
            bad |= statuses[i] ? buf_addf(b, "%d", statuses[i]) : buf_add_str(b, "other");
            bad |= buf_addf(b, "\"} %" PRId64 "\n", count);
        }
    }
    return bad;
}

static int add_store(const struct store_stats *stats, struct buf *b)
{
    static const char commit[] = "chancatd_commit_seconds";
    int bad = add_number(b, "chancatd_messages_stored_total", "counter",
                         "Messages stored since the start.", stats->messages);
    bad |= add_head(b, commit, "histogram",
                    "Time of a transaction that stored something, the wait for the disk included.");
    bad |= histogram_render(stats->commit, commit, b);
    bad |= add_number(b, "chancatd_commit_failures_total", "counter",
                      "Transactions that failed; nothing of them is stored.", stats->failed);
    bad |= add_number(b, "chancatd_queue_length", "gauge",
                      "Messages and batches that wait to be stored.", stats->queued);
    bad |= add_number(b, "chancatd_database_bytes", "gauge", "Size of the database.", stats->bytes);
    bad |= add_number(b, "chancatd_wal_bytes", "gauge", "Size of the write-ahead log beside it.",
                      stats->wal_bytes);
    return bad;
}

int metrics_render(const struct metrics *m, const struct store_stats *stats, struct buf *b)
{
    static const char build[] = "chancatd_build_info";
    int bad = add_head(b, build, "gauge", "Always 1; the labels name the versions.");
    bad |= buf_addf(b, "%s{version=\"%s\",libmicrohttpd=\"%s\",sqlite=\"%s\"} 1\n", build,
                    CHANCAT_VERSION, m->http_library, m->sql_library);
    bad |= add_number(b, "process_start_time_seconds", "gauge",
                      "When the server was started, in seconds since 1970.", m->started_s);
    bad |= add_requests(m, b);
    bad |= add_number(b, "chancatd_connections", "gauge", "Connections open now.",
                      load(&m->connections));
    bad |= add_number(b, "chancatd_connections_accepted_total", "counter",
                      "Connections taken since the start.", load(&m->accepted));
    bad |= add_number(b, "chancatd_waiters", "gauge", "Requests that wait for a message.",
                      load(&m->waiting));
    bad |= add_store(stats, b);
    return bad ? -1 : 0;
}
