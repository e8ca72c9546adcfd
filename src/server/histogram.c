/* SPDX-License-Identifier: MIT */
#include "server/histogram.h"

#include <inttypes.h>

#define LAST (HISTOGRAM_BUCKETS - 1)

static const struct {
    int64_t us; /* at most */
    const char *seconds;
} limits[LAST] = {
    {500, "0.0005"},  {1000, "0.001"},  {2500, "0.0025"}, {5000, "0.005"},  {10000, "0.01"},
    {25000, "0.025"}, {50000, "0.05"},  {100000, "0.1"},  {250000, "0.25"}, {500000, "0.5"},
    {1000000, "1"},   {2500000, "2.5"}, {5000000, "5"},
};

void histogram_add(struct histogram *h, int64_t us)
{
    int i = 0;
    while (i < LAST && us > limits[i].us)
        i++;
    atomic_fetch_add_explicit(&h->counts[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum_us, us, memory_order_relaxed);
}

int histogram_render(const struct histogram *h, const char *name, struct buf *b)
{
    int64_t count = 0;
    int bad = 0;
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++) {
        count += atomic_load_explicit(&h->counts[i], memory_order_relaxed);
        bad |= buf_addf(b, "%s_bucket{le=\"%s\"} %" PRId64 "\n", name,
                        i < LAST ? limits[i].seconds : "+Inf", count);
    }
    int64_t us = atomic_load_explicit(&h->sum_us, memory_order_relaxed);
    bad |= buf_addf(b, "%s_sum %" PRId64 ".%06d\n", name, us / 1000000, (int)(us % 1000000));
    bad |= buf_addf(b, "%s_count %" PRId64 "\n", name, count);
    return bad ? -1 : 0;
}
