/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/flow.h"

#include <rivulet/rivulet.h>

#include "bench/measure.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

struct run {
	struct flow *flow;
	rv_app *app;
	pthread_t sender;
	bool sender_runs;
	atomic_bool failed;

	/* The sender's, read by completions. */
	int64_t start_ns;
	atomic_long wanted; /* the completion that the sender waits for; 0: none */
	sem_t completed;

	/* Of completions: one binder thread. */
	_Alignas(64) atomic_long done;
	int64_t last_done_ns;

	/* Of the listener: one worker. */
	_Alignas(64) long received;
	int64_t first_ns, last_ns;
};

void flow_payload(char payload[FLOW_BYTES], int64_t due_ns)
{
	memset(payload, 'x', FLOW_BYTES);
	memcpy(payload, &due_ns, sizeof due_ns);
}

void flow_id(char id[32], unsigned long number)
{
	for (int at = 31; at >= 0; at--, number >>= 4)
		id[at] = "0123456789ABCDEF"[number & 15];
}

/* -- receiving -------------------------------------------------------------------- */

static rv_verdict receive(const rv_message *message, void *context)
{
	struct run *run = context;
	struct flow *flow = run->flow;
	size_t length;
	const char *payload = rv_message_payload(message, &length);
	int64_t due;

	if (length != FLOW_BYTES || run->received >= flow->count)
		return RV_ACK; /* not one of this run */
	if (flow->on_message)
		flow->on_message(message, run->received);
	if (run->received == 0)
		run->first_ns = now_ns();
	if (flow->took_ns) {
		memcpy(&due, payload, sizeof due);
		flow->took_ns[run->received] = now_ns() - due;
	}
	if (++run->received == flow->count) {
		run->last_ns = now_ns();
		rv_app_request_stop(run->app);
	}
	return RV_ACK;
}

/* -- sending ---------------------------------------------------------------------- */

static void on_sent(const rv_message *message, const struct rv_error *error, void *context)
{
	struct run *run = context;
	long done = atomic_load_explicit(&run->done, memory_order_relaxed) + 1;

	(void)message;
	if (error && !atomic_exchange(&run->failed, true))
		fprintf(stderr, "a message was not sent: %s\n", error->text);
	if (done == run->flow->count)
		run->last_done_ns = now_ns();
	/* One thread completes, so that no two add at once; both sequentially consistent, as in wait_done(). */
	atomic_store(&run->done, done);
	if (done == atomic_load(&run->wanted))
		sem_post(&run->completed);
}

/* Waits until so many completed. A post of an earlier wait may still come: it only makes this one look again. */
static void wait_done(struct run *run, long wanted)
{
	atomic_store(&run->wanted, wanted);
	while (atomic_load(&run->done) < wanted)
		sem_wait(&run->completed);
	atomic_store(&run->wanted, 0);
}

static rv_message *make(int64_t due_ns)
{
	char payload[FLOW_BYTES];
	rv_message *message;

	flow_payload(payload, due_ns);
	message = rv_message_create(payload, sizeof payload);
	rv_message_set_header(message, FLOW_HEADER_1, FLOW_VALUE_1);
	rv_message_set_header(message, FLOW_HEADER_2, FLOW_VALUE_2);
	return message;
}

/* False: the channel refuses for good. */
static bool send_one(struct run *run, rv_channel *output, long sent, int64_t due_ns)
{
	rv_message *message = make(due_ns);
	struct rv_error error;
	rv_err code;

	if (run->flow->before_send)
		run->flow->before_send();
	while ((code = rv_channel_send_async(output, message, on_sent, run, &error)) == RV_E_FULL) {
		long done = atomic_load(&run->done);

		wait_done(run, done + (sent - done) / 2);
	}
	rv_message_unref(message);
	if (code != RV_OK)
		fprintf(stderr, "message %ld was refused: %s\n", sent, error.text);
	return code == RV_OK;
}

static void wait_until(int64_t due)
{
	while (now_ns() < due) /* the last stretch is watched, not slept */
		if (due - now_ns() > 100000)
			pause_us((due - now_ns()) / 1000 - 80);
}

/* The way is open, and whatever a client does before its first message is done. */
static bool warm_up(struct run *run, rv_channel *output)
{
	rv_message *message = rv_message_create("", 1);
	struct rv_error error;
	rv_err code = rv_channel_send(output, message, &error);

	rv_message_unref(message);
	if (code != RV_OK)
		fprintf(stderr, "the first message was refused: %s\n", error.text);
	atomic_store(&run->failed, code != RV_OK);
	return code == RV_OK;
}

static void *send_all(void *context)
{
	struct run *run = context;
	const struct flow *flow = run->flow;
	rv_channel *output = rv_app_channel(run->app, RV_SOURCE_OUTPUT);
	int64_t due;
	long i = 0;

	if (warm_up(run, output))
		run->start_ns = now_ns();
	for (; i < flow->count && !atomic_load_explicit(&run->failed, memory_order_relaxed); i++) {
		due = flow->rate    ? run->start_ns + i * (INT64_C(1000000000) / flow->rate)
		    : flow->took_ns ? now_ns()
		                    : 0;
		if (flow->rate)
			wait_until(due);
		if (!send_one(run, output, i, due)) {
			atomic_store(&run->failed, true);
			break;
		}
	}
	wait_done(run, i);
	if (!flow->receives || atomic_load(&run->failed))
		rv_app_request_stop(run->app);
	return NULL;
}

static void start_sending(rv_app *app, void *context)
{
	struct run *run = context;

	run->sender_runs = pthread_create(&run->sender, NULL, send_all, run) == 0;
	if (!run->sender_runs)
		rv_app_request_stop(app);
}

/* -- both ------------------------------------------------------------------------- */

bool flow_run(struct flow *flow, int argc, char **argv)
{
	struct run *run = aligned_alloc(64, (sizeof *run + 63) / 64 * 64);
	bool ok;

	if (!run)
		return false;
	memset(run, 0, sizeof *run);
	run->flow = flow;
	sem_init(&run->completed, 0, 0);
	run->app = rv_app_create("bench", argc, argv);
	if (flow->sends) {
		rv_app_enable_binding(run->app, RV_SOURCE);
		rv_app_on_ready(run->app, start_sending, run);
	}
	if (flow->receives) {
		rv_app_enable_binding(run->app, RV_SINK);
		rv_app_listen(run->app, RV_SINK_INPUT, receive, run);
	}
	ok = rv_app_run(run->app) == 0;
	if (run->sender_runs)
		pthread_join(run->sender, NULL);
	flow->sent_ns = run->last_done_ns - run->start_ns;
	flow->received_ns = run->last_ns - run->first_ns;
	flow->both_ns = run->last_ns - run->start_ns;
	ok = ok && !atomic_load(&run->failed) && (!flow->receives || run->received == flow->count) &&
	    (!flow->sends || atomic_load(&run->done) == flow->count);
	sem_destroy(&run->completed);
	free(run);
	return ok;
}
