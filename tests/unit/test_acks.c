/* SPDX-License-Identifier: Apache-2.0 */
/* Acknowledgements that a worker gathers. The test plays the broker. */
#include "tests/support/fake_binder.h"
#include "tests/support/unit.h"

#include <stdatomic.h>

enum { COUNT = 65, LEAST = 16 };

static atomic_int seen;
static atomic_int blocked_at; /* the listener waits at this position; -1: at none */

static rv_verdict listen(const rv_message *message, void *context)
{
	(void)context;
	atomic_fetch_add(&seen, 1);
	for (unsigned turn = 0; atomic_load(&blocked_at) == (int)rv_message_position(message); turn++)
		wait_pause(turn);
	return RV_ACK;
}

/* The first message blocks, so that the worker finds all the others in one round. */
static void start(void)
{
	atomic_store(&seen, 0);
	atomic_store(&blocked_at, 0);
	fake_create(NULL);
	rv_app_enable_binding(service.app, RV_SINK);
	rv_app_listen(service.app, RV_SINK_INPUT, listen, NULL);
	fake_start();
	ck_assert(fake_deliver(0, 1, 0));
	WAIT_UNTIL(30000, atomic_load(&seen) == 1);
	for (int i = 1; i < COUNT; i++)
		ck_assert(fake_deliver(0, 1, i));
}

static size_t fake_refused(void)
{
	size_t count;

	pthread_mutex_lock(&fake.lock);
	count = fake.refused;
	pthread_mutex_unlock(&fake.lock);
	return count;
}

START_TEST(those_of_a_fast_listener_go_together_and_in_order)
{
	start();
	atomic_store(&blocked_at, -1);
	WAIT_UNTIL(30000, fake_settled() == COUNT);
	for (int i = 0; i < COUNT; i++)
		ck_assert_int_eq(fake.settled[i].token.position, i);
	/* A slow machine ends the round early, and the last few go alone. */
	ck_assert_uint_ge(fake.acknowledged, LEAST);
	WAIT_UNTIL(30000, fake_view("input").counters.acked == COUNT);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_blocked_listener_keeps_none_back_from_a_revocation)
{
	static const uint32_t slot = 0;

	start();
	atomic_store(&blocked_at, 40);
	WAIT_UNTIL(30000, atomic_load(&seen) == 41);
	fake.consumer_sink->revoked(fake.consumer, &slot, 1, false, 60000);
	ck_assert_uint_eq(fake_settled(), 40);
	atomic_store(&blocked_at, -1);
	WAIT_UNTIL(30000, fake_released_count() == 1);
	ck_assert_uint_eq(fake_settled(), 41);
	ck_assert_int_eq(atomic_load(&seen), 41);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_blocked_listener_keeps_none_back_from_a_stop)
{
	start();
	atomic_store(&blocked_at, 40);
	WAIT_UNTIL(30000, atomic_load(&seen) == 41);
	rv_app_request_stop(service.app);
	WAIT_UNTIL(30000, fake_settled() == 40);
	atomic_store(&blocked_at, -1);
	ck_assert_int_eq(fake_finish(), 0);
	ck_assert_uint_eq(fake_settled(), 41);
}
END_TEST

START_TEST(what_could_not_be_acknowledged_is_tried_again_without_the_listener)
{
	start();
	pthread_mutex_lock(&fake.lock);
	fake.acknowledge_code = RV_E_TIMEOUT;
	pthread_mutex_unlock(&fake.lock);
	atomic_store(&blocked_at, -1);
	WAIT_UNTIL(30000, fake_refused() > 0 && fake_settled() == COUNT);
	for (int i = 0; i < COUNT; i++)
		ck_assert_int_eq(fake.settled[i].token.position, i);
	ck_assert_int_eq(atomic_load(&seen), COUNT);
	WAIT_UNTIL(30000, fake_view("input").counters.acked == COUNT);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(stale_ones_are_counted_and_forgotten)
{
	start();
	pthread_mutex_lock(&fake.lock);
	fake.acknowledge_code = RV_E_STALE;
	fake.settle_code = RV_E_STALE;
	pthread_mutex_unlock(&fake.lock);
	atomic_store(&blocked_at, -1);
	WAIT_UNTIL(30000, fake_view("input").counters.stale == COUNT);
	WAIT_UNTIL(30000, fake_view("input").counters.in_flight == 0);
	ck_assert_int_eq(fake_finish(), 0);
	ck_assert_int_eq(atomic_load(&seen), COUNT);
}
END_TEST

START_TEST(those_before_a_redelivered_message_are_settled_before_it_runs)
{
	start();
	/* Behind the round, and delivered before: it settles alone, and finds the others settled. */
	fake.delivery_count = 1;
	for (int i = COUNT; i < COUNT + 20; i++)
		ck_assert(fake_deliver(0, 1, i));
	atomic_store(&blocked_at, COUNT + 10);
	WAIT_UNTIL(30000, atomic_load(&seen) == COUNT + 11);
	ck_assert_uint_eq(fake_settled(), COUNT + 10);
	atomic_store(&blocked_at, -1);
	WAIT_UNTIL(30000, fake_settled() == COUNT + 20);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {those_of_a_fast_listener_go_together_and_in_order,
	    a_blocked_listener_keeps_none_back_from_a_revocation,
	    a_blocked_listener_keeps_none_back_from_a_stop,
	    what_could_not_be_acknowledged_is_tried_again_without_the_listener,
	    stale_ones_are_counted_and_forgotten,
	    those_before_a_redelivered_message_are_settled_before_it_runs, NULL};

	return unit_run("acks", cases, NULL, NULL);
}
