/* SPDX-License-Identifier: Apache-2.0 */
/* Order, attempts, settlements. */
#include "tests/conformance/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct kit_service consumer, producer;
static struct kit_recorder recorder;
static rv_channel *output;
static const char *destination;

#define CONSUMER "spring.cloud.stream.bindings.input.consumer."

static const char *const quick_retry[] = {CONSUMER "max-attempts=3", CONSUMER "back-off-initial-interval=5",
    CONSUMER "back-off-max-interval=20", NULL};
static const char *const wide[] = {"spring.cloud.stream.bindings.output.producer.partition-count=4", NULL};

static void start(const char *const *consumer_more, const char *const *producer_more)
{
	destination = kit_destination();
	kit_recorder_init(&recorder);
	output = kit_producer(&producer, destination, producer_more);
	kit_consumer(&consumer, destination, "g", &recorder, consumer_more);
}

static void stop(void)
{
	ck_assert_int_eq(kit_service_stop(&consumer), 0);
	ck_assert_int_eq(kit_service_stop(&producer), 0);
	kit_recorder_finish(&recorder);
}

/* -- order ------------------------------------------------------------------------------------- */

/* Positions of each partition must rise. */
static void check_order(void)
{
	long long last[64];

	for (size_t i = 0; i < 64; i++)
		last[i] = -1;
	for (size_t i = 0; i < recorder.count; i++) {
		const struct kit_record *record = &recorder.records[i];

		ck_assert_int_ge(record->partition, 0);
		ck_assert_int_lt(record->partition, 64);
		ck_assert_msg(record->position > last[record->partition], "partition %d: %lld after %lld",
		    record->partition, record->position, last[record->partition]);
		last[record->partition] = record->position;
	}
}

START_TEST(order_within_a_partition_holds_at_any_concurrency)
{
	static const char *const four[] = {CONSUMER "concurrency=4", NULL};

	start(four, wide);
	kit_send(output, "m", 0, 500);
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&recorder) >= 500);
	pthread_mutex_lock(&recorder.lock);
	check_order();
	pthread_mutex_unlock(&recorder.lock);
	stop();
}
END_TEST

START_TEST(listener_calls_are_bounded_by_concurrency)
{
	static const char *const two[] = {CONSUMER "concurrency=2", NULL};

	start(two, wide);
	recorder.busy_us = 500;
	kit_send(output, "m", 0, 100);
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&recorder) == 100);
	ck_assert_int_le(atomic_load(&recorder.most), 2);
	stop();
}
END_TEST

/* -- attempts -------------------------------------------------------------------------------------- */

START_TEST(a_retried_delivery_is_tried_in_place_with_its_number)
{
	start(quick_retry, NULL);
	atomic_store(&recorder.fail_first, 2);
	kit_send(output, "m", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&recorder) == 3);
	for (int i = 0; i < 3; i++) {
		ck_assert_str_eq(recorder.records[i].text, "m0");
		ck_assert_int_eq(recorder.records[i].attempt, i + 1);
	}
	WAIT_UNTIL(KIT_SOON_MS, kit_counters(&consumer, "input").acked == 1);
	ck_assert_uint_eq(kit_counters(&consumer, "input").retried, 2);
	ck_assert(!wait_until(KIT_QUIET_MS, kit_count(&recorder) > 3));
	stop();
}
END_TEST

START_TEST(what_follows_the_last_attempt_is_one_settlement)
{
	struct rv__binding_counters counters;

	start(quick_retry, NULL);
	atomic_store(&recorder.fail_first, 3);
	kit_send(output, "m", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS,
	    (counters = kit_counters(&consumer, "input"),
	        counters.requeued + counters.dead_lettered + counters.dropped == 1));
	ck_assert_int_ge((int)kit_count(&recorder), 3);
	ck_assert_uint_eq(counters.retried, 2);
	stop();
}
END_TEST

START_TEST(a_rejected_message_becomes_a_dead_letter_at_once)
{
	start(kit_letters(true, quick_retry), NULL);
	recorder.failure = RV_REJECT;
	atomic_store(&recorder.fail_first, 1);
	kit_send(output, "m", 0, 2);
	WAIT_UNTIL(KIT_SOON_MS, kit_counters(&consumer, "input").dead_lettered == 1);
	WAIT_UNTIL(KIT_SOON_MS, kit_counters(&consumer, "input").acked == 1);
	ck_assert_uint_eq(kit_count(&recorder), 2);
	ck_assert_uint_eq(kit_counters(&consumer, "input").retried, 0);
	stop();
}
END_TEST

START_TEST(what_was_not_settled_comes_again_to_the_next_owner)
{
	static const char *const patient[] = {CONSUMER "max-attempts=5",
	    CONSUMER "back-off-initial-interval=60000", CONSUMER "back-off-max-interval=60000", NULL};

	start(patient, NULL);
	atomic_store(&recorder.fail_first, 1);
	kit_send(output, "m", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&recorder) == 1);
	/* It backs off for a minute; a stop does not wait for that. */
	ck_assert_int_eq(kit_service_stop(&consumer), 0);
	kit_consumer(&consumer, destination, "g", &recorder, patient);
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&recorder) == 2);
	ck_assert_str_eq(recorder.records[1].text, "m0");
	stop();
}
END_TEST

START_TEST(a_slow_listener_stops_the_fetching)
{
	static const char *const small[] = {"rivulet.bindings.input.consumer.queue-messages=8", NULL};

	start(small, NULL);
	atomic_store(&recorder.blocked, true);
	kit_send(output, "m", 0, 200);
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&recorder) >= 1);
	ck_assert(!wait_until(KIT_QUIET_MS, kit_counters(&consumer, "input").received > 8 * 16));
	atomic_store(&recorder.blocked, false);
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&recorder) == 200);
	stop();
}
END_TEST

/* -- deferred ------------------------------------------------------------------------------------------ */

START_TEST(a_deferred_delivery_is_settled_from_another_thread)
{
	rv_delivery *delivery = NULL;

	start(quick_retry, NULL);
	recorder.defer = true;
	kit_send(output, "m", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, (delivery = kit_taken(&recorder)) != NULL);
	ck_assert_uint_eq(kit_counters(&consumer, "input").acked, 0);
	ck_assert_str_eq(rv_message_text(rv_delivery_message(delivery)), "m0");
	ck_assert_int_eq(rv_delivery_settle(delivery, RV_DEFER, NULL), RV_E_INVALID);
	ck_assert_int_eq(rv_delivery_settle(delivery, RV_ACK, NULL), RV_OK);
	WAIT_UNTIL(KIT_SOON_MS, kit_counters(&consumer, "input").acked == 1);
	stop();
}
END_TEST

START_TEST(a_deferred_delivery_may_ask_for_another_attempt)
{
	rv_delivery *delivery = NULL;

	start(quick_retry, NULL);
	recorder.defer = true;
	kit_send(output, "m", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, (delivery = kit_taken(&recorder)) != NULL);
	ck_assert_int_eq(rv_delivery_settle(delivery, RV_RETRY, "not yet"), RV_OK);
	WAIT_UNTIL(KIT_SOON_MS, (delivery = kit_taken(&recorder)) != NULL);
	ck_assert_int_eq(rv_message_attempt(rv_delivery_message(delivery)), 2);
	ck_assert_int_eq(rv_delivery_settle(delivery, RV_REJECT, "never"), RV_OK);
	WAIT_UNTIL(KIT_SOON_MS,
	    kit_counters(&consumer, "input").dead_lettered + kit_counters(&consumer, "input").dropped == 1);
	stop();
}
END_TEST

START_TEST(a_settlement_after_the_stop_is_stale)
{
	static const char *const hasty[] = {"rivulet.stop-deadline=100ms", NULL};
	rv_delivery *delivery = NULL;

	start(hasty, NULL);
	recorder.defer = true;
	kit_send(output, "m", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, (delivery = kit_taken(&recorder)) != NULL);
	/* Work was left at the deadline, and the service says so. */
	ck_assert_int_eq(kit_service_stop(&consumer), 1);
	ck_assert_int_eq(rv_delivery_settle(delivery, RV_ACK, NULL), RV_E_STALE);
	ck_assert_int_eq(kit_service_stop(&producer), 0);
	kit_recorder_finish(&recorder);
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
	KIT_ADD(0, a_deferred_delivery_is_settled_from_another_thread);
	KIT_ADD(0, a_deferred_delivery_may_ask_for_another_attempt);
	KIT_ADD(0, a_settlement_after_the_stop_is_stale);
}
