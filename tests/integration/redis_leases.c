/* SPDX-License-Identifier: Apache-2.0 */
/* orderly=true: the order of a stream by a lease, over those who die, leave, join, or do not take part. */
#include <stdlib.h>
#include <string.h>

#include "tests/integration/redis_kit.h"
#include "tests/support/wait.h"

/* A lease that no pause of a loaded machine outlasts: one that lapsed would be nobody's fault. */
static const char *const orderly[] = {
    "orderly=true", "lease=20000", "redeliver=true", "redelivery-delay=70", NULL};

/* Whoever has a lease asks for it at a third of its time: now. */
static void renew_now(void)
{
	kit_advance_ms(7000);
}

/* The messages from `first` on are m<from>, m<from + 1> … of one stream. */
static void expect_row(struct kit_consumer *of, size_t first, int from, int to)
{
	for (int i = from; i < to; i++) {
		char text[16];

		snprintf(text, sizeof text, "m%d", i);
		ck_assert_str_eq(rv_message_text(of->messages[first + (size_t)(i - from)]), text);
	}
}

START_TEST(an_orderly_consumer_waits_for_the_lease_of_a_dead_one_and_begins_with_what_it_left)
{
	open_line(NULL);
	leave_read(300, 150);
	ck_assert_int_eq(ask("SET {d}:owner:g dead PX 1500"), 0);
	consumer.settle_at_once = true;
	consume(orderly);
	WAIT_UNTIL(SOON_MS, kit_count(&consumer) > 0 || ask("EXISTS {d}:owner:g") == 0);
	ck_assert(kit_wait_count(&consumer, 300, SOON_MS));
	expect_row(&consumer, 0, 0, 300);
	ck_assert_int_eq(rv_message_attempt(consumer.messages[149]), 2);
	ck_assert_int_eq(rv_message_attempt(consumer.messages[150]), 1);
	WAIT_UNTIL(SOON_MS, pending() == 0);
	close_all();
	ck_assert_int_eq(ask("EXISTS {d}:owner:g"), 0);
}
END_TEST

START_TEST(a_lost_lease_ends_the_epoch_and_what_was_under_way_comes_again_in_order)
{
	open_line(NULL);
	consume(orderly);
	send_texts(0, 5);
	ck_assert(kit_wait_count(&consumer, 5, SOON_MS));
	ck_assert_int_eq(kit_settle(&consumer, 0, RV_SETTLE_ACK, NULL), RV_OK);
	WAIT_UNTIL(SOON_MS, pending() == 4);
	ck_assert_int_eq(ask("SET {d}:owner:g other"), 0);
	renew_now();
	WAIT_UNTIL(SOON_MS, kit_lost(&consumer) == 1);
	ck_assert_int_eq(kit_settle(&consumer, 1, RV_SETTLE_ACK, NULL), RV_E_STALE);
	send_texts(5, 8);
	ck_assert(!wait_until(500, kit_count(&consumer) > 5));
	ck_assert_int_eq(pending(), 4);
	ck_assert_int_eq(ask("DEL {d}:owner:g"), 1);
	ck_assert(kit_wait_count(&consumer, 12, SOON_MS));
	expect_row(&consumer, 5, 1, 8);
	for (size_t i = 5; i < 12; i++)
		ck_assert_int_eq(kit_settle(&consumer, i, RV_SETTLE_ACK, NULL), RV_OK);
	WAIT_UNTIL(SOON_MS, pending() == 0);
	close_all();
}
END_TEST

static long long deliveries_of_first(void)
{
	return ask("EVAL %s 0", "return redis.call('XPENDING', 'd', 'g', '-', '+', 1)[1][4]");
}

static void note_mixed(void *arg, const char *name, const char *value)
{
	if (strcmp(name, "mixed-group") == 0 && strstr(value, "'g'"))
		++*(int *)arg;
}

/* How many bindings say that the members of their group differ. */
static int mixed(void)
{
	int count = 0;

	WAIT_UNTIL(SOON_MS, (count = 0, ops->health(kit.binder, note_mixed, &count) == RV_HEALTH_UP));
	return count;
}

static void mark(struct kit_consumer *of, bool *seen, size_t size)
{
	pthread_mutex_lock(&of->lock);
	for (size_t i = 0; i < of->count; i++) {
		size_t number = (size_t)strtol(rv_message_text(of->messages[i]) + 1, NULL, 10);

		ck_assert_uint_lt(number, size);
		seen[number] = true;
	}
	pthread_mutex_unlock(&of->lock);
}

/* How many of m0 to m199 came to one or the other, be it more than once. */
static size_t count_seen(struct kit_consumer *other)
{
	bool seen[200] = {false};
	size_t count = 0;

	mark(&consumer, seen, 200);
	mark(other, seen, 200);
	for (size_t i = 0; i < 200; i++)
		count += seen[i];
	return count;
}

START_TEST(members_that_differ_in_orderly_are_named_and_lose_nothing)
{
	struct kit_consumer *shared = calloc(1, sizeof *shared);
	ck_assert_ptr_nonnull(shared);
	open_line(NULL);
	consumer.settle_at_once = shared->settle_at_once = true;
	consume(orderly);
	ck_assert(!wait_until(200, mixed() > 0));
	ck_assert(kit_consume(&kit, shared, "d", "g", NULL));
	WAIT_UNTIL(SOON_MS, mixed() == 2);
	send_texts(0, 200);
	WAIT_UNTIL(SOON_MS, count_seen(shared) == 200);
	WAIT_UNTIL(SOON_MS, pending() == 0);
	/* The one without leaves, and they agree again. */
	(void)kit_consumer_close(shared, SOON_MS);
	WAIT_UNTIL(SOON_MS, mixed() == 0);
	free(shared);
	close_all();
}
END_TEST

START_TEST(what_another_owner_has_by_now_is_not_acknowledged)
{
	open_line(NULL);
	consume(orderly);
	ck_assert(consumer.info.fenced);
	send_texts(0, 2);
	ck_assert(kit_wait_count(&consumer, 2, SOON_MS));
	ck_assert(ops->holds(consumer.consumer, &consumer.tokens[0]));
	/* Settled in time for all that we know, and somebody else has the stream, as of a process that stood still before it told. */
	ck_assert_int_eq(ask("SET {d}:owner:g other"), 0);
	ck_assert_int_eq(kit_settle(&consumer, 0, RV_SETTLE_ACK, NULL), RV_OK);
	renew_now();
	WAIT_UNTIL(SOON_MS, kit_lost(&consumer) == 1);
	ck_assert(!ops->holds(consumer.consumer, &consumer.tokens[1]));
	ck_assert_int_eq(kit_settle(&consumer, 1, RV_SETTLE_ACK, NULL), RV_E_STALE);
	close_all();
	ck_assert_int_eq(pending(), 2);
	ck_assert_int_eq(ask("STRLEN {d}:owner:g"), 5);
}
END_TEST

START_TEST(an_orderly_consumer_holds_a_failed_message_at_the_head_of_its_stream)
{
	int64_t hold_ms = -1;

	open_line(NULL);
	consume(orderly);
	send_texts(0, 2);
	ck_assert(kit_wait_count(&consumer, 2, SOON_MS));
	ck_assert_int_eq(kit_settle(&consumer, 0, RV_SETTLE_REQUEUE, &hold_ms), RV_OK);
	ck_assert_int_eq(hold_ms, 70);
	/* The server counts the next attempt too, in case the owner does not outlive it. */
	WAIT_UNTIL(SOON_MS, ask("XPENDING d g - + 1") == 1 && deliveries_of_first() == 2);
	/* The token stays good: it is settled after the next attempt. */
	ck_assert_int_eq(kit_settle(&consumer, 0, RV_SETTLE_ACK, NULL), RV_OK);
	WAIT_UNTIL(SOON_MS, pending() == 1);
	close_all();
}
END_TEST

static void add_to_partitions(int from, int to)
{
	for (int i = from; i < to; i++)
		for (int k = 0; k < 4; k++)
			ck_assert_int_eq(ask("XADD d-%d * payload %d", k, i), 0);
}

/* Each partition's numbers, looked at by their order; how many different ones were seen of it in all. */
static void expect_order(struct kit_consumer *of)
{
	long next[4] = {0};

	pthread_mutex_lock(&of->lock);
	for (size_t i = 0; i < of->count; i++) {
		long number = strtol(rv_message_text(of->messages[i]), NULL, 10);
		int32_t k = rv_message_partition(of->messages[i]);

		ck_assert_msg(number >= next[k], "%ld of partition %d after %ld", number, k, next[k]);
		next[k] = number + 1;
	}
	pthread_mutex_unlock(&of->lock);
}

static long long owners(void)
{
	return ask("EXISTS {d-0}:owner:g {d-1}:owner:g {d-2}:owner:g {d-3}:owner:g");
}

START_TEST(orderly_members_share_the_streams_out_and_take_over_from_each_other_in_order)
{
	static const char *const patient[] = {"orderly=true", "lease=20000", NULL};
	struct kit_consumer *second = calloc(1, sizeof *second);
	size_t before;

	ck_assert_ptr_nonnull(second);
	start_server("");
	open_kit(NULL);
	ck_assert_int_eq(ask("HSET {d}:rivulet partitions 4"), 1);
	consumer.settle_at_once = second->settle_at_once = true;
	consume(patient);
	WAIT_UNTIL(SOON_MS, owners() == 4);
	add_to_partitions(0, 100);
	/* The first gives way: two of four for each. */
	ck_assert(kit_consume(&kit, second, "d", "g", patient));
	WAIT_UNTIL(SOON_MS, kit_assigned(second) == 2);
	ck_assert_int_eq(kit_lost(&consumer), 0);
	add_to_partitions(100, 200);
	WAIT_UNTIL(SOON_MS, kit_count(&consumer) + kit_count(second) >= 800);
	ck_assert_uint_ge(kit_count(second), 200);
	expect_order(&consumer);
	/* One leaves, and the other has it all. */
	(void)kit_consumer_close(&consumer, SOON_MS);
	before = kit_count(second);
	add_to_partitions(200, 300);
	ck_assert(kit_wait_count(second, before + 400, SOON_MS));
	for (int k = 0; k < 4; k++)
		WAIT_UNTIL(SOON_MS, ask("XPENDING d-%d g - + 1000", k) == 0);
	/* Nobody died, so nothing comes twice. */
	ck_assert_uint_eq(kit_count(&consumer) + kit_count(second), 1200);
	expect_order(second);
	consumer.consumer = NULL;
	(void)kit_consumer_close(second, SOON_MS);
	free(second);
	close_all();
}
END_TEST

int main(int argc, char **argv)
{
	const TTest *const cases[] = {
	    an_orderly_consumer_waits_for_the_lease_of_a_dead_one_and_begins_with_what_it_left,
	    a_lost_lease_ends_the_epoch_and_what_was_under_way_comes_again_in_order,
	    members_that_differ_in_orderly_are_named_and_lose_nothing,
	    what_another_owner_has_by_now_is_not_acknowledged,
	    an_orderly_consumer_holds_a_failed_message_at_the_head_of_its_stream,
	    orderly_members_share_the_streams_out_and_take_over_from_each_other_in_order, NULL};

	return run_cases("redis_leases", cases, argc, argv);
}
