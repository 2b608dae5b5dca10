/* SPDX-License-Identifier: Apache-2.0 */
/*
 * orderly=true: within a stream no entry is delivered for the first time after a later one was. Each case is one way in which
 * an entry could be passed over: given to us and not taken, or to another reader.
 */
#include "tests/integration/redis_kit.h"
#include "tests/support/wait.h"

/* Nothing that was passed over comes again by its age alone. */
static const char *const orderly[] = {"orderly=true", "lease=6000", "claim-min-idle=1h", NULL};

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

/* An owner with m0 behind it and a read that waits at the server, and a lease that was renewed a moment ago. */
static void own(void)
{
	start_server("");
	open_kit(NULL);
	consumer.settle_at_once = true;
	consume(orderly);
	add(0, 1);
	ck_assert(kit_wait_count(&consumer, 1, SOON_MS));
	WAIT_UNTIL(SOON_MS, pending() == 0);
	WAIT_UNTIL(SOON_MS, ask("PTTL {d}:owner:g") > 5900);
}

START_TEST(what_a_read_brings_when_no_other_may_follow_it_is_delivered)
{
	own();
	/* The lease is ours for another moment, which is too short for the next read. */
	kit_advance_ms(5400);
	add(1, 5);
	expect_row(5);
	close_all();
}
END_TEST

int main(int argc, char **argv)
{
	const TTest *const cases[] = {what_a_read_brings_when_no_other_may_follow_it_is_delivered, NULL};

	return run_cases("redis_order", cases, argc, argv);
}
