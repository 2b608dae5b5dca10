/* SPDX-License-Identifier: Apache-2.0 */
/* Listeners that fail: for a while, for good, and by ending the process that runs them. */
#include "tests/conformance/kit.h"

#include <stdio.h>
#include <string.h>

static struct kit_service consumer, producer;
static struct kit_recorder recorder;
static rv_channel *output;
static const char *destination;

#define CONSUMER "spring.cloud.stream.bindings.input.consumer."

static const char *const quick_retry[] = {CONSUMER "max-attempts=4", CONSUMER "back-off-initial-interval=5",
    CONSUMER "back-off-max-interval=20", NULL};

static void start(const char *const *more)
{
	destination = kit_destination();
	kit_recorder_init(&recorder);
	output = kit_producer(&producer, destination, NULL);
	kit_consumer(&consumer, destination, "g", &recorder, more);
}

static void stop(void)
{
	ck_assert_int_eq(kit_service_stop(&consumer), 0);
	ck_assert_int_eq(kit_service_stop(&producer), 0);
	kit_recorder_finish(&recorder);
}

START_TEST(a_listener_that_recovers_has_every_message)
{
	start(quick_retry);
	atomic_store(&recorder.fail_first, 3);
	kit_send(output, "m", 0, 20);
	WAIT_UNTIL(KIT_SOON_MS, kit_counters(&consumer, "input").acked == 20);
	ck_assert_uint_eq(kit_counters(&consumer, "input").dead_lettered, 0);
	ck_assert_uint_eq(kit_counters(&consumer, "input").dropped, 0);
	stop();
}
END_TEST

START_TEST(attempts_can_be_switched_off)
{
	static const char *const no_retry[] = {CONSUMER "default-retryable=false", NULL};

	start(kit_letters(false, no_retry));
	atomic_store(&recorder.fail_first, 1);
	kit_send(output, "m", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS,
	    kit_counters(&consumer, "input").dropped + kit_counters(&consumer, "input").requeued +
	            kit_counters(&consumer, "input").dead_lettered ==
	        1);
	ck_assert_uint_eq(kit_counters(&consumer, "input").retried, 0);
	stop();
}
END_TEST

START_TEST(without_dead_letters_a_rejected_message_is_dropped_and_counted)
{
	start(kit_letters(false, NULL));
	recorder.failure = RV_REJECT;
	recorder.fail_text = "bad";
	kit_send(output, "bad", 0, 1);
	kit_send(output, "good", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, kit_counters(&consumer, "input").acked == 1);
	/* A broker whose groups always have dead letters moves it. */
	WAIT_UNTIL(KIT_SOON_MS,
	    kit_counters(&consumer, "input").dropped + kit_counters(&consumer, "input").dead_lettered == 1);
	/* Dropped is dropped: the next owner does not get it. */
	ck_assert_int_eq(kit_service_stop(&consumer), 0);
	kit_consumer(&consumer, destination, "g", &recorder, kit_letters(false, NULL));
	kit_send(output, "more", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, kit_has(&recorder, "more0"));
	ck_assert_uint_eq(kit_distinct(&recorder), 3);
	stop();
}
END_TEST

START_TEST(redelivery_ends_at_the_limit)
{
	static const char *const limited[] = {
	    CONSUMER "max-attempts=1", "rivulet.bindings.input.consumer.max-deliveries=2", NULL};
	struct rv__binding_counters counters;

	start(kit_letters(true, limited));
	atomic_store(&recorder.fail_first, 1000);
	kit_send(output, "m", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS,
	    (counters = kit_counters(&consumer, "input"), counters.dead_lettered + counters.dropped == 1));
	ck_assert_uint_le(kit_count(&recorder), 2);
	ck_assert_uint_le(counters.requeued, 1);
	stop();
}
END_TEST

START_TEST(what_ended_its_owner_too_often_reaches_no_listener)
{
	static const char *const hasty[] = {
	    "rivulet.stop-deadline=100ms", "rivulet.bindings.input.consumer.max-deliveries=1", NULL};
	struct rv__binding_counters counters;

	start(kit_letters(true, hasty));
	recorder.defer = true;
	kit_send(output, "m", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&recorder) == 1);
	/* It is never settled, as if the process had ended in its listener. */
	ck_assert_int_eq(kit_service_stop(&consumer), 1);
	ck_assert_int_eq(rv_delivery_settle(kit_taken(&recorder), RV_ACK, NULL), RV_E_STALE);
	recorder.defer = false;
	kit_consumer(&consumer, destination, "g", &recorder, kit_letters(true, hasty));
	WAIT_UNTIL(2 * KIT_SOON_MS,
	    (counters = kit_counters(&consumer, "input"), counters.dead_lettered + counters.dropped == 1));
	ck_assert_uint_eq(kit_count(&recorder), 1);
	stop();
}
END_TEST

START_TEST(a_failing_partition_does_not_stop_the_others)
{
	static const char *const wide[] = {
	    "spring.cloud.stream.bindings.output.producer.partition-count=4", NULL};
	static const char *const slow[] = {CONSUMER "max-attempts=5",
	    CONSUMER "back-off-initial-interval=60000", CONSUMER "back-off-max-interval=60000", NULL};

	destination = kit_destination();
	kit_recorder_init(&recorder);
	output = kit_producer(&producer, destination, wide);
	kit_consumer(&consumer, destination, "g", &recorder, slow);
	recorder.fail_text = "m0";
	kit_send(output, "m", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&recorder) == 1);
	/* Whatever way messages are spread, some come to partitions that do not wait for a minute. */
	for (int i = 1; kit_counters(&consumer, "input").acked < 10; i++) {
		ck_assert_int_lt(i, 2000);
		kit_send(output, "n", i, i + 1);
		if (i > 100)
			(void)wait_until(20, kit_counters(&consumer, "input").acked >= 10);
	}
	stop();
}
END_TEST

void kit_add_errors(void)
{
	KIT_ADD(0, a_listener_that_recovers_has_every_message);
	KIT_ADD(0, attempts_can_be_switched_off);
	KIT_ADD(0, without_dead_letters_a_rejected_message_is_dropped_and_counted);
	KIT_ADD(RV_CAP_DELIVERY_COUNT, redelivery_ends_at_the_limit);
	KIT_ADD(RV_CAP_DELIVERY_COUNT | RV_CAP_COUNT_UNSETTLED,
	    what_ended_its_owner_too_often_reaches_no_listener);
	KIT_ADD(RV_CAP_PARTITIONS | RV_CAP_KEY_ORDER, a_failing_partition_does_not_stop_the_others);
}
