/* SPDX-License-Identifier: Apache-2.0 */
/* Listeners that fail: for a while, for good, and by ending the process that runs them. */
#include "tests/conformance/kit.h"

#include <stdio.h>
#include <string.h>

static struct kit_line line;

static const char *const quick_retry[] = {KIT_CONSUMER "max-attempts=4",
    KIT_CONSUMER "back-off-initial-interval=5", KIT_CONSUMER "back-off-max-interval=20", NULL};

START_TEST(a_listener_that_recovers_has_every_message)
{
	kit_line_start(&line, quick_retry, NULL);
	atomic_store(&line.recorder.fail_first, 3);
	kit_send(line.output, "m", 0, 20);
	WAIT_UNTIL(KIT_SOON_MS, kit_counters(&line.consumer, "input").acked == 20);
	ck_assert_uint_eq(kit_counters(&line.consumer, "input").dead_lettered, 0);
	ck_assert_uint_eq(kit_counters(&line.consumer, "input").dropped, 0);
	kit_line_stop(&line);
}
END_TEST

START_TEST(attempts_can_be_switched_off)
{
	static const char *const no_retry[] = {KIT_CONSUMER "default-retryable=false", NULL};

	kit_line_start(&line, kit_letters(false, no_retry), NULL);
	atomic_store(&line.recorder.fail_first, 1);
	kit_send(line.output, "m", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS,
	    kit_counters(&line.consumer, "input").dropped + kit_counters(&line.consumer, "input").requeued +
	            kit_counters(&line.consumer, "input").dead_lettered ==
	        1);
	ck_assert_uint_eq(kit_counters(&line.consumer, "input").retried, 0);
	kit_line_stop(&line);
}
END_TEST

START_TEST(without_dead_letters_a_rejected_message_is_dropped_and_counted)
{
	kit_line_start(&line, kit_letters(false, NULL), NULL);
	line.recorder.failure = RV_REJECT;
	line.recorder.fail_text = "bad";
	kit_send(line.output, "bad", 0, 1);
	kit_send(line.output, "good", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, kit_counters(&line.consumer, "input").acked == 1);
	/* A broker whose groups always have dead letters moves it. */
	WAIT_UNTIL(KIT_SOON_MS,
	    kit_counters(&line.consumer, "input").dropped +
	            kit_counters(&line.consumer, "input").dead_lettered ==
	        1);
	/* Dropped is dropped: the next owner does not get it. */
	ck_assert_int_eq(kit_service_stop(&line.consumer), 0);
	kit_line_join(&line, kit_letters(false, NULL));
	kit_send(line.output, "more", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, kit_has(&line.recorder, "more0"));
	ck_assert_uint_eq(kit_distinct(&line.recorder), 3);
	kit_line_stop(&line);
}
END_TEST

START_TEST(redelivery_ends_at_the_limit)
{
	static const char *const limited[] = {
	    KIT_CONSUMER "max-attempts=1", "rivulet.bindings.input.consumer.max-deliveries=2", NULL};
	struct rv__binding_counters counters;

	kit_line_start(&line, kit_letters(true, kit_redelivery(limited)), NULL);
	atomic_store(&line.recorder.fail_first, 1000);
	kit_send(line.output, "m", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS,
	    (counters = kit_counters(&line.consumer, "input"),
	        counters.dead_lettered + counters.dropped == 1));
	ck_assert_uint_le(kit_count(&line.recorder), 2);
	ck_assert_uint_le(counters.requeued, 1);
	kit_line_stop(&line);
}
END_TEST

START_TEST(what_ended_its_owner_too_often_reaches_no_listener)
{
	static const char *const hasty[] = {
	    "rivulet.stop-deadline=100ms", "rivulet.bindings.input.consumer.max-deliveries=1", NULL};
	static const char *const next[] = {"rivulet.bindings.input.consumer.max-deliveries=1", NULL};
	struct rv__binding_counters counters;

	kit_line_start(&line, kit_letters(true, kit_short_lease(hasty)), NULL);
	line.recorder.defer = true;
	kit_send(line.output, "m", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&line.recorder) == 1);
	/* It is never settled, as if the process had ended in its listener. */
	ck_assert_int_eq(kit_service_stop(&line.consumer), 1);
	ck_assert_int_eq(rv_delivery_settle(kit_taken(&line.recorder), RV_ACK, NULL), RV_E_STALE);
	line.recorder.defer = false;
	kit_line_join(&line, kit_letters(true, kit_short_lease(next)));
	WAIT_UNTIL(2 * KIT_SOON_MS,
	    (counters = kit_counters(&line.consumer, "input"),
	        counters.dead_lettered + counters.dropped == 1));
	ck_assert_uint_eq(kit_count(&line.recorder), 1);
	kit_line_stop(&line);
}
END_TEST

START_TEST(a_failing_partition_does_not_stop_the_others)
{
	static const char *const wide[] = {KIT_PRODUCER "partition-count=4", NULL};
	static const char *const slow[] = {KIT_CONSUMER "max-attempts=5",
	    KIT_CONSUMER "back-off-initial-interval=600000", KIT_CONSUMER "back-off-max-interval=600000",
	    NULL};

	kit_line_start(&line, slow, wide);
	line.recorder.fail_text = "m0";
	kit_send(line.output, "m", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&line.recorder) == 1);
	/* Whatever way messages are spread, some come to partitions that do not wait for ten minutes. */
	for (int i = 1; kit_counters(&line.consumer, "input").acked < 10; i++) {
		ck_assert_int_lt(i, 2000);
		kit_send(line.output, "n", i, i + 1);
		if (i > 100)
			(void)wait_until(20, kit_counters(&line.consumer, "input").acked >= 10);
	}
	kit_line_stop(&line);
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
