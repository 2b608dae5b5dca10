/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two services that measure the way between them: one sends, one receives, on any binder.
 *
 *     bench-service send COUNT RATE [--key=value…]     RATE messages a second at fixed moments; 0: as fast as it goes
 *     bench-service receive COUNT [--key=value…]       ends after COUNT and prints the time from send to listener
 *     bench-service both COUNT RATE [--key=value…]     one process with both ends, for callgrind and `memory`
 *
 * Each payload carries CLOCK_MONOTONIC at the moment when the message was due (open loop, so that a stall is
 * seen by every message that it delays). Both programs must run on one machine.
 */
#include <rivulet/rivulet.h>

#include "bench/measure.h"

#include <pthread.h>
#include <stdatomic.h>

enum { TEXT_LENGTH = 70 }; /* what a parking notice has */

struct bench {
	rv_app *app;
	long count, rate;
	bool sends, receives;
	int64_t *took_ns;
	atomic_long received;
	int64_t first_ns, last_ns;
	pthread_t sender;
	bool sender_runs;
	atomic_bool failed;
};

/* -- receiving ------------------------------------------------------------------ */

static rv_verdict receive(const rv_message *message, void *context)
{
	struct bench *bench = context;
	int64_t now = now_ns(), due;
	size_t length;
	const char *payload = rv_message_payload(message, &length);
	long at = atomic_fetch_add(&bench->received, 1);

	if (length >= sizeof(due) && at < bench->count) {
		memcpy(&due, payload, sizeof(due));
		bench->took_ns[at] = now - due;
		if (!at)
			bench->first_ns = now;
		bench->last_ns = now;
	}
	if (at + 1 == bench->count)
		rv_app_request_stop(bench->app);
	return RV_ACK;
}

static void print_received(struct bench *bench)
{
	long n = atomic_load(&bench->received);
	size_t count = (size_t)(n < bench->count ? n : bench->count);
	double seconds = (double)(bench->last_ns - bench->first_ns) / 1e9;

	sort_ns(bench->took_ns, count);
	printf("received %zu; send to listener: median %.0f µs, 90th %.0f, 99th %.0f, 99.9th %.0f, most "
	       "%.0f; %.0f "
	       "messages/s\n",
	    count, quantile_us(bench->took_ns, count, 500), quantile_us(bench->took_ns, count, 900),
	    quantile_us(bench->took_ns, count, 990), quantile_us(bench->took_ns, count, 999),
	    quantile_us(bench->took_ns, count, 1000), seconds > 0 ? (double)count / seconds : 0);
}

/* -- sending -------------------------------------------------------------------- */

static bool send_one(rv_channel *output, int64_t due, struct rv_error *error)
{
	char payload[TEXT_LENGTH];
	RV_CLEANUP(rv_message_unrefp) rv_message *message = NULL;

	memset(payload, 'x', sizeof(payload));
	memcpy(payload, &due, sizeof(due));
	message = rv_message_create(payload, sizeof(payload));
	return rv_channel_send(output, message, error) == RV_OK;
}

static void *send_all(void *context)
{
	struct bench *bench = context;
	rv_channel *output = rv_app_channel(bench->app, RV_SOURCE_OUTPUT);
	int64_t start = now_ns(), due;
	struct rv_error error;
	long i;

	for (i = 0; i < bench->count; i++) {
		due = bench->rate ? start + i * (INT64_C(1000000000) / bench->rate) : now_ns();
		while (bench->rate && now_ns() < due) /* the last stretch is watched, not slept */
			if (due - now_ns() > 100000)
				pause_us((due - now_ns()) / 1000 - 80);
		if (!send_one(output, due, &error)) {
			fprintf(stderr, "message %ld was not sent: %s\n", i, error.text);
			atomic_store(&bench->failed, true);
			break;
		}
	}
	printf("sent %ld: %.0f messages/s\n", i, (double)i * 1e9 / (double)(now_ns() - start));
	if (!bench->receives || atomic_load(&bench->failed))
		rv_app_request_stop(bench->app);
	return NULL;
}

static void start_sending(rv_app *app, void *context)
{
	struct bench *bench = context;

	(void)app;
	bench->sender_runs = pthread_create(&bench->sender, NULL, send_all, bench) == 0;
}

/* -- program -------------------------------------------------------------------- */

static int usage(void)
{
	fprintf(stderr,
	    "usage: bench-service send COUNT RATE | receive COUNT | both COUNT RATE [--key=value…]\n");
	return 2;
}

int main(int argc, char **argv)
{
	static struct bench bench;
	const char *role = argc > 2 ? argv[1] : "";
	int words, status;

	bench.sends = !strcmp(role, "send") || !strcmp(role, "both");
	bench.receives = !strcmp(role, "receive") || !strcmp(role, "both");
	words = bench.sends ? 4 : 3;
	if ((!bench.sends && !bench.receives) || argc < words)
		return usage();
	bench.count = number(argv[2], 1, 100000000);
	bench.rate = bench.sends ? number(argv[3], 0, 10000000) : 0;
	bench.took_ns = calloc((size_t)bench.count, sizeof(int64_t));
	if (!bench.took_ns)
		return 1;
	bench.app = rv_app_create("bench", argc - words + 1, argv + words - 1);
	if (bench.sends) {
		rv_app_enable_binding(bench.app, RV_SOURCE);
		rv_app_on_ready(bench.app, start_sending, &bench);
	}
	if (bench.receives) {
		rv_app_enable_binding(bench.app, RV_SINK);
		rv_app_listen(bench.app, RV_SINK_INPUT, receive, &bench);
	}
	status = rv_app_run(bench.app);
	if (bench.sender_runs)
		pthread_join(bench.sender, NULL);
	if (bench.receives)
		print_received(&bench);
	free(bench.took_ns);
	return atomic_load(&bench.failed) ? 1 : status;
}
