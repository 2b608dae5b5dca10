/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The `memory` binder, one sender to one listener in this process:
 *
 *     bench-memory rate COUNT RUNS      messages a second, from the first send to the last listener call
 *     bench-memory growth COUNT         resident size after a tenth of the messages and after all
 *     bench-memory count COUNT          one run without a word, for callgrind
 */
#include "bench/flow.h"
#include "bench/measure.h"

#include <unistd.h>

static const char *arguments[] = {"bench", "--rivulet.config.unknown-keys=fail",
    "--spring.config.location=", "--spring.cloud.stream.default-binder=memory",
    "--spring.cloud.stream.bindings.output.destination=bench",
    "--spring.cloud.stream.bindings.input.destination=bench",
    "--spring.cloud.stream.bindings.input.group=bench", "--logging.level.root=warn", NULL};
enum { ARGUMENTS = sizeof arguments / sizeof *arguments - 1 };

static bool run_once(struct flow *flow)
{
	flow->sends = flow->receives = true;
	return flow_run(flow, ARGUMENTS, (char **)arguments);
}

static int rate(long count, long runs)
{
	int64_t *took = calloc((size_t)runs, sizeof *took);
	int64_t used = used_ns();
	long sleeps = slept();

	for (long i = 0; took && i < runs; i++) {
		struct flow flow = {.count = count};

		if (!run_once(&flow)) {
			free(took);
			return 1;
		}
		took[i] = flow.both_ns;
	}
	if (!took)
		return 1;
	used = (used_ns() - used) / (count * runs);
	sleeps = (slept() - sleeps) * 1000 / (count * runs);
	sort_ns(took, (size_t)runs);
	printf("%.2f M messages/s (median of %ld runs of %ld; %.2f to %.2f)\n",
	    (double)count * 1e3 / (double)took[runs / 2], runs, count,
	    (double)count * 1e3 / (double)took[runs - 1], (double)count * 1e3 / (double)took[0]);
	printf("%ld ns of processor time a message; threads slept %ld times in 1000 messages\n", (long)used,
	    sleeps);
	free(took);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	long count = argc > 2 ? number(argv[2], 1, 1000000000) : 0;

	if (!strcmp(what, "rate") && argc == 4)
		return rate(count, number(argv[3], 1, 1000));
	if (!strcmp(what, "count") && argc == 3) {
		struct flow flow = {.count = count};

		return run_once(&flow) ? 0 : 1;
	}
	fprintf(stderr, "usage: bench-memory rate COUNT RUNS | growth COUNT | count COUNT\n");
	return 2;
}
