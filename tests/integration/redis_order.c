/* SPDX-License-Identifier: Apache-2.0 */
/*
 * orderly=true: within a stream no entry is delivered for the first time after a later one was. Each case is one way in which
 * an entry could be passed over: given to us and not taken, or to another reader.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/integration/redis_kit.h"
#include "tests/support/wait.h"

/* Nothing that was passed over comes again by its age alone. */
static const char *const orderly[] = {"orderly=true", "lease=20000", "claim-min-idle=1h", NULL};

/* Delivered were m0, m1 … in this order, and nothing twice. */
static void expect_row(int count)
{
	ck_assert(kit_wait_count(&consumer, (size_t)count, SOON_MS));
	WAIT_UNTIL(SOON_MS, pending() == 0);
	ck_assert_uint_eq(kit_count(&consumer), (size_t)count);
	for (int i = 0; i < count; i++) {
		char text[16];

		snprintf(text, sizeof text, "m%d", i);
		ck_assert_str_eq(rv_message_text(consumer.messages[i]), text);
	}
}

static void add(int from, int to)
{
	for (int i = from; i < to; i++)
		ck_assert_int_eq(ask("XADD d * payload m%d", i), 0);
}

/* An owner with m0 behind it and a read that waits at the server. */
static void own(void)
{
	start_server("");
	open_kit(NULL);
	consumer.settle_at_once = true;
	consume(orderly);
	add(0, 1);
	ck_assert(kit_wait_count(&consumer, 1, SOON_MS));
	WAIT_UNTIL(SOON_MS, pending() == 0);
}

START_TEST(what_a_read_brings_when_no_other_may_follow_it_is_delivered)
{
	own();
	/* The lease is ours for another moment, which is too short for the next read. */
	kit_advance_ms(ask("PTTL {d}:owner:g") - 1700);
	add(1, 5);
	expect_row(5);
	close_all();
}
END_TEST

START_TEST(what_another_reader_took_comes_before_what_is_behind_it)
{
	own();
	/* In one step with the entry, or our own read would have it. */
	ck_assert_int_eq(ask("MULTI"), 0);
	add(1, 4);
	ck_assert_int_eq(ask("XREADGROUP GROUP g gone COUNT 2 STREAMS d >"), 0);
	ck_assert_int_eq(ask("EXEC"), 4);
	expect_row(4);
	add(4, 6);
	expect_row(6);
	close_all();
}
END_TEST

static int blocked(void)
{
	redisReply *reply = redisCommand(raw, "INFO clients");
	const char *at = reply ? strstr(reply->str, "blocked_clients:") : NULL;
	int count = at ? (int)strtol(at + strlen("blocked_clients:"), NULL, 10) : -1;

	freeReplyObject(reply);
	return count;
}

/* A read that waits at the server, of somebody who will not look at its answer. */
static redisContext *read_in_vain(const char *as)
{
	redisContext *vain = redisConnect("127.0.0.1", raw->tcp.port);
	int done = 0, before = blocked();

	ck_assert(vain && !vain->err);
	ck_assert_int_eq(redisAppendCommand(vain, "XREADGROUP GROUP g %s BLOCK 0 STREAMS d >", as), REDIS_OK);
	while (!done)
		ck_assert_int_eq(redisBufferWrite(vain, &done), REDIS_OK);
	WAIT_UNTIL(SOON_MS, blocked() == before + 1);
	return vain;
}

/* As of an owner before while the server stood still, or of our own over a connection that only we think ended. */
START_TEST(a_read_that_nobody_hears_any_more_takes_nothing_out_of_the_order)
{
	redisContext *vain[2];

	own();
	ops->pause(consumer.consumer);
	WAIT_UNTIL(SOON_MS, blocked() == 0);
	vain[0] = read_in_vain("gone");
	vain[1] = read_in_vain("gone as well");
	ops->resume(consumer.consumer);
	WAIT_UNTIL(SOON_MS, blocked() == 3);
	/* One each, then ours. */
	add(1, 4);
	expect_row(4);
	for (int i = 0; i < 2; i++)
		redisFree(vain[i]);
	close_all();
}
END_TEST

int main(int argc, char **argv)
{
	const TTest *const cases[] = {what_a_read_brings_when_no_other_may_follow_it_is_delivered,
	    what_another_reader_took_comes_before_what_is_behind_it,
	    a_read_that_nobody_hears_any_more_takes_nothing_out_of_the_order, NULL};

	return run_cases("redis_order", cases, argc, argv);
}
