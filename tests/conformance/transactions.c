/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a listener sends goes with what it acknowledges. Readers are transactional inputs too, so that they see only
 * what is committed.
 */
#include "tests/conformance/kit.h"

#include <stdio.h>
#include <string.h>

/* What its listener gets it sends on, to each output, with the number of the attempt; then it says what its recorder says. */
static struct kit_service processor;
static rv_channel *output, *output1;
static struct kit_recorder deliveries;
static atomic_int unsent;     /* sends that were refused */
static rv_sent_fn told;       /* NULL: sends to `output` wait for what there is to wait for */
static atomic_int done, lost; /* what it was told */

static struct kit_service source;
static rv_channel *in;
static const char *from, *to, *to1;

static struct kit_service reader, reader1;
static struct kit_recorder seen, seen1;

static const char *const quick[] = {KIT_CONSUMER "max-attempts=3", KIT_CONSUMER "back-off-initial-interval=5",
    KIT_CONSUMER "back-off-max-interval=20", NULL};
static const char *const once[] = {KIT_CONSUMER "max-attempts=1", NULL};

static void on_told(const rv_message *message, const struct rv_error *error, void *context)
{
	(void)message;
	(void)context;
	atomic_fetch_add(error ? &lost : &done, 1);
}

static rv_err send_text(rv_channel *channel, const char *text, rv_sent_fn told_by)
{
	rv_message *message = rv_message_create_text(text);
	rv_err code = told_by ? rv_channel_send_async(channel, message, told_by, NULL, NULL)
	                      : rv_channel_send(channel, message, NULL);

	rv_message_unref(message);
	return code;
}

static rv_verdict pass_on(const rv_message *message, void *context)
{
	char text[80];

	snprintf(text, sizeof text, "%.60s.%d", rv_message_text(message), rv_message_attempt(message));
	if (send_text(output, text, told) != RV_OK || send_text(output1, text, NULL) != RV_OK)
		atomic_fetch_add(&unsent, 1);
	return kit_listen(message, context);
}

static void process(const char *const *more)
{
	kit_service_init(&processor);
	kit_property(&processor, "spring.cloud.stream.bindings.input.destination=%s", from);
	kit_property(&processor, "spring.cloud.stream.bindings.input.group=%s", kit_group("g", from));
	kit_property(&processor, "spring.cloud.stream.bindings.output.destination=%s", to);
	kit_property(&processor, "spring.cloud.stream.bindings.output1.destination=%s", to1);
	for (more = kit_transactions(more); *more; more++)
		kit_property(&processor, "%s", *more);
	kit_service_create(&processor);
	rv_app_enable_binding(processor.app, RV_PROCESSOR);
	rv_app_enable_binding(processor.app, RV_OUTPUTS("output1"));
	rv_app_listen(processor.app, RV_SINK_INPUT, pass_on, &deliveries);
	output = rv_app_channel(processor.app, RV_SOURCE_OUTPUT);
	output1 = rv_app_channel(processor.app, "output1");
	kit_service_start(&processor);
}

static void start(const char *const *more)
{
	from = kit_destination();
	to = kit_destination();
	to1 = kit_destination();
	atomic_store(&unsent, 0);
	atomic_store(&done, 0);
	atomic_store(&lost, 0);
	told = NULL;
	kit_recorder_init(&deliveries);
	kit_recorder_init(&seen);
	kit_recorder_init(&seen1);
	in = kit_producer(&source, from, NULL);
	process(more);
	kit_consumer(&reader, to, "readers", &seen, kit_transactions(NULL));
	kit_consumer(&reader1, to1, "readers", &seen1, kit_transactions(NULL));
}

static void stop(void)
{
	ck_assert_int_eq(kit_service_stop(&processor), 0);
	ck_assert_int_eq(kit_service_stop(&reader), 0);
	ck_assert_int_eq(kit_service_stop(&reader1), 0);
	ck_assert_int_eq(kit_service_stop(&source), 0);
	ck_assert_int_eq(atomic_load(&unsent), 0);
	kit_recorder_finish(&deliveries);
	kit_recorder_finish(&seen);
	kit_recorder_finish(&seen1);
}

/* Sends a text to both readers, outside of a listener; when both have it, they have had their chance to see what went before. */
static void mark(const char *text)
{
	ck_assert_int_eq(send_text(output, text, NULL), RV_OK);
	ck_assert_int_eq(send_text(output1, text, NULL), RV_OK);
	WAIT_UNTIL(KIT_SOON_MS, kit_has(&seen, text) && kit_has(&seen1, text));
}

START_TEST(what_a_listener_sent_is_seen_when_it_acknowledges)
{
	start(NULL);
	atomic_store(&deliveries.blocked, true);
	kit_send(in, "m", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&deliveries) == 1);
	mark("meanwhile");
	ck_assert_uint_eq(kit_count(&seen), 1);
	ck_assert_uint_eq(kit_count(&seen1), 1);
	atomic_store(&deliveries.blocked, false);
	WAIT_UNTIL(KIT_SOON_MS, kit_has(&seen, "m0.1") && kit_has(&seen1, "m0.1"));
	mark("end");
	ck_assert_uint_eq(kit_count(&seen), 3);
	ck_assert_uint_eq(kit_count(&seen1), 3);
	stop();
}
END_TEST

START_TEST(what_a_failed_attempt_sent_is_never_seen)
{
	start(quick);
	atomic_store(&deliveries.fail_first, 2);
	kit_send(in, "m", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, kit_has(&seen, "m0.3") && kit_has(&seen1, "m0.3"));
	mark("end");
	ck_assert_uint_eq(kit_count(&deliveries), 3);
	ck_assert_uint_eq(kit_count(&seen), 2);
	ck_assert_uint_eq(kit_count(&seen1), 2);
	stop();
}
END_TEST

START_TEST(what_a_listener_sent_that_gives_up_is_never_seen)
{
	start(kit_letters(false, once));
	deliveries.failure = RV_REJECT;
	deliveries.fail_text = "bad";
	kit_send(in, "bad", 0, 2);
	kit_send(in, "good", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, kit_has(&seen, "good0.1") && kit_has(&seen1, "good0.1"));
	WAIT_UNTIL(KIT_SOON_MS, kit_counters(&processor, "input").dropped == 2);
	mark("end");
	ck_assert_uint_eq(kit_count(&seen), 2);
	ck_assert_uint_eq(kit_count(&seen1), 2);
	stop();
}
END_TEST

START_TEST(the_dead_letter_of_a_delivery_is_seen_in_place_of_what_its_listener_sent)
{
	struct kit_service letter_reader;
	struct kit_recorder letters;
	char place[256];

	start(kit_letters(true, once));
	kit_recorder_init(&letters);
	(void)kit_letters_are_ours(&processor, "input", place, sizeof place);
	if (*place)
		kit_consumer(&letter_reader, place, "readers", &letters, kit_transactions(NULL));
	deliveries.failure = RV_REJECT;
	deliveries.fail_text = "bad";
	kit_send(in, "bad", 0, 2);
	WAIT_UNTIL(KIT_SOON_MS, kit_counters(&processor, "input").dead_lettered == 2);
	if (*place)
		WAIT_UNTIL(KIT_SOON_MS, kit_has(&letters, "bad0") && kit_has(&letters, "bad1"));
	mark("end");
	ck_assert_uint_eq(kit_count(&seen), 1);
	ck_assert_uint_eq(kit_count(&seen1), 1);
	if (*place) {
		ck_assert_uint_eq(kit_count(&letters), 2);
		ck_assert_int_eq(kit_service_stop(&letter_reader), 0);
	}
	kit_recorder_finish(&letters);
	stop();
}
END_TEST

START_TEST(stops_in_the_middle_leave_each_output_once)
{
	enum { MANY = 300 };
	static const char *const four[] = {KIT_CONSUMER "concurrency=4", NULL};

	start(four);
	deliveries.busy_us = 1000;
	kit_send(in, "m", 0, MANY);
	for (size_t at = 50; at <= 150; at += 50) {
		WAIT_UNTIL(KIT_SOON_MS, kit_count(&deliveries) >= at);
		ck_assert_int_eq(kit_service_stop(&processor), 0);
		process(four);
	}
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&seen) == MANY && kit_distinct(&seen1) == MANY);
	ck_assert_int_eq(kit_service_stop(&processor), 0);
	process(four); /* has nothing to do any more */
	mark("end");
	ck_assert_uint_eq(kit_count(&seen), MANY + 1);
	ck_assert_uint_eq(kit_count(&seen1), MANY + 1);
	stop();
}
END_TEST

START_TEST(a_sender_in_a_listener_is_told_what_became_of_its_delivery)
{
	start(quick);
	told = on_told;
	atomic_store(&deliveries.fail_first, 1);
	kit_send(in, "m", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, atomic_load(&done) == 1);
	ck_assert_int_eq(atomic_load(&lost), 1); /* of the first attempt */
	ck_assert(wait_until(KIT_SOON_MS, kit_has(&seen, "m0.2")));
	stop();
}
END_TEST

START_TEST(what_was_sent_before_a_delivery_was_deferred_waits_for_its_end)
{
	rv_delivery *delivery = NULL;

	start(quick);
	deliveries.defer = true;
	kit_send(in, "m", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, (delivery = kit_taken(&deliveries)) != NULL);
	mark("meanwhile");
	ck_assert_uint_eq(kit_count(&seen), 1);
	ck_assert_int_eq(rv_delivery_settle(delivery, RV_RETRY, NULL), RV_OK);
	WAIT_UNTIL(KIT_SOON_MS, (delivery = kit_taken(&deliveries)) != NULL);
	ck_assert_int_eq(rv_delivery_settle(delivery, RV_ACK, NULL), RV_OK);
	WAIT_UNTIL(KIT_SOON_MS, kit_has(&seen, "m0.2") && kit_has(&seen1, "m0.2"));
	mark("end");
	ck_assert_uint_eq(kit_count(&seen), 3);
	ck_assert_uint_eq(kit_count(&seen1), 3);
	stop();
}
END_TEST

START_TEST(what_is_sent_outside_of_a_listener_is_seen_once)
{
	enum { MANY = 100 };

	start(NULL);
	kit_send(output, "alone", 0, MANY);
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&seen) == MANY);
	mark("end");
	ck_assert_uint_eq(kit_count(&seen), MANY + 1);
	ck_assert_uint_eq(kit_count(&seen1), 1);
	stop();
}
END_TEST

void kit_add_transactions(void)
{
	KIT_ADD(RV_CAP_TRANSACTIONS, what_a_listener_sent_is_seen_when_it_acknowledges);
	KIT_ADD(RV_CAP_TRANSACTIONS, what_a_failed_attempt_sent_is_never_seen);
	KIT_ADD(RV_CAP_TRANSACTIONS, what_a_listener_sent_that_gives_up_is_never_seen);
	KIT_ADD(RV_CAP_TRANSACTIONS | RV_CAP_DEAD_LETTER,
	    the_dead_letter_of_a_delivery_is_seen_in_place_of_what_its_listener_sent);
	KIT_ADD(RV_CAP_TRANSACTIONS | RV_CAP_GROUP_RESUME, stops_in_the_middle_leave_each_output_once);
	KIT_ADD(RV_CAP_TRANSACTIONS, a_sender_in_a_listener_is_told_what_became_of_its_delivery);
	KIT_ADD(RV_CAP_TRANSACTIONS, what_was_sent_before_a_delivery_was_deferred_waits_for_its_end);
	KIT_ADD(RV_CAP_TRANSACTIONS, what_is_sent_outside_of_a_listener_is_seen_once);
}
