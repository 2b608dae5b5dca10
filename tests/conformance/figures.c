/* SPDX-License-Identifier: Apache-2.0 */
/* What a service says of itself: counters, lag, health. */
#include "tests/conformance/kit.h"

#include <string.h>

static struct kit_line line;

START_TEST(counters_tell_what_became_of_every_message)
{
	struct rv__binding_counters in, out;

	kit_line_start(&line, kit_letters(true, NULL), NULL);
	line.recorder.failure = RV_REJECT;
	line.recorder.fail_text = "bad";
	kit_send(line.output, "good", 0, 10);
	kit_send(line.output, "bad", 0, 2);
	WAIT_UNTIL(KIT_SOON_MS,
	    (in = kit_counters(&line.consumer, "input"), in.acked == 10 && in.dead_lettered == 2));
	WAIT_UNTIL(KIT_SOON_MS, kit_counters(&line.consumer, "input").in_flight == 0);
	ck_assert_uint_ge(in.received, 12);
	ck_assert_uint_eq(in.requeued + in.dropped + in.retried + in.stale, 0);
	/* A send is counted once its sender was told. */
	WAIT_UNTIL(KIT_SOON_MS,
	    (out = kit_counters(&line.producer, "output"), out.sent == 12 && out.in_flight == 0));
	ck_assert_uint_eq(out.send_errors, 0);
	kit_line_stop(&line);
}
END_TEST

START_TEST(lag_is_what_a_group_has_not_done)
{
	enum { MANY = 20, SOME = 10 };

	kit_line_start(&line, NULL, NULL);
	atomic_store(&line.recorder.blocked, true);
	kit_send(line.output, "m", 0, MANY);
	WAIT_UNTIL(KIT_SOON_MS, kit_stat(&line.consumer, "input", "lag") >= SOME);
	atomic_store(&line.recorder.blocked, false);
	WAIT_UNTIL(KIT_SOON_MS, kit_counters(&line.consumer, "input").acked == MANY);
	WAIT_UNTIL(KIT_SOON_MS, kit_stat(&line.consumer, "input", "lag") == 0);
	kit_line_stop(&line);
}
END_TEST

START_TEST(a_binder_that_reaches_its_broker_is_up)
{
	kit_line_start(&line, NULL, NULL);
	kit_send(line.output, "m", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&line.recorder) == 1);
	WAIT_UNTIL(KIT_SOON_MS, kit_health(&line.consumer) == RV_HEALTH_UP);
	WAIT_UNTIL(KIT_SOON_MS, kit_health(&line.producer) == RV_HEALTH_UP);
	kit_line_stop(&line);
}
END_TEST

void kit_add_figures(void)
{
	KIT_ADD(RV_CAP_DEAD_LETTER, counters_tell_what_became_of_every_message);
	KIT_ADD(RV_CAP_LAG, lag_is_what_a_group_has_not_done);
	KIT_ADD(0, a_binder_that_reaches_its_broker_is_up);
}
