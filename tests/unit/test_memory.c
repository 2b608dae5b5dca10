/* SPDX-License-Identifier: Apache-2.0 */
/* The logs and shares of the memory broker; its behaviour as a whole is the conformance suite's. */
#include "binder/memory/memory.h"

#include "tests/support/unit.h"
#include "tests/support/wait.h"

#include <rivulet/rivulet.h>
#include <rivulet/test.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct rv__memory_share share;

static void teardown(void)
{
	rv__memory_share_finish(&share);
	share = (struct rv__memory_share){0};
}

static void deliver(int64_t from, int64_t to)
{
	for (int64_t i = from; i < to; i++)
		ck_assert_ptr_nonnull(rv__memory_mark_deliver(&share, i));
}

START_TEST(the_position_advances_only_over_settled_messages)
{
	deliver(0, 200);
	for (int64_t i = 199; i > 0; i--) {
		rv__memory_settle(&share, i, 1);
		ck_assert_int_eq(share.committed, 0);
	}
	rv__memory_settle(&share, 0, 1);
	ck_assert_int_eq(share.committed, 200);
	deliver(200, 300);
	rv__memory_settle(&share, 210, 50);
	ck_assert_int_eq(share.committed, 200);
	rv__memory_settle(&share, 200, 15);
	ck_assert_int_eq(share.committed, 260);
	ck_assert_ptr_null(rv__memory_mark_at(&share, 259));
	ck_assert_ptr_nonnull(rv__memory_mark_at(&share, 260));
}
END_TEST

START_TEST(settling_twice_or_out_of_range_changes_nothing)
{
	deliver(0, 3);
	rv__memory_settle(&share, 5, 1);
	rv__memory_settle(&share, -1, 1);
	ck_assert_int_eq(share.committed, 0);
	rv__memory_settle(&share, 0, 1);
	rv__memory_settle(&share, 0, 1);
	ck_assert_int_eq(share.committed, 1);
}
END_TEST

START_TEST(a_new_owner_gets_what_is_not_settled_with_its_count)
{
	struct rv__memory_partition partition = {.count = 5};

	deliver(0, 4);
	share.cursor = 4;
	rv__memory_settle(&share, 1, 1);
	rv__memory_share_release(&share);
	ck_assert_int_eq(rv__memory_next(&share, &partition), 0);
	ck_assert_int_eq(rv__memory_mark_at(&share, 0)->deliveries, 1);
	share.cursor = 1;
	ck_assert_int_eq(rv__memory_next(&share, &partition), 2);
	share.cursor = 4;
	ck_assert_int_eq(rv__memory_next(&share, &partition), 4);
	share.cursor = 5;
	ck_assert_int_eq(rv__memory_next(&share, &partition), -1);
}
END_TEST

START_TEST(what_is_set_aside_stands_by_due_time_and_leaves_the_order)
{
	struct rv__memory_partition partition = {.count = 3};

	deliver(0, 3);
	ck_assert(rv__memory_set_aside(&share, 0, 30));
	ck_assert(rv__memory_set_aside(&share, 1, 10));
	ck_assert(!rv__memory_set_aside(&share, 7, 10));
	ck_assert_int_eq(share.aside->position, 1);
	ck_assert_int_eq(share.aside->next->position, 0);
	share.cursor = 0;
	ck_assert_int_eq(rv__memory_next(&share, &partition), 2);
}
END_TEST

/* -- bounds, seen from a service ---------------------------------------------------------------- */

static atomic_bool blocked;
static atomic_int handled;

static rv_verdict block(const rv_message *message, void *context)
{
	(void)message;
	(void)context;
	for (unsigned turn = 0; atomic_load(&blocked); turn++)
		wait_pause(turn);
	atomic_fetch_add(&handled, 1);
	return RV_ACK;
}

static void declare(rv_app *app, void *context)
{
	(void)context;
	rv_app_enable_binding(app, RV_PROCESSOR);
	rv_app_enable_binding(app, RV_OUTPUTS("hasty"));
	rv_app_listen(app, RV_PROCESSOR_INPUT, block, NULL);
}

START_TEST(a_full_partition_makes_senders_wait_until_the_group_settles)
{
	static const char *const properties[] = {"spring.cloud.stream.bindings.input.destination=d",
	    "spring.cloud.stream.bindings.input.group=g", "spring.cloud.stream.bindings.output.destination=d",
	    "spring.cloud.stream.bindings.hasty.destination=d",
	    "spring.cloud.stream.memory.binder.max-messages=10",
	    "rivulet.bindings.output.producer.send-timeout=60s",
	    "rivulet.bindings.hasty.producer.send-timeout=200ms", NULL};
	struct rv_error error = {0};
	struct rv_test *test = rv_test_start(declare, NULL, properties, &error);
	rv_channel *output;
	rv_message *message = rv_message_create_text("x");

	ck_assert_msg(test != NULL, "%s", error.text);
	output = rv_app_channel(rv_test_app(test), "output");
	atomic_store(&blocked, true);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(rv_channel_send(output, message, &error), RV_OK);
	ck_assert_int_eq(
	    rv_channel_send(rv_app_channel(rv_test_app(test), "hasty"), message, &error), RV_E_TIMEOUT);
	atomic_store(&blocked, false);
	/* The late one is accepted already: at least once. */
	WAIT_UNTIL(30000, atomic_load(&handled) == 11);
	ck_assert_int_eq(rv_channel_send(output, message, &error), RV_OK);
	rv_message_unref(message);
	ck_assert_int_eq(rv_test_stop(test), 0);
}
END_TEST

static atomic_int attempts;

static rv_verdict refuse(const rv_message *message, void *context)
{
	(void)context;
	atomic_store(&attempts, rv_message_attempt(message));
	return RV_RETRY;
}

static void declare_refusing(rv_app *app, void *context)
{
	(void)context;
	rv_app_enable_binding(app, RV_SINK);
	rv_app_listen(app, RV_SINK_INPUT, refuse, NULL);
}

START_TEST(redeliveries_count_on_and_end_as_a_dead_letter)
{
	static const char *const properties[] = {"spring.cloud.stream.bindings.input.group=g",
	    "spring.cloud.stream.bindings.input.consumer.max-attempts=1",
	    "spring.cloud.stream.memory.bindings.input.consumer.redeliver=true",
	    "spring.cloud.stream.memory.bindings.input.consumer.redelivery-delay=1",
	    "spring.cloud.stream.memory.bindings.input.consumer.max-redeliveries=3",
	    "spring.cloud.stream.memory.bindings.input.consumer.dead-letter-destination=graveyard", NULL};
	struct rv_error error = {0};
	struct rv_test *test = rv_test_start(declare_refusing, NULL, properties, &error);
	rv_message *message = rv_message_create_text("x");
	rv_message *letter;

	ck_assert_msg(test != NULL, "%s", error.text);
	ck_assert_int_eq(rv_test_put(test, "input", message, &error), RV_OK);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(rv_test_settlement(test, "input", 30000), RV_SETTLED_REQUEUE);
	ck_assert_int_eq(rv_test_settlement(test, "input", 30000), RV_SETTLED_DEAD_LETTER);
	letter = rv_test_dead_letter(test, "input", 30000);
	ck_assert_ptr_nonnull(letter);
	ck_assert_str_eq(rv_message_destination(letter), "graveyard");
	ck_assert_str_eq(rv_message_id(letter), rv_message_id(message));
	ck_assert_int_eq(atomic_load(&attempts), 4);
	rv_message_unref(letter);
	rv_message_unref(message);
	ck_assert_int_eq(rv_test_stop(test), 0);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {the_position_advances_only_over_settled_messages,
	    settling_twice_or_out_of_range_changes_nothing,
	    a_new_owner_gets_what_is_not_settled_with_its_count,
	    what_is_set_aside_stands_by_due_time_and_leaves_the_order,
	    a_full_partition_makes_senders_wait_until_the_group_settles,
	    redeliveries_count_on_and_end_as_a_dead_letter, NULL};

	return unit_run("memory", cases, NULL, teardown);
}
