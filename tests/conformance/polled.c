/* SPDX-License-Identifier: Apache-2.0 */
/* Inputs that are polled: one message a call, on the caller's thread. */
#include "tests/conformance/kit.h"

#include <stdio.h>
#include <string.h>

static struct kit_line line;
static rv_channel *input;

static const char *const quick_retry[] = {KIT_CONSUMER "max-attempts=3",
    KIT_CONSUMER "back-off-initial-interval=5", KIT_CONSUMER "back-off-max-interval=20", NULL};

static void come(const char *const *more)
{
	kit_service_init(&line.consumer);
	kit_property(&line.consumer, "spring.cloud.stream.bindings.input.destination=%s", line.destination);
	kit_property(
	    &line.consumer, "spring.cloud.stream.bindings.input.group=%s", kit_group("g", line.destination));
	for (; more && *more; more++)
		kit_property(&line.consumer, "%s", *more);
	kit_service_create(&line.consumer);
	rv_app_enable_binding(line.consumer.app, RV_POLLED("input"));
	kit_service_start(&line.consumer);
	input = rv_app_channel(line.consumer.app, "input");
}

static void start(const char *const *more)
{
	kit_line_begin(&line, NULL);
	come(more);
}

static rv_err poll_once(void)
{
	return rv_channel_poll(input, KIT_SOON_MS, kit_listen, &line.recorder, NULL);
}

START_TEST(each_poll_takes_one_message)
{
	start(NULL);
	ck_assert_int_eq(rv_channel_poll(input, 0, kit_listen, &line.recorder, NULL), RV_E_TIMEOUT);
	kit_send(line.output, "m", 0, 5);
	for (size_t i = 1; i <= 5; i++) {
		ck_assert_int_eq(poll_once(), RV_OK);
		ck_assert_uint_eq(kit_count(&line.recorder), i);
	}
	ck_assert_uint_eq(kit_distinct(&line.recorder), 5);
	ck_assert_uint_eq(kit_counters(&line.consumer, "input").acked, 5);
	ck_assert_int_eq(rv_channel_poll(input, 20, kit_listen, &line.recorder, NULL), RV_E_TIMEOUT);
	kit_line_stop(&line);
}
END_TEST

START_TEST(a_poll_tries_again_in_place)
{
	start(quick_retry);
	atomic_store(&line.recorder.fail_first, 2);
	kit_send(line.output, "m", 0, 1);
	ck_assert_int_eq(poll_once(), RV_OK);
	ck_assert_uint_eq(kit_count(&line.recorder), 3);
	ck_assert_uint_eq(kit_counters(&line.consumer, "input").acked, 1);
	kit_line_stop(&line);
}
END_TEST

START_TEST(a_polled_message_that_is_rejected_becomes_a_dead_letter)
{
	start(kit_letters(true, NULL));
	line.recorder.failure = RV_REJECT;
	atomic_store(&line.recorder.fail_first, 1);
	kit_send(line.output, "m", 0, 2);
	ck_assert_int_eq(poll_once(), RV_OK);
	WAIT_UNTIL(KIT_SOON_MS, kit_counters(&line.consumer, "input").dead_lettered == 1);
	ck_assert_int_eq(poll_once(), RV_OK);
	ck_assert_uint_eq(kit_counters(&line.consumer, "input").acked, 1);
	kit_line_stop(&line);
}
END_TEST

START_TEST(a_polled_message_may_be_deferred)
{
	start(NULL);
	line.recorder.defer = true;
	kit_send(line.output, "m", 0, 1);
	ck_assert_int_eq(poll_once(), RV_OK);
	ck_assert_uint_eq(kit_counters(&line.consumer, "input").acked, 0);
	ck_assert_int_eq(rv_delivery_settle(kit_taken(&line.recorder), RV_ACK, NULL), RV_OK);
	ck_assert_uint_eq(kit_counters(&line.consumer, "input").acked, 1);
	kit_line_stop(&line);
}
END_TEST

START_TEST(what_was_not_polled_stays_with_the_broker)
{
	start(NULL);
	kit_send(line.output, "m", 0, 10);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(poll_once(), RV_OK);
	ck_assert_int_eq(kit_service_stop(&line.consumer), 0);
	come(NULL);
	while (kit_distinct(&line.recorder) < 10)
		ck_assert_int_eq(poll_once(), RV_OK);
	/* What was settled does not come again. */
	ck_assert_uint_eq(kit_count(&line.recorder), 10);
	kit_line_stop(&line);
}
END_TEST

START_TEST(a_polled_input_that_is_not_polled_holds_back_the_broker)
{
	static const char *const small[] = {"rivulet.bindings.input.consumer.queue-messages=8", NULL};

	start(small);
	kit_send(line.output, "m", 0, 200);
	WAIT_UNTIL(KIT_SOON_MS, kit_counters(&line.consumer, "input").received > 0);
	ck_assert(!wait_until(KIT_QUIET_MS, kit_counters(&line.consumer, "input").received > 8 * 16));
	while (kit_distinct(&line.recorder) < 200)
		ck_assert_int_eq(poll_once(), RV_OK);
	kit_line_stop(&line);
}
END_TEST

START_TEST(a_paused_input_has_nothing_to_poll)
{
	start(NULL);
	kit_change(&line.consumer, "input", "PAUSED", "paused");
	kit_send(line.output, "m", 0, 1);
	ck_assert_int_eq(
	    rv_channel_poll(input, KIT_QUIET_MS, kit_listen, &line.recorder, NULL), RV_E_TIMEOUT);
	kit_change(&line.consumer, "input", "RESUMED", "running");
	ck_assert_int_eq(poll_once(), RV_OK);
	kit_line_stop(&line);
}
END_TEST

START_TEST(a_polled_message_runs_out_of_attempts)
{
	struct rv__binding_counters counters;

	start(quick_retry);
	atomic_store(&line.recorder.fail_first, 3);
	kit_send(line.output, "m", 0, 1);
	ck_assert_int_eq(poll_once(), RV_OK);
	ck_assert_uint_eq(kit_count(&line.recorder), 3);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(line.recorder.records[i].attempt, i + 1);
	WAIT_UNTIL(KIT_SOON_MS,
	    (counters = kit_counters(&line.consumer, "input"),
	        counters.requeued + counters.dead_lettered + counters.dropped == 1));
	ck_assert_uint_eq(counters.retried, 2);
	ck_assert_uint_eq(counters.acked, 0);
	kit_line_stop(&line);
}
END_TEST

START_TEST(a_polled_message_given_back_comes_at_a_later_poll)
{
	static const char *const once[] = {KIT_CONSUMER "max-attempts=1", NULL};

	start(kit_redelivery(once));
	atomic_store(&line.recorder.fail_first, 1);
	kit_send(line.output, "m", 0, 1);
	ck_assert_int_eq(poll_once(), RV_OK);
	ck_assert_uint_eq(kit_count(&line.recorder), 1);
	ck_assert_int_eq(poll_once(), RV_OK);
	ck_assert_uint_eq(kit_count(&line.recorder), 2);
	ck_assert_uint_eq(kit_counters(&line.consumer, "input").acked, 1);
	ck_assert_str_eq(line.recorder.records[1].id, line.recorder.records[0].id);
	kit_line_stop(&line);
}
END_TEST

START_TEST(headers_inside_a_polled_payload_arrive_as_headers)
{
	static const char *const out[] = {KIT_PRODUCER "header-mode=embeddedHeaders", NULL};
	static const char *const in[] = {KIT_CONSUMER "header-mode=embeddedHeaders", NULL};
	rv_message *message = rv_message_create_text("粤B12345");

	ck_assert_int_eq(rv_message_set_header(message, "correlationId", "c-17"), RV_OK);
	kit_line_begin(&line, out);
	come(in);
	kit_line_send(&line, message);
	ck_assert_int_eq(poll_once(), RV_OK);
	ck_assert_str_eq(rv_message_text(line.recorder.kept), "粤B12345");
	ck_assert_str_eq(rv_message_header(line.recorder.kept, "correlationId"), "c-17");
	ck_assert_str_eq(rv_message_header(line.recorder.kept, RV_HEADER_CONTENT_TYPE), "text/plain");
	rv_message_unref(message);
	kit_line_stop(&line);
}
END_TEST

START_TEST(a_polled_input_is_closed_until_it_is_started)
{
	static const char *const waiting[] = {KIT_CONSUMER "auto-startup=false", NULL};

	start(waiting);
	kit_send(line.output, "m", 0, 2);
	ck_assert_int_eq(rv_channel_poll(input, 0, kit_listen, &line.recorder, NULL), RV_E_CLOSED);
	kit_change(&line.consumer, "input", "STARTED", "running");
	ck_assert_int_eq(poll_once(), RV_OK);
	kit_change(&line.consumer, "input", "STOPPED", "stopped");
	ck_assert_int_eq(rv_channel_poll(input, 0, kit_listen, &line.recorder, NULL), RV_E_CLOSED);
	kit_change(&line.consumer, "input", "STARTED", "running");
	ck_assert_int_eq(poll_once(), RV_OK);
	ck_assert_uint_eq(kit_distinct(&line.recorder), 2);
	kit_line_stop(&line);
}
END_TEST

void kit_add_polled(void)
{
	KIT_ADD(0, each_poll_takes_one_message);
	KIT_ADD(0, a_poll_tries_again_in_place);
	KIT_ADD(RV_CAP_DEAD_LETTER, a_polled_message_that_is_rejected_becomes_a_dead_letter);
	KIT_ADD(0, a_polled_message_may_be_deferred);
	KIT_ADD(RV_CAP_GROUP_RESUME, what_was_not_polled_stays_with_the_broker);
	KIT_ADD(0, a_polled_input_that_is_not_polled_holds_back_the_broker);
	KIT_ADD(0, a_paused_input_has_nothing_to_poll);
	KIT_ADD(0, a_polled_message_runs_out_of_attempts);
	KIT_ADD(RV_CAP_REQUEUE, a_polled_message_given_back_comes_at_a_later_poll);
	KIT_ADD(0, headers_inside_a_polled_payload_arrive_as_headers);
	KIT_ADD(RV_CAP_GROUP_RESUME, a_polled_input_is_closed_until_it_is_started);
}
