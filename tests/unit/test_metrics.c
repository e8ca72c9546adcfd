/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <stdbool.h>
#include <string.h>

#include "server/metrics.h"

static struct histogram commit;
static struct store_stats stats = {.commit = &commit};

static void render(const struct metrics *m, struct buf *b)
{
    buf_init(b, 1u << 20);
    assert_int_equal(metrics_render(m, &stats, b), 0);
}

/* Is this a whole line of the text? */
static bool has_line(const struct buf *b, const char *line)
{
    const char *at = b->data;
    size_t len = strlen(line);
    while ((at = strstr(at, line))) {
        if ((at == b->data || at[-1] == '\n') && at[len] == '\n')
            return true;
        at += len;
    }
    return false;
}

static size_t count_lines(const struct buf *b)
{
    size_t lines = 0;
    for (size_t i = 0; i < b->len; i++)
        lines += b->data[i] == '\n';
    return lines;
}

static void requests_are_counted_by_route_and_status(void **state)
{
    (void)state;
    struct metrics m;
    struct buf b;
    metrics_init(&m, "1.2", "3.4");
    metrics_count(&m, METRICS_GET, 200);
    metrics_count(&m, METRICS_GET, 200);
    metrics_count(&m, METRICS_SEND, 429);
    metrics_count(&m, METRICS_OTHER, 404);
    metrics_count(&m, METRICS_OTHER, 418);
    render(&m, &b);
    static const char *const lines[] = {
        "chancatd_build_info{version=\"" CHANCAT_VERSION
        "\",libmicrohttpd=\"1.2\",sqlite=\"3.4\"} 1",
        "# TYPE chancatd_http_requests_total counter",
        "chancatd_http_requests_total{route=\"/get\",status=\"200\"} 2",
        "chancatd_http_requests_total{route=\"/send\",status=\"200\"} 0",
        "chancatd_http_requests_total{route=\"/send\",status=\"429\"} 1",
        "chancatd_http_requests_total{route=\"other\",status=\"404\"} 1",
        "chancatd_http_requests_total{route=\"other\",status=\"other\"} 1",
    };
    for (size_t i = 0; i < COUNT(lines); i++)
        assert_true(has_line(&b, lines[i]));
    buf_release(&b);
}

static void the_number_of_lines_is_bounded(void **state)
{
    (void)state;
    struct metrics m;
    struct buf b;
    metrics_init(&m, "1", "3");
    for (int route = 0; route < METRICS_ROUTES; route++) {
        for (int status = 0; status < 1000; status++)
            metrics_count(&m, (enum metrics_route)route, status);
    }
    render(&m, &b);
    assert_true(count_lines(&b) < METRICS_ROUTES * METRICS_STATUSES + 60);
    assert_true(has_line(&b, "chancatd_http_requests_total{route=\"/get\",status=\"other\"} 989"));
    buf_release(&b);
}

static void gauges_and_the_store_are_told(void **state)
{
    (void)state;
    struct metrics m;
    struct buf b;
    metrics_init(&m, "1", "3");
    m.connections = 5;
    m.accepted = 7;
    m.waiting = 3;
    stats.messages = INT64_MAX;
    stats.failed = 2;
    stats.queued = 4;
    stats.bytes = 4096;
    stats.wal_bytes = 100;
    render(&m, &b);
    static const char *const lines[] = {
        "chancatd_connections 5",
        "chancatd_connections_accepted_total 7",
        "chancatd_waiters 3",
        "chancatd_messages_stored_total 9223372036854775807",
        "chancatd_commit_failures_total 2",
        "chancatd_queue_length 4",
        "chancatd_database_bytes 4096",
        "chancatd_wal_bytes 100",
    };
    for (size_t i = 0; i < COUNT(lines); i++)
        assert_true(has_line(&b, lines[i]));
    buf_release(&b);
}

static void buckets_count_all_below_and_agree_with_the_count(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1u << 16);
    histogram_add(&commit, 0);
    histogram_add(&commit, 500);
    histogram_add(&commit, 501);
    histogram_add(&commit, 4999999);
    histogram_add(&commit, 7000000);
    assert_int_equal(histogram_render(&commit, "t", &b), 0);
    static const char *const lines[] = {
        "t_bucket{le=\"0.0005\"} 2",
        "t_bucket{le=\"0.001\"} 3",
        "t_bucket{le=\"2.5\"} 3",
        "t_bucket{le=\"5\"} 4",
        "t_bucket{le=\"+Inf\"} 5",
        "t_sum 12.001000",
        "t_count 5",
    };
    for (size_t i = 0; i < COUNT(lines); i++)
        assert_true(has_line(&b, lines[i]));
    assert_int_equal(count_lines(&b), HISTOGRAM_BUCKETS + 2);
    buf_release(&b);
}

static void a_text_that_does_not_fit_is_told(void **state)
{
    (void)state;
    struct metrics m;
    struct buf b;
    metrics_init(&m, "1", "3");
    buf_init(&b, 1000);
    assert_int_equal(metrics_render(&m, &stats, &b), -1);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_counted_by_route_and_status),
        cmocka_unit_test(the_number_of_lines_is_bounded),
        cmocka_unit_test(gauges_and_the_store_are_told),
        cmocka_unit_test(buckets_count_all_below_and_agree_with_the_count),
        cmocka_unit_test(a_text_that_does_not_fit_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
