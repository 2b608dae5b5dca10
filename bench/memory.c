/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The `memory` binder, one sender to one listener in this process:
 *
 *     bench-memory rate COUNT RUNS      messages a second, from the first send to the last listener call
 *     bench-memory latency RATE SECONDS what the framework adds, by a binder that stands between it and `memory`
 *     bench-memory growth COUNT         resident size after a tenth of the messages and after all
 *     bench-memory count COUNT          one run without a word, for callgrind
 */
#include "bench/flow.h"
#include "bench/measure.h"
#include "binder/memory/memory.h"

#include <rivulet/binder.h>

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
	int64_t middle;

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
	middle = took[runs / 2];
	printf("%.2f M messages/s (median of %ld runs of %ld; %.2f to %.2f)\n",
	    (double)count * 1e3 / (double)middle, runs, count, (double)count * 1e3 / (double)took[runs - 1],
	    (double)count * 1e3 / (double)took[0]);
	printf("%ld ns of processor time a message; threads slept %ld times in 1000 messages\n", (long)used,
	    sleeps);
	free(took);
	return 0;
}

/* -- growth ---------------------------------------------------------------------- */

static long growth_count, resident_early, resident_late;

static void look_at_size(const rv_message *message, long index)
{
	(void)message;
	if (index == growth_count / 10)
		resident_early = resident_kib(getpid());
	if (index == growth_count - 1)
		resident_late = resident_kib(getpid());
}

static int growth(long count)
{
	struct flow flow = {.count = count, .on_message = look_at_size};

	growth_count = count;
	if (!run_once(&flow))
		return 1;
	printf("VmRSS %ld KiB after %ld messages, %ld KiB after %ld\n", resident_early, count / 10,
	    resident_late, count);
	return 0;
}

/* -- latency ---------------------------------------------------------------------- */

enum { RING = 1 << 16 }; /* more than can be on the way */

static struct rv_binder_ops timed_binder;
static struct rv_consumer_sink timed_sink;
static const struct rv_consumer_sink *core_sink;

static int64_t *send_ns, *deliver_ns;
static long sends;
static int64_t entered_ns; /* the sender's alone */
static int64_t delivered_at[RING];

static void enter_send(void)
{
	entered_ns = now_ns();
}

static size_t timed_send(void *producer, const struct rv_outbound *batch, size_t n)
{
	send_ns[sends++] = now_ns() - entered_ns;
	return rv__memory_binder.send(producer, batch, n);
}

static size_t timed_deliver(void *sink, const struct rv_inbound *batch, size_t n)
{
	int64_t now = now_ns();

	for (size_t i = 0; i < n; i++)
		delivered_at[batch[i].token.position % RING] = now;
	return core_sink->deliver(sink, batch, n);
}

static void enter_listener(const rv_message *message, long index)
{
	deliver_ns[index] = now_ns() - delivered_at[rv_message_position(message) % RING];
}

static rv_err timed_bind_consumer(void *binder, const struct rv_consumer_spec *spec, void **ret_consumer,
    struct rv_consumer_info *info, struct rv_error *err)
{
	struct rv_consumer_spec timed = *spec;

	core_sink = spec->sink_ops;
	timed_sink = *core_sink;
	timed_sink.deliver = timed_deliver;
	timed.sink_ops = &timed_sink;
	return rv__memory_binder.bind_consumer(binder, &timed, ret_consumer, info, err);
}

static void print_quantiles(const char *what, int64_t *took, size_t count)
{
	sort_ns(took, count);
	printf("%s: median %.1f µs, 90th %.1f, 99th %.1f, 99.9th %.1f, most %.0f\n", what,
	    quantile_us(took, count, 500), quantile_us(took, count, 900), quantile_us(took, count, 990),
	    quantile_us(took, count, 999), quantile_us(took, count, 1000));
}

static int latency(long rate, long seconds)
{
	struct flow flow = {.count = rate * seconds,
	    .rate = rate,
	    .sends = true,
	    .receives = true,
	    .before_send = enter_send,
	    .on_message = enter_listener};
	const char *timed_arguments[ARGUMENTS + 1];
	bool ok;

	timed_binder = rv__memory_binder;
	timed_binder.type = "timed";
	timed_binder.send = timed_send;
	timed_binder.bind_consumer = timed_bind_consumer;
	memcpy(timed_arguments, arguments, sizeof timed_arguments);
	timed_arguments[3] = "--spring.cloud.stream.default-binder=timed";
	flow.took_ns = calloc((size_t)flow.count, sizeof *flow.took_ns);
	send_ns = calloc((size_t)flow.count + 1, sizeof *send_ns);
	deliver_ns = calloc((size_t)flow.count, sizeof *deliver_ns);
	ok = flow.took_ns && send_ns && deliver_ns && rv_binder_register(&timed_binder, NULL) == RV_OK &&
	    flow_run(&flow, ARGUMENTS, (char **)timed_arguments);
	if (ok) {
		printf("  %ld messages a second for %ld s:\n", rate, seconds);
		/* The first one was the message that goes before the clock starts. */
		print_quantiles("    send entry to binder.send  ", send_ns + 1, (size_t)flow.count);
		print_quantiles("    deliver to listener entry  ", deliver_ns, (size_t)flow.count);
		print_quantiles("    moment due to listener entry", flow.took_ns, (size_t)flow.count);
	}
	free(flow.took_ns);
	free(send_ns);
	free(deliver_ns);
	return ok ? 0 : 1;
}

/* -- program ---------------------------------------------------------------------- */

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	long count = argc > 2 ? number(argv[2], 1, 1000000000) : 0;

	if (!strcmp(what, "rate") && argc == 4)
		return rate(count, number(argv[3], 1, 1000));
	if (!strcmp(what, "latency") && argc == 4)
		return latency(count, number(argv[3], 1, 3600));
	if (!strcmp(what, "growth") && argc == 3)
		return growth(count);
	if (!strcmp(what, "count") && argc == 3) {
		struct flow flow = {.count = count};

		return run_once(&flow) ? 0 : 1;
	}
	fprintf(stderr,
	    "usage: bench-memory rate COUNT RUNS | latency RATE SECONDS | growth COUNT | count COUNT\n");
	return 2;
}
