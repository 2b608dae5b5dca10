/* SPDX-License-Identifier: Apache-2.0 */
/* Who comes late, leaves and comes back: nothing is missed, and what was done is not done again. */
#include "tests/conformance/kit.h"

#include <stdio.h>
#include <string.h>

static struct kit_line line;

START_TEST(a_late_group_gets_what_was_sent_before_and_what_comes)
{
	kit_line_begin(&line, NULL);
	kit_send(line.output, "before", 0, 20);
	kit_line_join(&line, NULL);
	kit_send(line.output, "after", 0, 20);
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&line.recorder) == 40);
	kit_line_stop(&line);
}
END_TEST

START_TEST(a_group_that_returns_gets_only_what_is_new)
{
	kit_line_begin(&line, NULL);
	kit_line_join(&line, NULL);
	kit_send(line.output, "m", 0, 20);
	WAIT_UNTIL(KIT_SOON_MS, kit_counters(&line.consumer, "input").acked == 20);
	ck_assert_int_eq(kit_service_stop(&line.consumer), 0);
	kit_send(line.output, "n", 0, 5);
	kit_line_join(&line, NULL);
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&line.recorder) == 25);
	ck_assert(!wait_until(KIT_QUIET_MS, kit_count(&line.recorder) > 25));
	kit_line_stop(&line);
}
END_TEST

START_TEST(a_producer_that_returns_goes_on)
{
	kit_line_begin(&line, NULL);
	kit_line_join(&line, NULL);
	kit_send(line.output, "m", 0, 5);
	ck_assert_int_eq(kit_service_stop(&line.producer), 0);
	line.output = kit_producer(&line.producer, line.destination, NULL);
	kit_send(line.output, "n", 0, 5);
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&line.recorder) == 10);
	kit_line_stop(&line);
}
END_TEST

START_TEST(an_owner_that_comes_and_goes_under_traffic_misses_nothing)
{
	enum { ROUNDS = 4, EACH = 50 };

	kit_line_begin(&line, NULL);
	for (int round = 0; round < ROUNDS; round++) {
		size_t before = kit_count(&line.recorder);

		kit_line_join(&line, NULL);
		kit_send(line.output, "m", round * EACH, (round + 1) * EACH);
		WAIT_UNTIL(KIT_SOON_MS, kit_count(&line.recorder) > before);
		ck_assert_int_eq(kit_service_stop(&line.consumer), 0);
	}
	kit_line_join(&line, NULL);
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&line.recorder) == ROUNDS * EACH);
	kit_line_stop(&line);
}
END_TEST

START_TEST(the_second_binding_of_a_service_may_start_later)
{
	struct kit_service service;
	struct kit_recorder second;
	const char *other = kit_destination();
	struct kit_service feeder;
	rv_channel *feed;

	kit_line_begin(&line, NULL);
	kit_recorder_init(&second);
	feed = kit_producer(&feeder, other, NULL);
	kit_service_init(&service);
	kit_property(&service, "spring.cloud.stream.bindings.input1.destination=%s", line.destination);
	kit_property(
	    &service, "spring.cloud.stream.bindings.input1.group=%s", kit_group("g", line.destination));
	kit_property(&service, "spring.cloud.stream.bindings.input2.destination=%s", other);
	kit_property(&service, "spring.cloud.stream.bindings.input2.group=%s", kit_group("g", other));
	kit_property(&service, "spring.cloud.stream.bindings.input2.consumer.auto-startup=false");
	kit_service_create(&service);
	rv_app_enable_binding(service.app, RV_INPUTS("input1", "input2"));
	rv_app_listen(service.app, "input1", kit_listen, &line.recorder);
	rv_app_listen(service.app, "input2", kit_listen, &second);
	kit_service_start(&service);
	kit_send(line.output, "m", 0, 3);
	kit_send(feed, "n", 0, 3);
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&line.recorder) == 3);
	ck_assert_uint_eq(kit_count(&second), 0);
	kit_change(&service, "input2", "STARTED", "running");
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&second) == 3);
	ck_assert_int_eq(kit_service_stop(&service), 0);
	ck_assert_int_eq(kit_service_stop(&feeder), 0);
	ck_assert_int_eq(kit_service_stop(&line.producer), 0);
	kit_recorder_finish(&line.recorder);
	kit_recorder_finish(&second);
}
END_TEST

START_TEST(bindings_of_one_service_stop_and_start_apart)
{
	struct kit_service service;

	kit_line_begin(&line, NULL);
	kit_service_init(&service);
	kit_property(&service, "spring.cloud.stream.bindings.input.destination=%s", line.destination);
	kit_property(
	    &service, "spring.cloud.stream.bindings.input.group=%s", kit_group("g", line.destination));
	kit_property(&service, "spring.cloud.stream.bindings.output.destination=%s", line.destination);
	kit_service_create(&service);
	rv_app_enable_binding(service.app, RV_PROCESSOR);
	rv_app_listen(service.app, RV_PROCESSOR_INPUT, kit_listen, &line.recorder);
	kit_service_start(&service);
	kit_change(&service, "input", "STOPPED", "stopped");
	kit_send(rv_app_channel(service.app, "output"), "m", 0, 5);
	ck_assert_uint_eq(kit_count(&line.recorder), 0);
	kit_change(&service, "input", "STARTED", "running");
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&line.recorder) == 5);
	kit_change(&service, "output", "STOPPED", "stopped");
	kit_send(line.output, "n", 0, 5);
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&line.recorder) == 10);
	ck_assert_int_eq(kit_service_stop(&service), 0);
	ck_assert_int_eq(kit_service_stop(&line.producer), 0);
	kit_recorder_finish(&line.recorder);
}
END_TEST

START_TEST(two_required_groups_both_miss_nothing)
{
	struct kit_recorder others;
	struct kit_service other;
	char required[256];
	const char *const more[] = {required, NULL};

	line.destination = kit_destination();
	kit_recorder_init(&line.recorder);
	kit_recorder_init(&others);
	snprintf(required, sizeof required,
	    "spring.cloud.stream.bindings.output.producer.required-groups=%s,%s",
	    kit_group("g", line.destination), kit_group("other", line.destination));
	line.output = kit_producer(&line.producer, line.destination, more);
	kit_send(line.output, "m", 0, 5);
	kit_line_join(&line, NULL);
	kit_consumer(&other, line.destination, "other", &others, NULL);
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&line.recorder) == 5 && kit_distinct(&others) == 5);
	ck_assert_int_eq(kit_service_stop(&other), 0);
	kit_recorder_finish(&others);
	kit_line_stop(&line);
}
END_TEST

void kit_add_late(void)
{
	KIT_ADD(RV_CAP_GROUP_RESUME, a_late_group_gets_what_was_sent_before_and_what_comes);
	KIT_ADD(RV_CAP_GROUP_RESUME, a_group_that_returns_gets_only_what_is_new);
	KIT_ADD(0, a_producer_that_returns_goes_on);
	KIT_ADD(RV_CAP_GROUP_RESUME, an_owner_that_comes_and_goes_under_traffic_misses_nothing);
	KIT_ADD(RV_CAP_GROUP_RESUME, the_second_binding_of_a_service_may_start_later);
	KIT_ADD(RV_CAP_GROUP_RESUME, bindings_of_one_service_stop_and_start_apart);
	KIT_ADD(RV_CAP_GROUP_RESUME, two_required_groups_both_miss_nothing);
}
