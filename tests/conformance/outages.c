/* SPDX-License-Identifier: Apache-2.0 */
/* A broker that hangs for a while: with --broker-pid the suite stops its processes and lets them go on. */
#include "tests/conformance/kit.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { BACK_MS = 2 * KIT_SOON_MS };

static struct kit_line line;

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
	rv_err code = rv_channel_send(line.output, message, NULL);

	rv_message_unref(message);
	return code;
}

/* As a service does whose sends have little time: what timed out is sent again, and may arrive twice. */
static void send_patiently(const char *prefix, int from, int to)
{
	for (int i = from; i < to; i++) {
		char text[64];

		snprintf(text, sizeof text, "%s%d", prefix, i);
		WAIT_UNTIL(BACK_MS, send_one(text) == RV_OK);
	}
}

START_TEST(a_broker_that_hangs_is_told_and_nothing_is_lost)
{
	kit_line_start(&line, NULL, hasty);
	send_patiently("m", 0, 10);
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&line.recorder) == 10);
	hang();
	/* Its last threads may still answer one. What times out may arrive all the same: at least once. */
	WAIT_UNTIL(KIT_SOON_MS, send_one("hanging") != RV_OK);
	go_on();
	WAIT_UNTIL(BACK_MS, send_one("back") == RV_OK);
	send_patiently("n", 0, 10);
	WAIT_UNTIL(BACK_MS, kit_has(&line.recorder, "back"));
	kit_await_all((struct kit_recorder *const[]){&line.recorder}, 1, "n", 0, 10);
	WAIT_UNTIL(BACK_MS, kit_counters(&line.consumer, "input").acked >= 21);
	kit_line_stop(&line);
}
END_TEST

START_TEST(dead_letters_wait_for_a_broker_that_hangs)
{
	kit_line_begin(&line, hasty);
	line.recorder.failure = RV_REJECT;
	line.recorder.fail_text = "bad";
	atomic_store(&line.recorder.blocked, true);
	kit_line_join(&line, kit_letters(true, NULL));
	send_patiently("bad", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&line.recorder) >= 1);
	hang();
	atomic_store(&line.recorder.blocked, false);
	ck_assert(!wait_until(KIT_QUIET_MS, kit_counters(&line.consumer, "input").dropped > 0));
	go_on();
	WAIT_UNTIL(BACK_MS, kit_counters(&line.consumer, "input").dead_lettered >= 1);
	ck_assert_uint_eq(kit_counters(&line.consumer, "input").dropped, 0);
	kit_line_stop(&line);
}
END_TEST

/* The consumer of the line, created but not running. */
static void prepare_consumer(void)
{
	kit_service_init(&line.consumer);
	kit_property(&line.consumer, "spring.cloud.stream.bindings.input.destination=%s", line.destination);
	kit_property(
	    &line.consumer, "spring.cloud.stream.bindings.input.group=%s", kit_group("g", line.destination));
	kit_service_create(&line.consumer);
	rv_app_enable_binding(line.consumer.app, RV_SINK);
	rv_app_listen(line.consumer.app, RV_SINK_INPUT, kit_listen, &line.recorder);
}

START_TEST(a_service_that_starts_while_its_broker_hangs_runs_by_itself)
{
	kit_line_begin(&line, hasty);
	prepare_consumer();
	hang();
	kit_service_launch(&line.consumer);
	ck_assert(!wait_until(KIT_QUIET_MS, atomic_load(&line.consumer.over)));
	go_on();
	kit_service_await(&line.consumer);
	WAIT_UNTIL(BACK_MS, send_one("m") == RV_OK);
	WAIT_UNTIL(BACK_MS, kit_has(&line.recorder, "m"));
	kit_line_stop(&line);
}
END_TEST

START_TEST(an_output_that_was_bound_late_knows_its_partitions)
{
	line.destination = kit_destination();
	kit_recorder_init(&line.recorder);
	prepare_consumer();
	kit_service_init(&line.producer);
	kit_property(&line.producer, "spring.cloud.stream.bindings.output.destination=%s", line.destination);
	kit_property(&line.producer, KIT_PRODUCER "partition-count=5");
	kit_property(&line.producer, KIT_PRODUCER "partition-key-expression=payload");
	kit_property(&line.producer, "%s", hasty[0]);
	kit_service_create(&line.producer);
	rv_app_enable_binding(line.producer.app, RV_SOURCE);
	line.output = rv_app_channel(line.producer.app, RV_SOURCE_OUTPUT);
	hang();
	kit_service_launch(&line.producer);
	ck_assert(!wait_until(KIT_QUIET_MS, atomic_load(&line.producer.over)));
	ck_assert_int_ne(send_one("early"), RV_OK);
	go_on();
	kit_service_await(&line.producer);
	/* Only now: whoever is first makes the destination, and an input asks for one partition. */
	kit_service_launch(&line.consumer);
	kit_service_await(&line.consumer);
	WAIT_UNTIL(BACK_MS, send_one("c") == RV_OK);
	WAIT_UNTIL(BACK_MS, kit_has(&line.recorder, "c"));
	/* As partitions.c has it; the early one may have arrived, too. */
	ck_assert_int_eq(kit_partition_of(&line.recorder, "c"), 4);
	kit_line_stop(&line);
}
END_TEST

void kit_add_outages(void)
{
	KIT_ADD(KIT_NEEDS_PID | RV_CAP_DURABLE, a_broker_that_hangs_is_told_and_nothing_is_lost);
	KIT_ADD(
	    KIT_NEEDS_PID | RV_CAP_DURABLE | RV_CAP_DEAD_LETTER, dead_letters_wait_for_a_broker_that_hangs);
	KIT_ADD(KIT_NEEDS_PID | RV_CAP_DURABLE, a_service_that_starts_while_its_broker_hangs_runs_by_itself);
	KIT_ADD(KIT_NEEDS_PID | RV_CAP_DURABLE | RV_CAP_PARTITIONS,
	    an_output_that_was_bound_late_knows_its_partitions);
}
