/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Alternating pairs of a raw loop and of ours, with their ratio. Header only.
 *
 * Machines drift, so that each ratio is of two runs next to each other, the order of which changes from pair to pair;
 * the figure is the median of the ratios.
 */
#ifndef BENCH_PAIRS_H
#define BENCH_PAIRS_H

#include "bench/measure.h"

#include <stdbool.h>

enum { PAIRS_MAX = 101 };

/* What one run took, and the processor time of this process meanwhile. */
struct pairs_run {
	int64_t ns, used_ns;
};

/* One run of `count` messages; false with a reason on stderr. */
typedef bool (*pairs_fn)(void *context, long count, int64_t *ret_ns);

static inline int compare_ratio(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static inline bool pairs_one(pairs_fn run, void *context, long count, struct pairs_run *ret)
{
	ret->used_ns = used_ns();
	if (!run(context, count, &ret->ns))
		return false;
	ret->used_ns = used_ns() - ret->used_ns;
	return true;
}

static inline void pairs_print_one(long count, const struct pairs_run *run)
{
	printf("%.0f k/s, processor time a message %.0f ns\n", (double)count * 1e6 / (double)run->ns,
	    (double)run->used_ns / (double)count);
}

static inline double pairs_median(double *values, long n)
{
	qsort(values, (size_t)n, sizeof *values, compare_ratio);
	return values[n / 2];
}

/* Runs both alternately, and prints rates and ratio. `n` odd. */
static inline bool pairs_print(
    const char *what, long n, long count, pairs_fn raw, pairs_fn ours, void *context)
{
	double ratios[PAIRS_MAX], rates[2][PAIRS_MAX], used[2][PAIRS_MAX];

	for (long i = 0; i < n; i++) {
		struct pairs_run runs[2]; /* raw, ours */
		int first = (int)(i % 2);

		if (!pairs_one(first ? ours : raw, context, count, &runs[first]) ||
		    !pairs_one(first ? raw : ours, context, count, &runs[!first]))
			return false;
		for (int k = 0; k < 2; k++) {
			rates[k][i] = (double)count * 1e6 / (double)runs[k].ns;
			used[k][i] = (double)runs[k].used_ns / (double)count;
		}
		ratios[i] = rates[1][i] / rates[0][i];
		if (getenv("RV_BENCH_EACH"))
			printf(
			    "    raw %.0f k/s, ours %.0f k/s: %.3f\n", rates[0][i], rates[1][i], ratios[i]);
		fflush(stdout);
	}
	printf("  %s: raw %.0f k/s, ours %.0f k/s (medians of %ld runs of %ld); ", what,
	    pairs_median(rates[0], n), pairs_median(rates[1], n), n, count);
	printf("ratio %.3f", pairs_median(ratios, n));
	printf(" (%.3f to %.3f); processor time a message %.0f ns, %.0f ns\n", ratios[0], ratios[n - 1],
	    pairs_median(used[0], n), pairs_median(used[1], n));
	fflush(stdout);
	return true;
}

#endif
