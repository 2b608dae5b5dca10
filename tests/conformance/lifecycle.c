/* SPDX-License-Identifier: Apache-2.0 */
/* States, commands, stops; completions. */
#include "tests/conformance/kit.h"

#include <stdio.h>
#include <string.h>

static struct kit_service consumer, producer;
static struct kit_recorder recorder;
static rv_channel *output;
static const char *destination;

static void start(void)
{
	destination = kit_destination();
	kit_recorder_init(&recorder);
	output = kit_producer(&producer, destination, NULL);
	kit_consumer(&consumer, destination, "g", &recorder, NULL);
}

static void stop(void)
{
	ck_assert_int_eq(kit_service_stop(&consumer), 0);
	ck_assert_int_eq(kit_service_stop(&producer), 0);
	kit_recorder_finish(&recorder);
}

START_TEST(a_paused_input_gets_nothing_until_it_is_resumed)
{
	start();
	kit_send(output, "a", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&recorder) == 1);
	kit_change(&consumer, "input", "PAUSED", "paused");
	kit_send(output, "m", 0, 10);
	ck_assert(!wait_until(KIT_QUIET_MS, kit_count(&recorder) > 1));
	kit_change(&consumer, "input", "RESUMED", "running");
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&recorder) == 11);
	stop();
}
END_TEST

START_TEST(a_stopped_input_gets_nothing_until_it_is_started)
{
	start();
	kit_send(output, "a", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&recorder) == 1);
	kit_change(&consumer, "input", "STOPPED", "stopped");
	kit_send(output, "m", 0, 10);
	ck_assert(!wait_until(KIT_QUIET_MS, kit_count(&recorder) > 1));
	kit_change(&consumer, "input", "STARTED", "running");
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&recorder) == 11);
	ck_assert_uint_eq(kit_counters(&consumer, "input").acked, 11);
	stop();
}
END_TEST

START_TEST(a_stopped_output_refuses_until_it_is_started)
{
	rv_message *message = rv_message_create_text("x");
	struct rv_error error = {0};

	start();
	kit_change(&producer, "output", "STOPPED", "stopped");
	ck_assert_int_eq(rv_channel_send(output, message, &error), RV_E_CLOSED);
	ck_assert_int_eq(rv_channel_send_async(output, message, NULL, NULL, &error), RV_E_CLOSED);
	kit_change(&producer, "output", "STARTED", "running");
	ck_assert_int_eq(rv_channel_send(output, message, &error), RV_OK);
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&recorder) == 1);
	rv_message_unref(message);
	stop();
}
END_TEST

START_TEST(commands_for_what_is_not_there_say_so)
{
	struct rv_error error = {0};
	struct rv__host *host;

	start();
	host = (struct rv__host *)consumer.app;
	ck_assert_int_eq(rv__app_change_binding(host, "nobody", "STOPPED", &error), RV_E_NOTFOUND);
	ck_assert_int_eq(rv__app_change_binding(host, "input", "JUMP", &error), RV_E_INVALID);
	ck_assert_int_eq(rv__app_change_binding((struct rv__host *)producer.app, "output", "PAUSED", &error),
	    RV_E_UNSUPPORTED);
	stop();
}
END_TEST

START_TEST(an_input_without_auto_startup_waits_for_the_command)
{
	static const char *const more[] = {
	    "spring.cloud.stream.bindings.input.consumer.auto-startup=false", NULL};

	destination = kit_destination();
	kit_recorder_init(&recorder);
	output = kit_producer(&producer, destination, NULL);
	kit_consumer(&consumer, destination, "g", &recorder, more);
	kit_send(output, "m", 0, 3);
	ck_assert(!wait_until(KIT_QUIET_MS, kit_count(&recorder) > 0));
	kit_change(&consumer, "input", "STARTED", "running");
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&recorder) == 3);
	stop();
}
END_TEST

/* -- stop under traffic ---------------------------------------------------------------------------- */

struct stream {
	atomic_int sent;
	atomic_bool end;
};

static void *send_stream(void *arg)
{
	struct stream *stream = arg;

	while (!atomic_load(&stream->end)) {
		int i = atomic_load(&stream->sent);

		kit_send(output, "m", i, i + 1);
		atomic_store(&stream->sent, i + 1);
	}
	return NULL;
}

START_TEST(a_stop_under_traffic_loses_nothing)
{
	struct stream stream = {0};
	pthread_t thread;

	start();
	ck_assert_int_eq(pthread_create(&thread, NULL, send_stream, &stream), 0);
	for (int i = 1; i <= 3; i++) {
		size_t before = kit_count(&recorder);

		WAIT_UNTIL(KIT_SOON_MS, kit_count(&recorder) > before + 20);
		ck_assert_int_eq(kit_service_stop(&consumer), 0);
		kit_consumer(&consumer, destination, "g", &recorder, NULL);
	}
	atomic_store(&stream.end, true);
	pthread_join(thread, NULL);
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&recorder) == (size_t)atomic_load(&stream.sent));
	stop();
}
END_TEST

/* -- completions --------------------------------------------------------------------------------------- */

enum { ASYNC = 2000 };

struct completions {
	atomic_int done[ASYNC];
	atomic_int ok;
	atomic_int failed;
};

static struct completions completions;

static void on_done(const rv_message *message, const struct rv_error *error, void *context)
{
	atomic_int *done = context;

	(void)message;
	atomic_fetch_add(done, 1);
	atomic_fetch_add(error ? &completions.failed : &completions.ok, 1);
}

/* Sends as many as there is room for; how many were accepted. */
static int send_async(int from, int to)
{
	int accepted = from;

	while (accepted < to) {
		char text[32];
		rv_message *message;
		struct rv_error error;
		rv_err code;

		snprintf(text, sizeof text, "a%d", accepted);
		message = rv_message_create_text(text);
		code = rv_channel_send_async(output, message, on_done, &completions.done[accepted], &error);
		rv_message_unref(message);
		if (code == RV_OK)
			accepted++;
		else
			ck_assert_int_eq(code, RV_E_FULL);
	}
	return accepted - from;
}

START_TEST(asynchronous_sends_complete_exactly_once)
{
	memset(&completions, 0, sizeof completions);
	start();
	ck_assert_int_eq(send_async(0, ASYNC), ASYNC);
	WAIT_UNTIL(KIT_SOON_MS, atomic_load(&completions.ok) + atomic_load(&completions.failed) == ASYNC);
	ck_assert_int_eq(atomic_load(&completions.ok), ASYNC);
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&recorder) == ASYNC);
	for (int i = 0; i < ASYNC; i++)
		ck_assert_int_eq(atomic_load(&completions.done[i]), 1);
	stop();
}
END_TEST

START_TEST(a_stop_completes_every_accepted_send)
{
	memset(&completions, 0, sizeof completions);
	start();
	ck_assert_int_eq(send_async(0, ASYNC), ASYNC);
	ck_assert_int_eq(kit_service_stop(&producer), 0);
	for (int i = 0; i < ASYNC; i++)
		ck_assert_int_eq(atomic_load(&completions.done[i]), 1);
	ck_assert_int_eq(kit_service_stop(&consumer), 0);
	kit_recorder_finish(&recorder);
}
END_TEST

/* -- processors ------------------------------------------------------------------------------------------ */

static rv_verdict pass_on(const rv_message *message, void *context)
{
	rv_message *copy = rv_message_dup(message);
	rv_err code = rv_channel_send(context, copy, NULL);

	rv_message_unref(copy);
	return code == RV_OK ? RV_ACK : RV_RETRY;
}

START_TEST(a_listener_may_send)
{
	struct kit_service middle;
	const char *second = kit_destination();

	destination = kit_destination();
	kit_recorder_init(&recorder);
	output = kit_producer(&producer, destination, NULL);
	kit_consumer(&consumer, second, "g", &recorder, NULL);
	kit_service_init(&middle);
	kit_property(&middle, "spring.cloud.stream.bindings.input.destination=%s", destination);
	kit_property(
	    &middle, "spring.cloud.stream.bindings.input.group=%s", kit_group("middle", destination));
	kit_property(&middle, "spring.cloud.stream.bindings.output.destination=%s", second);
	kit_service_create(&middle);
	rv_app_enable_binding(middle.app, RV_PROCESSOR);
	rv_app_listen(
	    middle.app, RV_PROCESSOR_INPUT, pass_on, rv_app_channel(middle.app, RV_PROCESSOR_OUTPUT));
	kit_service_start(&middle);
	kit_send(output, "m", 0, 50);
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&recorder) == 50);
	ck_assert_int_eq(kit_service_stop(&middle), 0);
	stop();
}
END_TEST

void kit_add_lifecycle(void)
{
	KIT_ADD(0, a_paused_input_gets_nothing_until_it_is_resumed);
	KIT_ADD(RV_CAP_GROUP_RESUME, a_stopped_input_gets_nothing_until_it_is_started);
	KIT_ADD(0, a_stopped_output_refuses_until_it_is_started);
	KIT_ADD(0, commands_for_what_is_not_there_say_so);
	KIT_ADD(0, an_input_without_auto_startup_waits_for_the_command);
	KIT_ADD(RV_CAP_GROUP_RESUME, a_stop_under_traffic_loses_nothing);
	KIT_ADD(0, asynchronous_sends_complete_exactly_once);
	KIT_ADD(0, a_stop_completes_every_accepted_send);
	KIT_ADD(0, a_listener_may_send);
}
