/* SPDX-License-Identifier: Apache-2.0 */
/* What comes again, what comes later, and what stays lent: deliveries between two listener calls. */
#include "tests/conformance/kit.h"

#include <string.h>

static struct kit_line line;

static const char *const once[] = {
    KIT_CONSUMER "max-attempts=1", "rivulet.bindings.input.consumer.max-deliveries=1000", NULL};

START_TEST(a_message_given_back_comes_again)
{
	kit_line_start(&line, kit_redelivery(once), NULL);
	atomic_store(&line.recorder.fail_first, 1);
	kit_send(line.output, "m", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, kit_counters(&line.consumer, "input").acked == 1);
	ck_assert_uint_eq(kit_counters(&line.consumer, "input").requeued, 1);
	ck_assert_uint_eq(kit_counters(&line.consumer, "input").retried, 0);
	ck_assert_uint_eq(kit_count(&line.recorder), 2);
	ck_assert_str_eq(line.recorder.records[1].text, "m0");
	ck_assert_str_eq(line.recorder.records[1].id, line.recorder.records[0].id);
	if (kit_caps & RV_CAP_DELIVERY_COUNT)
		ck_assert_int_eq(line.recorder.records[1].attempt, 2);
	kit_line_stop(&line);
}
END_TEST

START_TEST(a_message_given_back_holds_nobody_up)
{
	struct rv__binding_counters counters;

	kit_line_start(&line, kit_redelivery(once), NULL);
	line.recorder.fail_text = "bad";
	kit_send(line.output, "bad", 0, 1);
	kit_send(line.output, "good", 0, 20);
	/* Partitions take their turns in any order. */
	WAIT_UNTIL(KIT_SOON_MS,
	    (counters = kit_counters(&line.consumer, "input"),
	        counters.acked == 20 && counters.requeued >= 1));
	ck_assert_uint_eq(counters.dead_lettered + counters.dropped, 0);
	kit_line_stop(&line);
}
END_TEST

START_TEST(a_message_for_later_comes_later)
{
	rv_message *message = rv_message_create_text("later");
	int64_t sent_ms;

	/* Level 1 of RocketMQ, a second; no other binder claims it yet. */
	ck_assert_int_eq(rv_message_set_header(message, "DELAY", "1"), RV_OK);
	kit_line_start(&line, NULL, NULL);
	kit_send(line.output, "now", 0, 1); /* so that the consumer is awake when time is taken */
	WAIT_UNTIL(KIT_SOON_MS, kit_has(&line.recorder, "now0"));
	sent_ms = rv__monotonic_ms();
	kit_line_send(&line, message);
	WAIT_UNTIL(KIT_SOON_MS, kit_has(&line.recorder, "later"));
	ck_assert_int_ge(rv__monotonic_ms() - sent_ms, 900);
	ck_assert_str_eq(rv_message_id(line.recorder.kept), rv_message_id(message));
	rv_message_unref(message);
	kit_line_stop(&line);
}
END_TEST

START_TEST(a_listener_that_outlasts_its_lease_keeps_its_message)
{
	struct kit_service other;
	struct kit_recorder others;

	kit_recorder_init(&others);
	kit_line_start(&line, kit_short_lease(NULL), NULL);
	atomic_store(&line.recorder.blocked, true);
	kit_send(line.output, "m", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&line.recorder) == 1);
	kit_consumer(&other, line.destination, "g", &others, kit_long_lease(NULL));
	ck_assert(!wait_until(KIT_END_MS * 5 / 4, kit_count(&others) > 0));
	atomic_store(&line.recorder.blocked, false);
	WAIT_UNTIL(KIT_SOON_MS, kit_counters(&line.consumer, "input").acked == 1);
	ck_assert_uint_eq(kit_counters(&line.consumer, "input").stale, 0);
	ck_assert_int_eq(kit_service_stop(&other), 0);
	ck_assert_uint_eq(kit_count(&line.recorder) + kit_count(&others), 1);
	kit_recorder_finish(&others);
	kit_line_stop(&line);
}
END_TEST

void kit_add_redelivery(void)
{
	KIT_ADD(RV_CAP_REQUEUE, a_message_given_back_comes_again);
	KIT_ADD(RV_CAP_REQUEUE_DELAY, a_message_given_back_holds_nobody_up);
	KIT_ADD(RV_CAP_DELAYED_SEND, a_message_for_later_comes_later);
	KIT_ADD(RV_CAP_LEASE, a_listener_that_outlasts_its_lease_keeps_its_message);
}
