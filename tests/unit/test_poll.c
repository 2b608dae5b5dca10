/* SPDX-License-Identifier: Apache-2.0 */
/* Polled inputs: one delivery a call, on the caller's thread. The test plays the broker. */
#include "bindings/app.h"

#include "tests/support/fake_binder.h"
#include "tests/support/unit.h"

#include <stdatomic.h>

#define CONSUMER "--spring.cloud.stream.bindings.input.consumer."

enum { SOON_MS = 30000, NONE_MS = 20 };

static struct rv_error error;
static rv_channel *input;

/* What the listener shall say, and what it saw. */
struct turn {
	rv_verdict verdict;
	int retries; /* says RV_RETRY so often before */
	atomic_int calls;
	long long position;
	rv_delivery *taken;
	pthread_t thread;
	atomic_bool *blocked;
};

static rv_verdict handle(const rv_message *message, void *context)
{
	struct turn *turn = context;

	turn->calls++;
	turn->position = (long long)rv_message_position(message);
	turn->thread = pthread_self();
	for (unsigned i = 0; turn->blocked && atomic_load(turn->blocked); i++)
		wait_pause(i);
	if (turn->calls <= turn->retries)
		return RV_RETRY;
	if (turn->verdict == RV_DEFER)
		turn->taken = rv_delivery_take(message);
	return turn->verdict;
}

static rv_err poll_for(struct turn *turn, int timeout_ms)
{
	return rv_channel_poll(input, timeout_ms, handle, turn, &error);
}

static void prepare(const char *const *properties)
{
	fake_create(properties);
	rv_app_enable_binding(service.app, RV_POLLED("input"));
	input = rv_app_channel(service.app, "input");
}

static void start(const char *const *properties)
{
	prepare(properties);
	fake_start();
}

START_TEST(a_poll_handles_one_delivery_on_its_own_thread)
{
	struct turn turn = {.verdict = RV_ACK};

	start(NULL);
	ck_assert_int_eq(poll_for(&turn, 0), RV_E_TIMEOUT);
	ck_assert(error.retriable);
	ck_assert(fake_deliver(0, 1, 0));
	ck_assert(fake_deliver(0, 1, 1));
	ck_assert_int_eq(poll_for(&turn, SOON_MS), RV_OK);
	ck_assert_int_eq(turn.calls, 1);
	ck_assert(pthread_equal(turn.thread, pthread_self()));
	ck_assert_uint_eq(fake_settled(), 1);
	ck_assert_int_eq(poll_for(&turn, SOON_MS), RV_OK);
	ck_assert_int_eq(turn.position, 1);
	ck_assert_int_eq(poll_for(&turn, NONE_MS), RV_E_TIMEOUT);
	ck_assert_uint_eq(fake_view("input").counters.acked, 2);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_poll_retries_in_place_until_it_succeeds)
{
	static const char *const quick[] = {
	    CONSUMER "max-attempts=3", CONSUMER "back-off-initial-interval=5", NULL};
	struct turn turn = {.verdict = RV_ACK, .retries = 2};

	start(quick);
	ck_assert(fake_deliver(0, 1, 0));
	ck_assert_int_eq(poll_for(&turn, SOON_MS), RV_OK);
	ck_assert_int_eq(turn.calls, 3);
	ck_assert_uint_eq(fake_settled(), 1);
	ck_assert_int_eq(fake.settled[0].settlement, RV_SETTLE_ACK);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(attempts_that_are_used_up_end_in_one_settlement)
{
	static const char *const quick[] = {
	    CONSUMER "max-attempts=2", CONSUMER "back-off-initial-interval=5", NULL};
	struct turn turn = {.verdict = RV_RETRY};

	prepare(quick);
	fake.dead_letter = true;
	fake_start();
	ck_assert(fake_deliver(0, 1, 0));
	ck_assert_int_eq(poll_for(&turn, SOON_MS), RV_OK);
	ck_assert_int_eq(turn.calls, 2);
	ck_assert_uint_eq(fake_settled(), 1);
	ck_assert_int_eq(fake.settled[0].settlement, RV_SETTLE_DEAD_LETTER);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_polled_delivery_may_be_deferred)
{
	struct turn turn = {.verdict = RV_DEFER};

	start(NULL);
	ck_assert(fake_deliver(0, 1, 0));
	ck_assert_int_eq(poll_for(&turn, SOON_MS), RV_OK);
	ck_assert_uint_eq(fake_settled(), 0);
	ck_assert_int_eq(rv_delivery_settle(turn.taken, RV_ACK, NULL), RV_OK);
	ck_assert_uint_eq(fake_settled(), 1);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(the_bounds_hold_and_a_poll_gives_credit)
{
	static const char *const small[] = {"--rivulet.bindings.input.consumer.queue-messages=2", NULL};
	struct turn turn = {.verdict = RV_ACK};
	uint32_t slot;

	start(small);
	ck_assert(fake_deliver(0, 1, 0));
	ck_assert(fake_deliver(0, 1, 1));
	ck_assert(!fake_deliver(0, 1, 2));
	ck_assert_int_eq(poll_for(&turn, SOON_MS), RV_OK);
	WAIT_UNTIL(SOON_MS, fake_credits(&slot) == 1);
	ck_assert(fake_deliver(0, 1, 2));
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

static void *poll_once(void *arg)
{
	return (void *)(intptr_t)rv_channel_poll(input, 60000, handle, arg, NULL);
}

static rv_err join(pthread_t thread)
{
	void *result;

	ck_assert_int_eq(pthread_join(thread, &result), 0);
	return (rv_err)(intptr_t)result;
}

START_TEST(polls_of_several_threads_get_different_partitions)
{
	atomic_bool blocked = true;
	struct turn first = {.verdict = RV_ACK, .blocked = &blocked};
	struct turn second = {.verdict = RV_ACK};
	pthread_t thread;

	start(NULL);
	ck_assert(fake_deliver(0, 1, 0));
	ck_assert(fake_deliver(0, 1, 1));
	ck_assert_int_eq(pthread_create(&thread, NULL, poll_once, &first), 0);
	WAIT_UNTIL(SOON_MS, fake_view("input").counters.in_flight > 0 && fake_view("input").queued == 1);
	/* The second one of that partition waits for the first. */
	ck_assert_int_eq(poll_for(&second, NONE_MS), RV_E_TIMEOUT);
	ck_assert(fake_deliver(1, 1, 7));
	ck_assert_int_eq(poll_for(&second, SOON_MS), RV_OK);
	ck_assert_int_eq(second.position, 7);
	atomic_store(&blocked, false);
	ck_assert_int_eq(join(thread), RV_OK);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_stop_ends_a_waiting_poll)
{
	struct turn turn = {.verdict = RV_ACK};
	pthread_t thread;

	start(NULL);
	ck_assert_int_eq(pthread_create(&thread, NULL, poll_once, &turn), 0);
	/* A channel may be used until the application ends, not only then for the first time. */
	WAIT_UNTIL(SOON_MS, atomic_load(&input->input->pollers) == 1);
	ck_assert_int_eq(fake_finish(), 0);
	ck_assert_int_eq(join(thread), RV_E_CLOSED);
}
END_TEST

START_TEST(a_stop_waits_for_the_listener_of_a_poll)
{
	atomic_bool blocked = true;
	struct turn turn = {.verdict = RV_ACK, .blocked = &blocked};
	pthread_t thread;

	start(NULL);
	ck_assert(fake_deliver(0, 1, 0));
	ck_assert_int_eq(pthread_create(&thread, NULL, poll_once, &turn), 0);
	/* In its listener: a delivery that was only claimed goes back at a stop. */
	WAIT_UNTIL(SOON_MS, atomic_load(&turn.calls) == 1);
	rv_app_request_stop(service.app);
	WAIT_UNTIL(SOON_MS, fake_is("input", "draining"));
	atomic_store(&blocked, false);
	ck_assert_int_eq(fake_finish(), 0);
	ck_assert_int_eq(join(thread), RV_OK);
	ck_assert_uint_eq(fake.settled_count, 1);
}
END_TEST

START_TEST(a_stop_ends_the_back_off_of_a_poll_unsettled)
{
	static const char *const slow[] = {
	    CONSUMER "back-off-initial-interval=60000", CONSUMER "back-off-max-interval=60000", NULL};
	struct turn turn = {.verdict = RV_RETRY};
	pthread_t thread;

	start(slow);
	ck_assert(fake_deliver(0, 1, 0));
	ck_assert_int_eq(pthread_create(&thread, NULL, poll_once, &turn), 0);
	/* In its listener: a delivery that was only claimed goes back at a stop. */
	WAIT_UNTIL(SOON_MS, atomic_load(&turn.calls) == 1);
	ck_assert_int_eq(fake_finish(), 0);
	ck_assert_int_eq(join(thread), RV_OK);
	ck_assert_uint_eq(fake.settled_count, 0);
}
END_TEST

START_TEST(a_poll_works_before_run_and_across_a_stop_of_the_binding)
{
	struct turn turn = {.verdict = RV_ACK};
	pthread_t thread;

	prepare(NULL);
	ck_assert_int_eq(poll_for(&turn, NONE_MS), RV_E_UNAVAILABLE);
	ck_assert_int_eq(pthread_create(&thread, NULL, poll_once, &turn), 0);
	fake_start();
	ck_assert(fake_deliver(0, 1, 0));
	ck_assert_int_eq(join(thread), RV_OK);
	ck_assert_int_eq(
	    rv__app_change_binding((struct rv__host *)service.app, "input", "STOPPED", &error), RV_OK);
	WAIT_UNTIL(SOON_MS, fake_is("input", "stopped"));
	ck_assert_int_eq(poll_for(&turn, SOON_MS), RV_E_CLOSED);
	ck_assert_int_eq(
	    rv__app_change_binding((struct rv__host *)service.app, "input", "STARTED", &error), RV_OK);
	WAIT_UNTIL(SOON_MS, fake_is("input", "running"));
	ck_assert(fake_deliver(0, 2, 1));
	ck_assert_int_eq(poll_for(&turn, SOON_MS), RV_OK);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_broker_that_is_away_is_told)
{
	struct turn turn = {.verdict = RV_ACK};

	prepare(NULL);
	fake.waiting = true;
	fake_start();
	ck_assert_int_eq(poll_for(&turn, NONE_MS), RV_E_UNAVAILABLE);
	ck_assert_ptr_nonnull(strstr(error.text, "input"));
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(what_cannot_be_polled_says_so)
{
	struct turn turn = {.verdict = RV_ACK};

	start(NULL);
	ck_assert_int_eq(rv_channel_poll(NULL, 0, handle, &turn, &error), RV_E_CONFIG);
	ck_assert_int_eq(rv_channel_poll(input, 0, NULL, &turn, &error), RV_E_INVALID);
	ck_assert_int_eq(fake_finish(), 0);
	fake_create(NULL);
	rv_app_enable_binding(service.app, RV_SINK);
	rv_app_listen(service.app, "input", handle, &turn);
	input = rv_app_channel(service.app, "input");
	ck_assert_int_eq(poll_for(&turn, 0), RV_E_CONFIG);
	fake_start();
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_channel_is_polled_or_listened_to)
{
	struct turn turn = {.verdict = RV_ACK};

	prepare(NULL);
	rv_app_listen(service.app, "input", handle, &turn);
	fake_start();
	ck_assert_int_eq(fake_finish(), 2);
	prepare(NULL);
	rv_app_enable_binding(service.app, RV_SINK);
	fake_start();
	ck_assert_int_eq(fake_finish(), 2);
}
END_TEST

static void join_poller(rv_app *app, void *context)
{
	(void)app;
	ck_assert_int_eq(join(*(pthread_t *)context), RV_E_CLOSED);
	/* The handle is still good for an answer. */
	ck_assert_int_eq(rv_channel_poll(input, 1000, handle, &(struct turn){0}, NULL), RV_E_CLOSED);
}

START_TEST(threads_of_the_service_are_joined_before_anything_is_freed)
{
	/* After a start that failed, too: here of an application with a mistake. */
	static const char *const wrong[] = {CONSUMER "concurrency=none", NULL};
	const char *const *const properties[] = {NULL, wrong};

	for (int i = 0; i < 2; i++) {
		struct turn turn = {.verdict = RV_ACK};
		pthread_t thread;

		prepare(properties[i]);
		ck_assert_int_eq(pthread_create(&thread, NULL, poll_once, &turn), 0);
		rv_app_on_stopped(service.app, join_poller, &thread);
		fake_start();
		ck_assert_int_eq(fake_finish(), i == 0 ? 0 : 2);
	}
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {a_poll_handles_one_delivery_on_its_own_thread,
	    a_poll_retries_in_place_until_it_succeeds, attempts_that_are_used_up_end_in_one_settlement,
	    a_polled_delivery_may_be_deferred, the_bounds_hold_and_a_poll_gives_credit,
	    polls_of_several_threads_get_different_partitions, a_stop_ends_a_waiting_poll,
	    a_stop_waits_for_the_listener_of_a_poll, a_stop_ends_the_back_off_of_a_poll_unsettled,
	    a_poll_works_before_run_and_across_a_stop_of_the_binding, a_broker_that_is_away_is_told,
	    what_cannot_be_polled_says_so, a_channel_is_polled_or_listened_to,
	    threads_of_the_service_are_joined_before_anything_is_freed, NULL};

	return unit_run("poll", cases, NULL, NULL);
}
