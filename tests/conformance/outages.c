/* SPDX-License-Identifier: Apache-2.0 */
/* A broker that hangs for a while: with --broker-pid the suite stops its processes and lets them go on. */
#include "tests/conformance/kit.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { BACK_MS = 2 * KIT_SOON_MS };

static struct kit_service consumer, producer;
static struct kit_recorder recorder;
static rv_channel *output;
static const char *destination;

static const char *const hasty[] = {"rivulet.bindings.output.producer.send-timeout=1s", NULL};

static void hang(void)
{
	ck_assert(kit_signal_broker(SIGSTOP));
}

static void go_on(void)
{
	ck_assert(kit_signal_broker(SIGCONT));
}

static rv_err send_one(const char *text)
{
	rv_message *message = rv_message_create_text(text);
	rv_err code = rv_channel_send(output, message, NULL);

	rv_message_unref(message);
	return code;
}

static void stop(void)
{
	ck_assert_int_eq(kit_service_stop(&consumer), 0);
	ck_assert_int_eq(kit_service_stop(&producer), 0);
	kit_recorder_finish(&recorder);
}

START_TEST(a_broker_that_hangs_is_told_and_nothing_is_lost)
{
	destination = kit_destination();
	kit_recorder_init(&recorder);
	output = kit_producer(&producer, destination, hasty);
	kit_consumer(&consumer, destination, "g", &recorder, NULL);
	kit_send(output, "m", 0, 10);
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&recorder) == 10);
	hang();
	/* Its last threads may still answer one. What times out may arrive all the same: at least once. */
	WAIT_UNTIL(KIT_SOON_MS, send_one("hanging") != RV_OK);
	go_on();
	WAIT_UNTIL(BACK_MS, send_one("back") == RV_OK);
	kit_send(output, "n", 0, 10);
	WAIT_UNTIL(BACK_MS,
	    kit_has(&recorder, "back") && kit_has(&recorder, "n9") &&
	        kit_counters(&consumer, "input").acked >= 21);
	for (int i = 0; i < 10; i++) {
		char text[16];

		snprintf(text, sizeof text, "n%d", i);
		ck_assert_msg(kit_has(&recorder, text), "%s is missing", text);
	}
	stop();
}
END_TEST

START_TEST(dead_letters_wait_for_a_broker_that_hangs)
{
	destination = kit_destination();
	kit_recorder_init(&recorder);
	recorder.failure = RV_REJECT;
	recorder.fail_text = "bad";
	atomic_store(&recorder.blocked, true);
	output = kit_producer(&producer, destination, hasty);
	kit_consumer(&consumer, destination, "g", &recorder, kit_letters(true, NULL));
	kit_send(output, "bad", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&recorder) == 1);
	hang();
	atomic_store(&recorder.blocked, false);
	ck_assert(!wait_until(KIT_QUIET_MS, kit_counters(&consumer, "input").dropped > 0));
	go_on();
	WAIT_UNTIL(BACK_MS, kit_counters(&consumer, "input").dead_lettered >= 1);
	ck_assert_uint_eq(kit_counters(&consumer, "input").dropped, 0);
	stop();
}
END_TEST

START_TEST(a_service_that_starts_while_its_broker_hangs_runs_by_itself)
{
	destination = kit_destination();
	kit_recorder_init(&recorder);
	output = kit_producer(&producer, destination, hasty);
	kit_service_init(&consumer);
	kit_property(&consumer, "spring.cloud.stream.bindings.input.destination=%s", destination);
	kit_property(&consumer, "spring.cloud.stream.bindings.input.group=%s", kit_group("g", destination));
	kit_service_create(&consumer);
	rv_app_enable_binding(consumer.app, RV_SINK);
	rv_app_listen(consumer.app, RV_SINK_INPUT, kit_listen, &recorder);
	hang();
	kit_service_launch(&consumer);
	ck_assert(!wait_until(KIT_QUIET_MS, atomic_load(&consumer.over)));
	go_on();
	kit_service_await(&consumer);
	WAIT_UNTIL(BACK_MS, send_one("m") == RV_OK);
	WAIT_UNTIL(BACK_MS, kit_has(&recorder, "m"));
	stop();
}
END_TEST

void kit_add_outages(void)
{
	KIT_ADD(KIT_NEEDS_PID | RV_CAP_DURABLE, a_broker_that_hangs_is_told_and_nothing_is_lost);
	KIT_ADD(
	    KIT_NEEDS_PID | RV_CAP_DURABLE | RV_CAP_DEAD_LETTER, dead_letters_wait_for_a_broker_that_hangs);
	KIT_ADD(KIT_NEEDS_PID | RV_CAP_DURABLE, a_service_that_starts_while_its_broker_hangs_runs_by_itself);
}
