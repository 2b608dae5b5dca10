/* SPDX-License-Identifier: Apache-2.0 */
/* Order, attempts, settlements. */
#include "tests/conformance/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct kit_line line;

static const char *const quick_retry[] = {KIT_CONSUMER "max-attempts=3",
    KIT_CONSUMER "back-off-initial-interval=5", KIT_CONSUMER "back-off-max-interval=20", NULL};
static const char *const wide[] = {KIT_PRODUCER "partition-count=4", NULL};

/* -- order ------------------------------------------------------------------------------------- */

/* Positions of each partition must rise. */
static void check_order(void)
{
	long long last[64];

	for (size_t i = 0; i < 64; i++)
		last[i] = -1;
	for (size_t i = 0; i < line.recorder.count; i++) {
		const struct kit_record *record = &line.recorder.records[i];

		ck_assert_int_ge(record->partition, 0);
		ck_assert_int_lt(record->partition, 64);
		ck_assert_msg(record->position > last[record->partition], "partition %d: %lld after %lld",
		    record->partition, record->position, last[record->partition]);
		last[record->partition] = record->position;
	}
}

START_TEST(order_within_a_partition_holds_at_any_concurrency)
{
	static const char *const four[] = {KIT_CONSUMER "concurrency=4", NULL};

	kit_line_start(&line, four, wide);
	kit_send(line.output, "m", 0, 500);
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&line.recorder) >= 500);
	pthread_mutex_lock(&line.recorder.lock);
	check_order();
	pthread_mutex_unlock(&line.recorder.lock);
	kit_line_stop(&line);
}
END_TEST

START_TEST(listener_calls_are_bounded_by_concurrency)
{
	static const char *const two[] = {KIT_CONSUMER "concurrency=2", NULL};

	kit_line_start(&line, two, kit_caps & RV_CAP_PARTITIONS ? wide : NULL);
	line.recorder.busy_us = 500;
	kit_send(line.output, "m", 0, 100);
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&line.recorder) == 100);
	ck_assert_int_le(atomic_load(&line.recorder.most), 2);
	kit_line_stop(&line);
}
END_TEST

/* -- attempts -------------------------------------------------------------------------------------- */

START_TEST(a_retried_delivery_is_tried_in_place_with_its_number)
{
	kit_line_start(&line, quick_retry, NULL);
	atomic_store(&line.recorder.fail_first, 2);
	kit_send(line.output, "m", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&line.recorder) == 3);
	for (int i = 0; i < 3; i++) {
		ck_assert_str_eq(line.recorder.records[i].text, "m0");
		ck_assert_int_eq(line.recorder.records[i].attempt, i + 1);
	}
	WAIT_UNTIL(KIT_SOON_MS, kit_counters(&line.consumer, "input").acked == 1);
	ck_assert_uint_eq(kit_counters(&line.consumer, "input").retried, 2);
	ck_assert(!wait_until(KIT_QUIET_MS, kit_count(&line.recorder) > 3));
	kit_line_stop(&line);
}
END_TEST

START_TEST(what_follows_the_last_attempt_is_one_settlement)
{
	struct rv__binding_counters counters;

	kit_line_start(&line, quick_retry, NULL);
	atomic_store(&line.recorder.fail_first, 3);
	kit_send(line.output, "m", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS,
	    (counters = kit_counters(&line.consumer, "input"),
	        counters.requeued + counters.dead_lettered + counters.dropped == 1));
	ck_assert_int_ge((int)kit_count(&line.recorder), 3);
	ck_assert_uint_eq(counters.retried, 2);
	kit_line_stop(&line);
}
END_TEST

START_TEST(a_rejected_message_becomes_a_dead_letter_at_once)
{
	kit_line_start(&line, kit_letters(true, quick_retry), NULL);
	line.recorder.failure = RV_REJECT;
	atomic_store(&line.recorder.fail_first, 1);
	kit_send(line.output, "m", 0, 2);
	WAIT_UNTIL(KIT_SOON_MS, kit_counters(&line.consumer, "input").dead_lettered == 1);
	WAIT_UNTIL(KIT_SOON_MS, kit_counters(&line.consumer, "input").acked == 1);
	ck_assert_uint_eq(kit_count(&line.recorder), 2);
	ck_assert_uint_eq(kit_counters(&line.consumer, "input").retried, 0);
	kit_line_stop(&line);
}
END_TEST

START_TEST(what_was_not_settled_comes_again_to_the_next_owner)
{
	static const char *const patient[] = {KIT_CONSUMER "max-attempts=5",
	    KIT_CONSUMER "back-off-initial-interval=600000", KIT_CONSUMER "back-off-max-interval=600000",
	    NULL};

	kit_line_start(&line, patient, NULL);
	atomic_store(&line.recorder.fail_first, 1);
	kit_send(line.output, "m", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&line.recorder) == 1);
	/* It backs off for ten minutes; a stop does not wait for that. */
	ck_assert_int_eq(kit_service_stop(&line.consumer), 0);
	kit_line_join(&line, patient);
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&line.recorder) == 2);
	ck_assert_str_eq(line.recorder.records[1].text, "m0");
	kit_line_stop(&line);
}
END_TEST

START_TEST(a_slow_listener_stops_the_fetching)
{
	static const char *const small[] = {"rivulet.bindings.input.consumer.queue-messages=8", NULL};

	kit_line_start(&line, small, NULL);
	atomic_store(&line.recorder.blocked, true);
	kit_send(line.output, "m", 0, 200);
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&line.recorder) >= 1);
	ck_assert(!wait_until(KIT_QUIET_MS, kit_counters(&line.consumer, "input").received > 8 * 16));
	atomic_store(&line.recorder.blocked, false);
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&line.recorder) == 200);
	kit_line_stop(&line);
}
END_TEST

START_TEST(a_slow_listener_stops_the_fetching_of_bytes)
{
	enum { MANY = 200, BYTES = 16 << 10 };
	static const char *const small[] = {"rivulet.bindings.input.consumer.queue-bytes=65536", NULL};
	static char text[BYTES];

	kit_line_start(&line, small, NULL);
	atomic_store(&line.recorder.blocked, true);
	for (int i = 0; i < MANY; i++) {
		rv_message *message;

		memset(text, '.', sizeof text);
		text[snprintf(text, sizeof text, "m%d", i)] = '.';
		message = rv_message_create(text, sizeof text);
		kit_line_send(&line, message);
		rv_message_unref(message);
	}
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&line.recorder) >= 1);
	ck_assert(!wait_until(KIT_QUIET_MS, kit_counters(&line.consumer, "input").received > 4 * 16));
	atomic_store(&line.recorder.blocked, false);
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&line.recorder) == MANY);
	kit_line_stop(&line);
}
END_TEST

/* -- deferred ------------------------------------------------------------------------------------------ */

START_TEST(a_deferred_delivery_is_settled_from_another_thread)
{
	rv_delivery *delivery = NULL;

	kit_line_start(&line, quick_retry, NULL);
	line.recorder.defer = true;
	kit_send(line.output, "m", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, (delivery = kit_taken(&line.recorder)) != NULL);
	ck_assert_uint_eq(kit_counters(&line.consumer, "input").acked, 0);
	ck_assert_str_eq(rv_message_text(rv_delivery_message(delivery)), "m0");
	ck_assert_int_eq(rv_delivery_settle(delivery, RV_DEFER, NULL), RV_E_INVALID);
	ck_assert_int_eq(rv_delivery_settle(delivery, RV_ACK, NULL), RV_OK);
	WAIT_UNTIL(KIT_SOON_MS, kit_counters(&line.consumer, "input").acked == 1);
	kit_line_stop(&line);
}
END_TEST

START_TEST(a_deferred_delivery_may_ask_for_another_attempt)
{
	rv_delivery *delivery = NULL;

	kit_line_start(&line, quick_retry, NULL);
	line.recorder.defer = true;
	kit_send(line.output, "m", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, (delivery = kit_taken(&line.recorder)) != NULL);
	ck_assert_int_eq(rv_delivery_settle(delivery, RV_RETRY, "not yet"), RV_OK);
	WAIT_UNTIL(KIT_SOON_MS, (delivery = kit_taken(&line.recorder)) != NULL);
	ck_assert_int_eq(rv_message_attempt(rv_delivery_message(delivery)), 2);
	ck_assert_int_eq(rv_delivery_settle(delivery, RV_REJECT, "never"), RV_OK);
	WAIT_UNTIL(KIT_SOON_MS,
	    kit_counters(&line.consumer, "input").dead_lettered +
	            kit_counters(&line.consumer, "input").dropped ==
	        1);
	kit_line_stop(&line);
}
END_TEST

START_TEST(a_settlement_after_the_stop_is_stale)
{
	static const char *const hasty[] = {"rivulet.stop-deadline=100ms", NULL};
	rv_delivery *delivery = NULL;

	kit_line_start(&line, hasty, NULL);
	line.recorder.defer = true;
	kit_send(line.output, "m", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, (delivery = kit_taken(&line.recorder)) != NULL);
	/* Work was left at the deadline, and the service says so. */
	ck_assert_int_eq(kit_service_stop(&line.consumer), 1);
	ck_assert_int_eq(rv_delivery_settle(delivery, RV_ACK, NULL), RV_E_STALE);
	ck_assert_int_eq(kit_service_stop(&line.producer), 0);
	kit_recorder_finish(&line.recorder);
}
END_TEST

void kit_add_delivery(void)
{
	KIT_ADD(RV_CAP_PARTITIONS | RV_CAP_KEY_ORDER, order_within_a_partition_holds_at_any_concurrency);
	KIT_ADD(0, listener_calls_are_bounded_by_concurrency);
	KIT_ADD(0, a_retried_delivery_is_tried_in_place_with_its_number);
	KIT_ADD(0, what_follows_the_last_attempt_is_one_settlement);
	KIT_ADD(RV_CAP_DEAD_LETTER, a_rejected_message_becomes_a_dead_letter_at_once);
	KIT_ADD(RV_CAP_GROUP_RESUME, what_was_not_settled_comes_again_to_the_next_owner);
	KIT_ADD(0, a_slow_listener_stops_the_fetching);
	KIT_ADD(0, a_slow_listener_stops_the_fetching_of_bytes);
	KIT_ADD(0, a_deferred_delivery_is_settled_from_another_thread);
	KIT_ADD(0, a_deferred_delivery_may_ask_for_another_attempt);
	KIT_ADD(0, a_settlement_after_the_stop_is_stale);
}
