/* SPDX-License-Identifier: Apache-2.0 */
/* States, commands, stops; completions. */
#include "tests/conformance/kit.h"

#include <stdio.h>
#include <string.h>

static struct kit_line line;

START_TEST(a_paused_input_gets_nothing_until_it_is_resumed)
{
	kit_line_start(&line, NULL, NULL);
	kit_send(line.output, "a", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&line.recorder) == 1);
	kit_change(&line.consumer, "input", "PAUSED", "paused");
	kit_send(line.output, "m", 0, 10);
	ck_assert(!wait_until(KIT_QUIET_MS, kit_count(&line.recorder) > 1));
	kit_change(&line.consumer, "input", "RESUMED", "running");
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&line.recorder) == 11);
	kit_line_stop(&line);
}
END_TEST

START_TEST(a_stopped_input_gets_nothing_until_it_is_started)
{
	kit_line_start(&line, NULL, NULL);
	kit_send(line.output, "a", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&line.recorder) == 1);
	kit_change(&line.consumer, "input", "STOPPED", "stopped");
	kit_send(line.output, "m", 0, 10);
	ck_assert(!wait_until(KIT_QUIET_MS, kit_count(&line.recorder) > 1));
	kit_change(&line.consumer, "input", "STARTED", "running");
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&line.recorder) == 11);
	WAIT_UNTIL(KIT_SOON_MS, kit_counters(&line.consumer, "input").acked == 11);
	kit_line_stop(&line);
}
END_TEST

START_TEST(a_stopped_output_refuses_until_it_is_started)
{
	rv_message *message = rv_message_create_text("x");
	struct rv_error error = {0};

	kit_line_start(&line, NULL, NULL);
	kit_change(&line.producer, "output", "STOPPED", "stopped");
	ck_assert_int_eq(rv_channel_send(line.output, message, &error), RV_E_CLOSED);
	ck_assert_int_eq(rv_channel_send_async(line.output, message, NULL, NULL, &error), RV_E_CLOSED);
	kit_change(&line.producer, "output", "STARTED", "running");
	ck_assert_int_eq(rv_channel_send(line.output, message, &error), RV_OK);
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&line.recorder) == 1);
	rv_message_unref(message);
	kit_line_stop(&line);
}
END_TEST

START_TEST(commands_for_what_is_not_there_say_so)
{
	struct rv_error error = {0};
	struct rv__host *host;

	kit_line_start(&line, NULL, NULL);
	host = (struct rv__host *)line.consumer.app;
	ck_assert_int_eq(rv__app_change_binding(host, "nobody", "STOPPED", &error), RV_E_NOTFOUND);
	ck_assert_int_eq(rv__app_change_binding(host, "input", "JUMP", &error), RV_E_INVALID);
	ck_assert_int_eq(
	    rv__app_change_binding((struct rv__host *)line.producer.app, "output", "PAUSED", &error),
	    RV_E_UNSUPPORTED);
	kit_line_stop(&line);
}
END_TEST

START_TEST(an_input_without_auto_startup_waits_for_the_command)
{
	static const char *const more[] = {KIT_CONSUMER "auto-startup=false", NULL};

	kit_line_start(&line, more, NULL);
	kit_send(line.output, "m", 0, 3);
	ck_assert(!wait_until(KIT_QUIET_MS, kit_count(&line.recorder) > 0));
	kit_change(&line.consumer, "input", "STARTED", "running");
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&line.recorder) == 3);
	kit_line_stop(&line);
}
END_TEST

START_TEST(an_anonymous_input_that_starts_again_reads_from_then_on)
{
	struct kit_service witness;
	struct kit_recorder seen;

	kit_line_begin(&line, NULL);
	kit_recorder_init(&seen);
	kit_consumer(&witness, line.destination, "g", &seen, NULL);
	kit_consumer(&line.consumer, line.destination, NULL, &line.recorder, NULL);
	kit_send(line.output, "before", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&line.recorder) == 1);
	kit_change(&line.consumer, "input", "STOPPED", "stopped");
	kit_send(line.output, "gone", 0, 3);
	/* Apache RocketMQ counts a message to the end of its queue only once consumers can read it. */
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&seen) == 4);
	kit_change(&line.consumer, "input", "STARTED", "running");
	kit_send(line.output, "after", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, kit_has(&line.recorder, "after0"));
	ck_assert_uint_eq(kit_distinct(&line.recorder), 2);
	ck_assert_int_eq(kit_service_stop(&witness), 0);
	kit_recorder_finish(&seen);
	kit_line_stop(&line);
}
END_TEST

START_TEST(bindings_end_in_any_order_and_leave_the_others_alone)
{
	static const char *const outputs[] = {"output1", "output2", "output3"};
	const char *destinations[] = {kit_destination(), kit_destination(), kit_destination()};
	struct kit_recorder first, second;
	struct kit_service service;
	struct rv_error error = {0};
	rv_message *message = rv_message_create_text("x");

	kit_recorder_init(&first);
	kit_recorder_init(&second);
	kit_service_init(&service);
	for (int i = 0; i < 3; i++)
		kit_property(
		    &service, "spring.cloud.stream.bindings.%s.destination=%s", outputs[i], destinations[i]);
	for (int i = 0; i < 2; i++) {
		kit_property(
		    &service, "spring.cloud.stream.bindings.input%d.destination=%s", i + 1, destinations[i]);
		kit_property(&service, "spring.cloud.stream.bindings.input%d.group=%s", i + 1,
		    kit_group("g", destinations[i]));
	}
	kit_service_create(&service);
	rv_app_enable_binding(service.app, RV_OUTPUTS("output1", "output2", "output3"));
	rv_app_enable_binding(service.app, RV_INPUTS("input1", "input2"));
	rv_app_listen(service.app, "input1", kit_listen, &first);
	rv_app_listen(service.app, "input2", kit_listen, &second);
	kit_service_start(&service);
	for (int i = 0; i < 3; i++)
		kit_send(rv_app_channel(service.app, outputs[i]), outputs[i], 0, 3);
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&first) == 3 && kit_distinct(&second) == 3);
	kit_change(&service, "output3", "STOPPED", "stopped");
	kit_change(&service, "input1", "STOPPED", "stopped");
	kit_send(rv_app_channel(service.app, "output1"), "output1", 3, 6);
	kit_send(rv_app_channel(service.app, "output2"), "output2", 3, 6);
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&second) == 6);
	kit_change(&service, "output1", "STOPPED", "stopped");
	ck_assert_int_eq(
	    rv_channel_send(rv_app_channel(service.app, "output1"), message, &error), RV_E_CLOSED);
	kit_change(&service, "input2", "STOPPED", "stopped");
	kit_send(rv_app_channel(service.app, "output2"), "output2", 6, 9);
	ck_assert_uint_eq(kit_count(&first), 3);
	ck_assert_uint_eq(kit_count(&second), 6);
	ck_assert_int_eq(kit_service_stop(&service), 0);
	rv_message_unref(message);
	kit_recorder_finish(&first);
	kit_recorder_finish(&second);
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

		kit_send(line.output, "m", i, i + 1);
		atomic_store(&stream->sent, i + 1);
	}
	return NULL;
}

START_TEST(a_stop_under_traffic_loses_nothing)
{
	struct stream stream = {0};
	pthread_t thread;

	kit_line_start(&line, NULL, NULL);
	ck_assert_int_eq(pthread_create(&thread, NULL, send_stream, &stream), 0);
	for (int i = 1; i <= 3; i++) {
		size_t before = kit_count(&line.recorder);

		WAIT_UNTIL(KIT_SOON_MS, kit_count(&line.recorder) > before + 20);
		ck_assert_int_eq(kit_service_stop(&line.consumer), 0);
		kit_line_join(&line, NULL);
	}
	atomic_store(&stream.end, true);
	pthread_join(thread, NULL);
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&line.recorder) == (size_t)atomic_load(&stream.sent));
	kit_line_stop(&line);
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
		code =
		    rv_channel_send_async(line.output, message, on_done, &completions.done[accepted], &error);
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
	kit_line_start(&line, NULL, NULL);
	ck_assert_int_eq(send_async(0, ASYNC), ASYNC);
	WAIT_UNTIL(KIT_SOON_MS, atomic_load(&completions.ok) + atomic_load(&completions.failed) == ASYNC);
	ck_assert_int_eq(atomic_load(&completions.ok), ASYNC);
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&line.recorder) == ASYNC);
	for (int i = 0; i < ASYNC; i++)
		ck_assert_int_eq(atomic_load(&completions.done[i]), 1);
	kit_line_stop(&line);
}
END_TEST

START_TEST(a_stop_completes_every_accepted_send)
{
	memset(&completions, 0, sizeof completions);
	kit_line_start(&line, NULL, NULL);
	ck_assert_int_eq(send_async(0, ASYNC), ASYNC);
	ck_assert_int_eq(kit_service_stop(&line.producer), 0);
	for (int i = 0; i < ASYNC; i++)
		ck_assert_int_eq(atomic_load(&completions.done[i]), 1);
	/* What was told to be sent is with the broker. */
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&line.recorder) >= (size_t)atomic_load(&completions.ok));
	ck_assert_int_eq(kit_service_stop(&line.consumer), 0);
	kit_recorder_finish(&line.recorder);
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

static struct kit_service middle;

/* What comes in is passed on to `second`, which the consumer of the line reads. */
static void start_with_middle(void)
{
	const char *second = kit_destination();

	kit_line_begin(&line, NULL);
	kit_consumer(&line.consumer, second, "g", &line.recorder, NULL);
	kit_service_init(&middle);
	kit_property(&middle, "spring.cloud.stream.bindings.input.destination=%s", line.destination);
	kit_property(
	    &middle, "spring.cloud.stream.bindings.input.group=%s", kit_group("middle", line.destination));
	kit_property(&middle, "spring.cloud.stream.bindings.output.destination=%s", second);
	kit_service_create(&middle);
	rv_app_enable_binding(middle.app, RV_PROCESSOR);
	rv_app_listen(
	    middle.app, RV_PROCESSOR_INPUT, pass_on, rv_app_channel(middle.app, RV_PROCESSOR_OUTPUT));
	kit_service_start(&middle);
}

START_TEST(a_listener_may_send)
{
	start_with_middle();
	kit_send(line.output, "m", 0, 50);
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&line.recorder) == 50);
	ck_assert_int_eq(kit_service_stop(&middle), 0);
	kit_line_stop(&line);
}
END_TEST

START_TEST(what_a_listener_passes_on_keeps_its_headers_and_is_a_new_message)
{
	rv_message *message = rv_message_create_text("x");

	ck_assert_int_eq(rv_message_set_header(message, "correlationId", "c-17"), RV_OK);
	ck_assert_int_eq(rv_message_set_header(message, RV_HEADER_KEY, "粤B12345"), RV_OK);
	start_with_middle();
	kit_line_send(&line, message);
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&line.recorder) == 1);
	ck_assert_str_eq(rv_message_header(line.recorder.kept, "correlationId"), "c-17");
	ck_assert_str_eq(rv_message_header(line.recorder.kept, RV_HEADER_KEY), "粤B12345");
	ck_assert_str_eq(rv_message_header(line.recorder.kept, RV_HEADER_CONTENT_TYPE), "text/plain");
	ck_assert_str_ne(rv_message_id(line.recorder.kept), rv_message_id(message));
	ck_assert_str_ne(rv_message_destination(line.recorder.kept), line.destination);
	ck_assert_int_eq(rv_message_attempt(line.recorder.kept), 1);
	rv_message_unref(message);
	ck_assert_int_eq(kit_service_stop(&middle), 0);
	kit_line_stop(&line);
}
END_TEST

void kit_add_lifecycle(void)
{
	KIT_ADD(0, a_paused_input_gets_nothing_until_it_is_resumed);
	KIT_ADD(RV_CAP_GROUP_RESUME, a_stopped_input_gets_nothing_until_it_is_started);
	KIT_ADD(0, a_stopped_output_refuses_until_it_is_started);
	KIT_ADD(0, commands_for_what_is_not_there_say_so);
	KIT_ADD(0, an_input_without_auto_startup_waits_for_the_command);
	KIT_ADD(0, an_anonymous_input_that_starts_again_reads_from_then_on);
	KIT_ADD(0, bindings_end_in_any_order_and_leave_the_others_alone);
	KIT_ADD(RV_CAP_GROUP_RESUME, a_stop_under_traffic_loses_nothing);
	KIT_ADD(0, asynchronous_sends_complete_exactly_once);
	KIT_ADD(0, a_stop_completes_every_accepted_send);
	KIT_ADD(0, a_listener_may_send);
	KIT_ADD(RV_CAP_HEADERS, what_a_listener_passes_on_keeps_its_headers_and_is_a_new_message);
}
