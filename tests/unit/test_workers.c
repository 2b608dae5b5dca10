/* SPDX-License-Identifier: Apache-2.0 */
/* Slots and workers: order, back-off, bounds, revocation, holding. The test plays the broker. */
#include "tests/support/fake_binder.h"
#include "tests/support/unit.h"

#include <stdatomic.h>

#define CONSUMER "--spring.cloud.stream.bindings.input.consumer."

enum { SEEN_MAX = 1024 };

static struct {
	pthread_mutex_t lock;
	struct {
		int partition;
		long long position;
		int attempt;
	} seen[SEEN_MAX];
	size_t count;
	atomic_int fail_partition; /* the listener says `verdict` there */
	atomic_int verdict;
	atomic_bool blocked;
	atomic_int running;
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER};

static rv_verdict listen(const rv_message *message, void *context)
{
	int partition = rv_message_partition(message);

	(void)context;
	atomic_fetch_add(&seen.running, 1);
	pthread_mutex_lock(&seen.lock);
	seen.seen[seen.count].partition = partition;
	seen.seen[seen.count].position = (long long)rv_message_position(message);
	seen.seen[seen.count++].attempt = rv_message_attempt(message);
	pthread_mutex_unlock(&seen.lock);
	for (unsigned turn = 0; atomic_load(&seen.blocked); turn++)
		wait_pause(turn);
	atomic_fetch_sub(&seen.running, 1);
	return partition == atomic_load(&seen.fail_partition) ? (rv_verdict)atomic_load(&seen.verdict)
	                                                      : RV_ACK;
}

static size_t count_seen(int partition)
{
	size_t count = 0;

	pthread_mutex_lock(&seen.lock);
	for (size_t i = 0; i < seen.count; i++)
		count += partition < 0 || seen.seen[i].partition == partition;
	pthread_mutex_unlock(&seen.lock);
	return count;
}

static void start(const char *const *properties)
{
	seen.count = 0;
	atomic_store(&seen.fail_partition, -1);
	atomic_store(&seen.verdict, RV_RETRY);
	atomic_store(&seen.blocked, false);
	fake_create(properties);
	rv_app_enable_binding(service.app, RV_SINK);
	rv_app_listen(service.app, RV_SINK_INPUT, listen, NULL);
}

START_TEST(a_partition_that_backs_off_does_not_stop_the_others)
{
	static const char *const slow[] = {
	    CONSUMER "back-off-initial-interval=60000", CONSUMER "back-off-max-interval=60000", NULL};

	start(slow);
	atomic_store(&seen.fail_partition, 0);
	fake_start();
	ck_assert(fake_deliver(0, 1, 0));
	ck_assert(fake_deliver(0, 1, 1));
	for (int i = 0; i < 100; i++)
		ck_assert(fake_deliver(1, 1, i));
	WAIT_UNTIL(30000, count_seen(1) == 100 && fake_settled() == 100);
	/* Its order is kept: the second one waits behind the first. */
	ck_assert_uint_eq(count_seen(0), 1);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(the_retried_delivery_stays_before_the_next)
{
	static const char *const fast[] = {CONSUMER "max-attempts=3", CONSUMER "back-off-initial-interval=1",
	    CONSUMER "back-off-max-interval=1", NULL};
	static const long long expected[] = {0, 0, 0, 1, 1, 1};

	start(fast);
	atomic_store(&seen.fail_partition, 0);
	fake_start();
	ck_assert(fake_deliver(0, 1, 0));
	ck_assert(fake_deliver(0, 1, 1));
	WAIT_UNTIL(30000, fake_settled() == 2);
	ck_assert_uint_eq(count_seen(0), 6);
	for (int i = 0; i < 6; i++) {
		ck_assert_int_eq(seen.seen[i].position, expected[i]);
		ck_assert_int_eq(seen.seen[i].attempt, i % 3 + 1);
	}
	ck_assert_int_eq(fake.settled[0].settlement, RV_SETTLE_DROP);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(the_way_of_the_broker_comes_before_the_dead_letter)
{
	static const char *const once[] = {CONSUMER "max-attempts=1", NULL};

	start(once);
	fake.redelivers = true;
	fake.dead_letter = true;
	atomic_store(&seen.fail_partition, 0);
	fake_start();
	ck_assert(fake_deliver(0, 1, 0));
	WAIT_UNTIL(30000, fake_settled() == 1);
	ck_assert_int_eq(fake.settled[0].settlement, RV_SETTLE_REQUEUE);
	atomic_store(&seen.verdict, RV_REJECT);
	ck_assert(fake_deliver(0, 1, 1));
	WAIT_UNTIL(30000, fake_settled() == 2);
	ck_assert_int_eq(fake.settled[1].settlement, RV_SETTLE_DEAD_LETTER);
	/* Counted once the broker has answered. */
	WAIT_UNTIL(30000, fake_view("input").counters.dead_lettered == 1);
	ck_assert_uint_eq(fake_view("input").counters.requeued, 1);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_requeue_beyond_the_broker_s_limit_counts_as_a_dead_letter)
{
	static const char *const once[] = {CONSUMER "max-attempts=1", NULL};

	start(once);
	fake.redelivers = true;
	fake.hold_ms = RV_HOLD_DEAD_LETTER;
	atomic_store(&seen.fail_partition, 0);
	fake_start();
	ck_assert(fake_deliver(0, 1, 0));
	WAIT_UNTIL(30000, fake_view("input").counters.dead_lettered == 1);
	ck_assert_uint_eq(fake_view("input").counters.requeued, 0);
	ck_assert_uint_eq(count_seen(0), 1);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_held_queue_is_tried_again_in_place)
{
	static const char *const once[] = {CONSUMER "max-attempts=1", NULL};

	start(once);
	fake.redelivers = true;
	fake.hold_ms = 5;
	atomic_store(&seen.fail_partition, 0);
	fake_start();
	ck_assert(fake_deliver(0, 1, 0));
	ck_assert(fake_deliver(0, 1, 1));
	WAIT_UNTIL(30000, count_seen(0) >= 3);
	atomic_store(&seen.fail_partition, -1);
	WAIT_UNTIL(30000, fake_view("input").counters.acked == 2);
	pthread_mutex_lock(&seen.lock);
	for (size_t i = 0; i + 1 < seen.count; i++) {
		ck_assert_int_eq(seen.seen[i].position, 0);
		ck_assert_int_eq(seen.seen[i].attempt, (int)i + 1);
	}
	ck_assert_int_eq(seen.seen[seen.count - 1].position, 1);
	pthread_mutex_unlock(&seen.lock);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_full_slot_refuses_and_asks_again_when_half_empty)
{
	static const char *const small[] = {"--rivulet.bindings.input.consumer.queue-messages=4", NULL};
	int64_t position = 0;
	uint32_t slot = 99;

	start(small);
	atomic_store(&seen.blocked, true);
	fake_start();
	while (fake_deliver(0, 1, position))
		position++;
	ck_assert_int_eq(position, 4);
	/* Another slot has a bound of its own. */
	ck_assert(fake_deliver(1, 1, 0));
	atomic_store(&seen.blocked, false);
	WAIT_UNTIL(30000, fake_credits(&slot) == 1);
	ck_assert_uint_eq(slot, 0);
	ck_assert(fake_deliver(0, 1, position));
	WAIT_UNTIL(30000, fake_settled() == 6);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_revoked_slot_is_released_after_its_listener)
{
	static const uint32_t slot = 0;

	start(NULL);
	atomic_store(&seen.blocked, true);
	fake_start();
	for (int i = 0; i < 5; i++)
		ck_assert(fake_deliver(0, 1, i));
	WAIT_UNTIL(30000, count_seen(0) == 1);
	fake.consumer_sink->revoked(fake.consumer, &slot, 1, false, 60000);
	ck_assert(!wait_until(30, fake_released_count() > 0));
	atomic_store(&seen.blocked, false);
	WAIT_UNTIL(30000, fake_released_count() == 1);
	/* The running one was settled; the queued ones go to the next owner. */
	ck_assert_uint_eq(fake_settled(), 1);
	ck_assert_uint_eq(count_seen(0), 1);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_revoked_slot_is_released_at_its_deadline)
{
	static const uint32_t slot = 0;

	start(NULL);
	atomic_store(&seen.blocked, true);
	fake_start();
	ck_assert(fake_deliver(0, 1, 0));
	WAIT_UNTIL(30000, count_seen(0) == 1);
	fake.consumer_sink->revoked(fake.consumer, &slot, 1, false, 50);
	WAIT_UNTIL(30000, fake_released_count() == 1);
	/* Given back under a new epoch: never two listeners at once for one partition. */
	ck_assert(fake_deliver(0, 2, 0));
	ck_assert(!wait_until(30, count_seen(0) > 1));
	pthread_mutex_lock(&fake.lock);
	fake.settle_code = RV_E_STALE;
	pthread_mutex_unlock(&fake.lock);
	atomic_store(&seen.blocked, false);
	WAIT_UNTIL(30000, count_seen(0) == 2);
	WAIT_UNTIL(30000, fake_view("input").counters.stale == 2);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(an_idle_slot_is_released_at_once)
{
	static const uint32_t slots[] = {3, 4};

	start(NULL);
	fake_start();
	fake.consumer_sink->revoked(fake.consumer, slots, 2, false, 60000);
	ck_assert_uint_eq(fake_released_count(), 2);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_listener_that_never_returns_is_left_behind_and_said)
{
	static const char *const hasty[] = {"--rivulet.stop-deadline=100ms", NULL};

	start(hasty);
	atomic_store(&seen.blocked, true);
	fake_start();
	ck_assert(fake_deliver(0, 1, 0));
	WAIT_UNTIL(30000, count_seen(0) == 1);
	ck_assert_int_eq(fake_finish(), 1);
	/* It returns after all: its settlement is stale, nothing breaks. */
	atomic_store(&seen.blocked, false);
	WAIT_UNTIL(30000, atomic_load(&seen.running) == 0);
	ck_assert_uint_eq(fake_settled(), 0);
}
END_TEST

START_TEST(leases_are_extended_while_a_delivery_waits_or_runs)
{
	start(NULL);
	fake.lease_ms = 20;
	atomic_store(&seen.blocked, true);
	fake_start();
	/* One runs, one waits behind it. */
	ck_assert(fake_deliver(0, 1, 0));
	ck_assert(fake_deliver(0, 1, 1));
	WAIT_UNTIL(30000, fake_extended() >= 10);
	atomic_store(&seen.blocked, false);
	WAIT_UNTIL(30000, fake_settled() == 2);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_binder_that_counts_attempts_is_told_of_listeners_alone)
{
	size_t begun;

	start(NULL);
	fake.watches_attempts = true;
	atomic_store(&seen.blocked, true);
	fake_start();
	/* One runs; what waits behind it and in another slot is in nobody's hands. */
	ck_assert(fake_deliver(0, 1, 0));
	ck_assert(fake_deliver(0, 1, 1));
	ck_assert(fake_deliver(1, 1, 0));
	WAIT_UNTIL(30000, count_seen(-1) == 1);
	ck_assert_uint_eq(fake_in_work(&begun), 1);
	ck_assert_uint_eq(begun, 1);
	atomic_store(&seen.blocked, false);
	WAIT_UNTIL(30000, fake_settled() == 3);
	ck_assert_uint_eq(fake_in_work(&begun), 0);
	ck_assert_uint_eq(begun, 3);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {a_partition_that_backs_off_does_not_stop_the_others,
	    the_retried_delivery_stays_before_the_next, the_way_of_the_broker_comes_before_the_dead_letter,
	    a_requeue_beyond_the_broker_s_limit_counts_as_a_dead_letter, a_held_queue_is_tried_again_in_place,
	    a_full_slot_refuses_and_asks_again_when_half_empty, a_revoked_slot_is_released_after_its_listener,
	    a_revoked_slot_is_released_at_its_deadline, an_idle_slot_is_released_at_once,
	    a_listener_that_never_returns_is_left_behind_and_said,
	    leases_are_extended_while_a_delivery_waits_or_runs,
	    a_binder_that_counts_attempts_is_told_of_listeners_alone, NULL};

	return unit_run("workers", cases, NULL, NULL);
}
