/* SPDX-License-Identifier: Apache-2.0 */
/* What is pending: with the dead, with the living, delivered too often, given back. */
#include "base/clock.h"
#include "tests/integration/redis_kit.h"
#include "tests/support/wait.h"

START_TEST(what_a_dead_consumer_held_comes_to_a_living_one)
{
	static const char *const quick[] = {"claim-min-idle=300", "claim-interval=50", NULL};

	open_line(NULL);
	leave_read(5, 5);
	consumer.settle_at_once = true;
	consume(quick);
	ck_assert(kit_wait_count(&consumer, 5, SOON_MS));
	ck_assert_int_eq(rv_message_attempt(consumer.messages[0]), 2);
	WAIT_UNTIL(SOON_MS, pending() == 0);
	close_all();
}
END_TEST

START_TEST(what_was_delivered_too_often_comes_alone_with_its_count)
{
	static const char *const quick[] = {
	    "claim-min-idle=300", "claim-interval=50", "max-deliveries=4", NULL};

	open_line(NULL);
	ck_assert_int_eq(ask("XGROUP CREATE d g 0 MKSTREAM"), 0);
	send_texts(0, 3);
	for (int i = 0; i < 3; i++)
		(void)ask("XREADGROUP GROUP g dead COUNT 3 STREAMS d %s", i == 0 ? ">" : "0");
	consume(quick);
	ck_assert(kit_wait_count(&consumer, 1, SOON_MS));
	ck_assert_int_eq(consumer.info.max_deliveries, 4);
	ck_assert_int_eq(rv_message_attempt(consumer.messages[0]), 4);
	/* The two beside it wait until it is settled. */
	ck_assert(!wait_until(500, kit_count(&consumer) > 1));
	ck_assert_int_eq(kit_settle(&consumer, 0, RV_SETTLE_ACK, NULL), RV_OK);
	ck_assert(kit_wait_count(&consumer, 2, SOON_MS));
	close_all();
}
END_TEST

START_TEST(what_was_lost_on_the_way_to_us_is_no_delivery)
{
	static const char *const named[] = {"consumer-name=we", NULL};

	open_line(NULL);
	consume(named);
	send_texts(0, 1);
	ck_assert(kit_wait_count(&consumer, 1, SOON_MS));
	ck_assert_int_eq(kit_settle(&consumer, 0, RV_SETTLE_ACK, NULL), RV_OK);
	ops->pause(consumer.consumer);
	WAIT_UNTIL(SOON_MS, pending() == 0);
	/* As the answer of a read over a connection that broke under it. */
	send_texts(1, 3);
	WAIT_UNTIL(SOON_MS, ask("XREADGROUP GROUP g we COUNT 9 STREAMS d >") == 1 || pending() == 2);
	ck_assert_int_gt(ask("CLIENT KILL TYPE normal SKIPME yes"), 0);
	ops->resume(consumer.consumer);
	ck_assert(kit_wait_count(&consumer, 3, SOON_MS));
	ck_assert_str_eq(rv_message_text(consumer.messages[1]), "m1");
	ck_assert_int_eq(rv_message_attempt(consumer.messages[1]), 1);
	close_all();
}
END_TEST

START_TEST(those_behind_a_message_that_ends_its_consumers_are_set_back)
{
	static const char *const quick[] = {"claim-min-idle=300", "claim-interval=50", NULL};

	open_line(NULL);
	/* Read together, and the first once more alone. */
	leave_read(4, 4);
	ck_assert_int_eq(ask("XREADGROUP GROUP g dead COUNT 1 STREAMS d 0"), 1);
	consume(quick);
	for (int i = 0; i < 4; i++) {
		ck_assert(kit_wait_count(&consumer, (size_t)i + 1, SOON_MS));
		ck_assert(!wait_until(100, kit_count(&consumer) > (size_t)i + 1));
		ck_assert_int_eq(rv_message_attempt(consumer.messages[i]), i == 0 ? 3 : 1);
		ck_assert_int_eq(kit_settle(&consumer, (size_t)i, RV_SETTLE_ACK, NULL), RV_OK);
	}
	WAIT_UNTIL(SOON_MS, pending() == 0);
	close_all();
}
END_TEST

START_TEST(a_requeued_message_comes_again_after_its_delay)
{
	static const char *const again[] = {"redeliver=true", "redelivery-delay=200", NULL};
	int64_t hold_ms = -1, at_ms;

	open_line(NULL);
	consume(again);
	ck_assert(consumer.info.redelivers);
	send_texts(0, 1);
	ck_assert(kit_wait_count(&consumer, 1, SOON_MS));
	at_ms = rv__monotonic_ms();
	ck_assert_int_eq(kit_settle(&consumer, 0, RV_SETTLE_REQUEUE, &hold_ms), RV_OK);
	ck_assert_int_eq(hold_ms, -1);
	ck_assert(kit_wait_count(&consumer, 2, SOON_MS));
	ck_assert_int_ge(rv__monotonic_ms() - at_ms, 190);
	ck_assert_int_eq(rv_message_attempt(consumer.messages[1]), 2);
	/* The first token is no longer good. */
	ck_assert_int_eq(kit_settle(&consumer, 0, RV_SETTLE_ACK, NULL), RV_E_STALE);
	close_all();
}
END_TEST

START_TEST(entries_that_were_trimmed_while_pending_stop_nobody)
{
	static const char *const quick[] = {"claim-min-idle=200", "claim-interval=50", NULL};

	open_line(NULL);
	leave_read(5, 5);
	ck_assert_int_eq(ask("XTRIM d MAXLEN 1"), 4);
	consumer.settle_at_once = true;
	consume(quick);
	ck_assert(kit_wait_count(&consumer, 1, SOON_MS));
	WAIT_UNTIL(SOON_MS, pending() == 0);
	ck_assert(has("m4"));
	close_all();
}
END_TEST

START_TEST(held_entries_are_kept_from_others)
{
	static const char *const quick[] = {"claim-min-idle=400", "claim-interval=50", NULL};
	struct rv_token token;

	open_line(NULL);
	consume(quick);
	send_texts(0, 1);
	ck_assert(kit_wait_count(&consumer, 1, SOON_MS));
	token = consumer.tokens[0];
	/* As the core does at half of the lease; again where it was not seen in time that it counted. */
	for (int i = 0; i < 5; i++) {
		WAIT_UNTIL(SOON_MS, ask("XPENDING d g IDLE 200 - + 10") == 1);
		WAIT_UNTIL(SOON_MS,
		    (ops->extend(consumer.consumer, &token, 1), ask("XPENDING d g IDLE 200 - + 10") == 0));
	}
	ck_assert_uint_eq(kit_count(&consumer), 1);
	close_all();
}
END_TEST

START_TEST(a_consumer_that_leaves_gives_back_and_is_removed_when_it_held_nothing)
{
	struct kit_consumer second = {0};

	open_line(NULL);
	consume(NULL);
	send_texts(0, 2);
	ck_assert(kit_wait_count(&consumer, 2, SOON_MS));
	ck_assert_int_eq(kit_settle(&consumer, 0, RV_SETTLE_ACK, NULL), RV_OK);
	(void)kit_consumer_close(&consumer, SOON_MS);
	consumer.consumer = NULL;
	ck_assert_int_eq(pending(), 1);
	/* The default time of a claim is a minute; what was given back does not wait for it. */
	second.settle_at_once = true;
	ck_assert(kit_consume(&kit, &second, "d", "g", NULL));
	ck_assert(kit_wait_count(&second, 1, SOON_MS));
	WAIT_UNTIL(SOON_MS, pending() == 0);
	(void)kit_consumer_close(&second, SOON_MS);
	ck_assert_int_eq(
	    ask("XINFO CONSUMERS d g"), 1); /* the first, which had something pending when it left */
	close_all();
}
END_TEST

int main(int argc, char **argv)
{
	const TTest *const cases[] = {what_a_dead_consumer_held_comes_to_a_living_one,
	    what_was_delivered_too_often_comes_alone_with_its_count,
	    what_was_lost_on_the_way_to_us_is_no_delivery,
	    those_behind_a_message_that_ends_its_consumers_are_set_back,
	    a_requeued_message_comes_again_after_its_delay,
	    entries_that_were_trimmed_while_pending_stop_nobody, held_entries_are_kept_from_others,
	    a_consumer_that_leaves_gives_back_and_is_removed_when_it_held_nothing, NULL};

	return run_cases("redis_claims", cases, argc, argv);
}
