/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the bench programs share: the clock, quantiles, resident size, checked numbers. Header only; not part of the
 * product.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static inline int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* Processor time of this process so far, of all its threads. */
static inline int64_t used_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* How often its threads went to sleep so far. */
static inline long slept(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_SELF, &usage) ? 0 : usage.ru_nvcsw;
}

static inline void pause_us(int64_t us)
{
	struct timespec ts = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

static inline int compare_ns(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static inline void sort_ns(int64_t *values, size_t count)
{
	qsort(values, count, sizeof(*values), compare_ns);
}

/* Of sorted values; permille 500 is the median. */
static inline double quantile_us(const int64_t *sorted, size_t count, unsigned permille)
{
	size_t at = count * permille / 1000;

	if (!count)
		return 0;
	return (double)sorted[at < count ? at : count - 1] / 1000.0;
}

/* VmRSS of a process in KiB, -1 when it is gone. */
static inline long resident_kib(long pid)
{
	char path[64], line[256];
	long kib = -1;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%ld/status", pid);
	status = fopen(path, "re");
	if (!status)
		return -1;
	while (kib < 0 && fgets(line, sizeof(line), status))
		if (!strncmp(line, "VmRSS:", 6))
			kib = strtol(line + 6, NULL, 10);
	fclose(status);
	return kib;
}

/* A whole number from an argument, or the end of the program. */
static inline long number(const char *text, long min, long max)
{
	char *end;
	long value;

	errno = 0;
	value = text ? strtol(text, &end, 10) : 0;
	if (!text || errno || end == text || *end || value < min || value > max) {
		fprintf(stderr, "'%s' is not a number from %ld to %ld\n", text ? text : "", min, max);
		exit(2);
	}
	return value;
}

#endif
