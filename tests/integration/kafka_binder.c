/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The receiving half of the kafka binder through its contract, against the cluster in RV_TEST_ADDRESS. Without it, a
 * skip.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/numbers.h"
#include "binder/kafka/kafka.h"
#include "tests/integration/kafka_kit.h"
#include "tests/support/unit.h"
#include "tests/support/wait.h"

/* -- messages ------------------------------------------------------------------------------------- */

START_TEST(a_message_arrives_with_headers_key_and_place)
{
	struct kit_producer *producer = produce();
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create("zero\0inside", 11);
	struct kit_consumer *consumer;
	const rv_message *got;
	size_t length;

	rv_message_set_header(message, "plate", "粤B12345");
	rv_message_set_header(message, RV_HEADER_KEY, "key-1");
	ck_assert_int_eq(kit_send(producer, message, -1), RV_OK);
	consumer = consume(group_name, NULL);
	ck_assert(kit_wait_count(consumer, 1, SOON_MS));
	got = consumer->messages[0];
	ck_assert_int_eq(memcmp(rv_message_payload(got, &length), "zero\0inside", 11), 0);
	ck_assert_uint_eq(length, 11);
	ck_assert_str_eq(rv_message_header(got, "plate"), "粤B12345");
	ck_assert_str_eq(rv_message_header(got, RV_HEADER_KEY), "key-1");
	ck_assert_str_eq(rv_message_id(got), rv_message_id(message));
	ck_assert_str_eq(rv_message_source(got), "Kafka");
	ck_assert_str_eq(rv_message_destination(got), topic);
	ck_assert_int_eq(rv_message_partition(got), 0);
	ck_assert_int_eq(rv_message_position(got), 0);
	ck_assert(rv_message_timestamp_ms(got) > rv__wall_ms() - 600000);
	ck_assert_int_eq(kit_settle(consumer, 0, RV_SETTLE_ACK, NULL), RV_OK);
	ck_assert_int_eq(kit_settle(consumer, 0, RV_SETTLE_ACK, NULL), RV_E_STALE);
	end_consumer(consumer);
	end_producer(producer);
}
END_TEST

START_TEST(a_tombstone_is_not_an_empty_payload)
{
	struct kit_producer *producer = produce();
	struct kit_consumer *consumer;
	rv_message *none = rv_message_create_null(), *empty = rv_message_create("", 0);

	rv_message_set_header(none, RV_HEADER_KEY, "k");
	ck_assert_int_eq(kit_send(producer, none, 0), RV_OK);
	ck_assert_int_eq(kit_send(producer, empty, 0), RV_OK);
	consumer = consume(group_name, NULL);
	ck_assert(kit_wait_count(consumer, 2, SOON_MS));
	ck_assert(rv_message_is_null(consumer->messages[0]));
	ck_assert(!rv_message_is_null(consumer->messages[1]));
	rv_message_unref(none);
	rv_message_unref(empty);
	end_consumer(consumer);
	end_producer(producer);
}
END_TEST

START_TEST(a_large_payload_outlives_the_binding)
{
	enum { LENGTH = 300000 };
	struct kit_producer *producer = produce();
	struct kit_consumer *consumer;
	char *payload = malloc(LENGTH);
	rv_message *message, *kept;
	size_t length;

	for (size_t i = 0; i < LENGTH; i++)
		payload[i] = (char)(i * i >> 7);
	message = rv_message_create(payload, LENGTH);
	ck_assert_int_eq(kit_send(producer, message, 0), RV_OK);
	consumer = consume(group_name, NULL);
	ck_assert(kit_wait_count(consumer, 1, SOON_MS));
	kept = rv_message_ref(consumer->messages[0]);
	end_consumer(consumer);
	ck_assert_int_eq(memcmp(rv_message_payload(kept, &length), payload, LENGTH), 0);
	ck_assert_uint_eq(length, LENGTH);
	rv_message_unref(kept);
	rv_message_unref(message);
	free(payload);
	end_producer(producer);
}
END_TEST

/* -- where reading begins ------------------------------------------------------------------------------- */

START_TEST(an_anonymous_consumer_gets_what_comes_after_it_bound)
{
	struct kit_producer *producer;
	struct kit_consumer *one, *other;

	make_topic("3");
	producer = produce();
	send_many(producer, 0, 6, 3);
	one = consume(NULL, NULL);
	other = consume(NULL, NULL);
	await_bound(one);
	await_bound(other);
	/* At once: it does not matter whether they have begun to read. */
	send_many(producer, 6, 12, 3);
	ck_assert(kit_wait_count(one, 6, SOON_MS));
	ck_assert(kit_wait_count(other, 6, SOON_MS));
	for (size_t i = 0; i < 6; i++)
		ck_assert_int_ge(strtol(rv_message_text(one->messages[i]), NULL, 10), 6);
	end_consumer(one);
	end_consumer(other);
	end_producer(producer);
}
END_TEST

START_TEST(a_group_goes_on_behind_what_was_settled)
{
	struct kit_producer *producer = produce();
	struct kit_consumer *consumer;

	send_many(producer, 0, 5, 1);
	consumer = consume(group_name, NULL);
	ck_assert(kit_wait_count(consumer, 5, SOON_MS));
	/* 2 stays open: what is settled behind it does not count. */
	for (size_t i = 0; i < 5; i++)
		if (i != 2)
			ck_assert_int_eq(kit_settle(consumer, i, RV_SETTLE_ACK, NULL), RV_OK);
	end_consumer(consumer);
	consumer = consume(group_name, NULL);
	ck_assert(kit_wait_count(consumer, 3, SOON_MS));
	ck_assert_str_eq(rv_message_text(consumer->messages[0]), "2");
	end_consumer(consumer);
	end_producer(producer);
}
END_TEST

START_TEST(a_record_settled_is_a_record_stored)
{
	const char *const record[] = {"ack-mode=RECORD", NULL};
	struct kit_producer *producer = produce();
	struct kit_consumer *consumer, *next;
	struct kit other;

	send_many(producer, 0, 3, 1);
	consumer = consume(group_name, record);
	ck_assert(kit_wait_count(consumer, 3, SOON_MS));
	settle_all(consumer, 2);
	open_with(&other, NULL, NULL);
	next = make();
	/* Another member, of the same group and with fixed partitions, sees what is stored while the first goes on. */
	WAIT_UNTIL(SOON_MS, ({
		struct kit_consumer *look = make();
		bool begins_at_two;

		ck_assert(
		    kit_consume(&other, look, topic, group_name, LINES("auto-rebalance-enabled=false")));
		ck_assert(kit_wait_count(look, 1, SOON_MS));
		begins_at_two = strcmp(rv_message_text(look->messages[0]), "2") == 0;
		end_consumer(look);
		begins_at_two;
	}));
	free(next);
	kit_close(&other);
	end_consumer(consumer);
	end_producer(producer);
}
END_TEST

START_TEST(reset_offsets_reads_from_the_start_once_more)
{
	const char *const reset[] = {"reset-offsets=true", "start-offset=earliest", NULL};
	struct kit_producer *producer = produce();
	struct kit_consumer *consumer;

	send_many(producer, 0, 3, 1);
	consumer = consume(group_name, NULL);
	ck_assert(kit_wait_count(consumer, 3, SOON_MS));
	settle_all(consumer, 3);
	end_consumer(consumer);
	consumer = consume(group_name, reset);
	ck_assert(kit_wait_count(consumer, 3, SOON_MS));
	ck_assert_str_eq(rv_message_text(consumer->messages[0]), "0");
	end_consumer(consumer);
	end_producer(producer);
}
END_TEST

/* -- topics ------------------------------------------------------------------------------------------------ */

START_TEST(a_topic_that_is_missing_is_named_and_awaited)
{
	struct kit strict;
	struct kit_consumer *consumer = make();
	struct kit_producer *producer;
	int64_t sent;

	open_with(&strict, "auto-create-topics=false", NULL);
	ck_assert(kit_consume(&strict, consumer, topic, group_name, NULL));
	ck_assert(consumer->info.waiting);
	WAIT_UNTIL(SOON_MS, kit_consumer_why(consumer).number == RV__N_KAFKA_NO_TOPIC);
	ck_assert_ptr_nonnull(strstr(kit_consumer_why(consumer).text, topic));
	producer = produce();
	send_text(producer, "first", 0);
	sent = rv__monotonic_ms();
	ck_assert(kit_wait_count(consumer, 1, SOON_MS));
	printf("# the first message came after %lld ms\n", (long long)(rv__monotonic_ms() - sent));
	WAIT_UNTIL(SOON_MS, kit_consumer_is_up(consumer));
	end_consumer(consumer);
	end_producer(producer);
	kit_close(&strict);
}
END_TEST

START_TEST(partitions_that_come_later_are_read_from_their_start)
{
	const char *const settings[][2] = {{NULL}, {"auto-rebalance-enabled=false", NULL}, {NULL}};
	struct kit_consumer *consumer;
	struct kit_producer *producer;

	make_topic("2");
	consumer = consume(_i == 2 ? NULL : group_name, settings[_i]);
	await_bound(consumer);
	make_topic("4");
	await_partitions(topic, 4);
	producer = produce();
	send_many(producer, 0, 8, 4);
	ck_assert(kit_wait_count(consumer, 8, SOON_MS));
	end_consumer(consumer);
	end_producer(producer);
}
END_TEST

START_TEST(too_few_partitions_for_fixed_ones_are_named)
{
	struct kit_consumer *consumer = make();

	make_topic("2");
	consumer->instance_count = 3;
	ck_assert(kit_consume(&kit, consumer, topic, group_name, LINES("auto-rebalance-enabled=false")));
	ck_assert(consumer->info.waiting);
	WAIT_UNTIL(SOON_MS, kit_consumer_why(consumer).number == RV__N_KAFKA_TOO_FEW);
	make_topic("3");
	WAIT_UNTIL(SOON_MS, kit_consumer_is_up(consumer));
	end_consumer(consumer);
}
END_TEST

START_TEST(a_pattern_reads_every_topic_that_matches)
{
	struct kit_consumer *consumer = make();
	struct kit_producer *first, *second, *third;
	char pattern[80], one[64];

	snprintf(one, sizeof one, "%s", topic);
	snprintf(pattern, sizeof pattern, "%.60s(-two)?|__.*", one); /* the broker's own topics never match */
	first = produce();
	snprintf(topic, sizeof topic, "%.50s-two", one);
	second = produce();
	snprintf(topic, sizeof topic, "%.50s-two-more", one);
	send_text(third = produce(), "not this one", 0);
	ck_assert(kit_consume(&kit, consumer, pattern, group_name, LINES("destination-is-pattern=true")));
	send_text(first, "a", 0);
	send_text(second, "b", 0);
	ck_assert(kit_wait_count(consumer, 2, SOON_MS));
	ck_assert_str_ne(
	    rv_message_destination(consumer->messages[0]), rv_message_destination(consumer->messages[1]));
	for (size_t i = 0; i < kit_count(consumer); i++)
		ck_assert_str_ne(rv_message_text(consumer->messages[i]), "not this one");
	ck_assert_uint_eq(kit_count(consumer), 2);
	settle_all(consumer, 2);
	end_consumer(consumer);
	end_producer(first);
	end_producer(second);
	end_producer(third);
}
END_TEST

/* -- sharing ------------------------------------------------------------------------------------------------- */

START_TEST(fixed_partitions_are_shared_out_by_number)
{
	struct kit_consumer *members[2] = {make(), make()};
	struct kit_producer *producer;

	make_topic("4");
	for (int i = 0; i < 2; i++) {
		members[i]->instance_index = i;
		members[i]->instance_count = 2;
		ck_assert(
		    kit_consume(&kit, members[i], topic, group_name, LINES("auto-rebalance-enabled=false")));
	}
	producer = produce();
	send_many(producer, 0, 8, 4);
	for (int i = 0; i < 2; i++) {
		ck_assert(kit_wait_count(members[i], 4, SOON_MS));
		for (size_t k = 0; k < 4; k++)
			ck_assert_int_eq(rv_message_partition(members[i]->messages[k]) % 2, i);
		end_consumer(members[i]);
	}
	end_producer(producer);
}
END_TEST

static const char *const strategies[] = {"RangeAssignor", "CooperativeStickyAssignor"};

/* A member joins while the other has all unsettled: it drains, and what it settles in time is not delivered again. */
START_TEST(a_rebalance_waits_for_what_is_being_handled)
{
	struct kit_consumer *first, *second = make();
	struct kit_producer *producer;
	char strategy[128];
	const char *const settings[] = {strategy, NULL};

	snprintf(strategy, sizeof strategy,
	    "configuration.partition.assignment.strategy=org.apache.kafka.clients.consumer.%s",
	    strategies[_i]);
	make_topic("4");
	producer = produce();
	send_many(producer, 0, 40, 4);
	first = make();
	first->holds_revoked = true;
	ck_assert(kit_consume(&kit, first, topic, group_name, settings));
	ck_assert(kit_wait_count(first, 40, SOON_MS));
	ck_assert(kit_consume(&kit, second, topic, group_name, settings));
	WAIT_UNTIL(SOON_MS, ({
		bool revoked;

		pthread_mutex_lock(&first->lock);
		revoked = first->revoked > 0;
		pthread_mutex_unlock(&first->lock);
		revoked;
	}));
	settle_all(first, 40); /* the window is empty then: that is what "drained" means */
	WAIT_UNTIL(SOON_MS, kit_is_assigned(second));
	send_many(producer, 40, 60, 4);
	WAIT_UNTIL(SOON_MS, kit_count(first) + kit_count(second) >= 60);
	ck_assert_uint_eq(kit_count(first) + kit_count(second), 60);
	ck_assert_uint_gt(kit_count(second), 0);
	end_consumer(first);
	end_consumer(second);
	end_producer(producer);
}
END_TEST

START_TEST(what_is_not_settled_in_time_goes_to_the_next_owner)
{
	const char *const short_time[] = {"revoke-timeout=300", NULL};
	struct kit_consumer *first = make(), *second = make();
	struct kit_producer *producer;
	size_t stale = 0;

	make_topic("2");
	producer = produce();
	send_many(producer, 0, 10, 2);
	first->holds_revoked = true;
	ck_assert(kit_consume(&kit, first, topic, group_name, short_time));
	ck_assert(kit_wait_count(first, 10, SOON_MS));
	second->settle_at_once = true;
	ck_assert(kit_consume(&kit, second, topic, group_name, short_time));
	WAIT_UNTIL(SOON_MS, kit_count(second) >= 5);
	for (size_t i = 0; i < 10; i++)
		stale += kit_settle(first, i, RV_SETTLE_ACK, NULL) == RV_E_STALE;
	ck_assert_uint_eq(stale, 10); /* its other partition was assigned anew: another epoch */
	end_consumer(first);
	end_consumer(second);
	end_producer(producer);
}
END_TEST

/* The second instance with one group.instance.id fences the first, whose client is dead for good. */
START_TEST(a_fenced_member_begins_anew)
{
	const char *const fixed_name[] = {"configuration.group.instance.id=only-one", NULL};
	struct kit_producer *producer = produce();
	struct kit_consumer *first, *second;

	first = consume(group_name, fixed_name);
	send_text(producer, "0", 0);
	ck_assert(kit_wait_count(first, 1, SOON_MS));
	settle_all(first, 1);
	second = consume(group_name, fixed_name);
	WAIT_UNTIL(SOON_MS, kit_is_assigned(second));
	WAIT_UNTIL(SOON_MS, ({
		size_t assigned;

		send_text(producer, "again", 0);
		pthread_mutex_lock(&first->lock);
		assigned = first->assigned;
		pthread_mutex_unlock(&first->lock);
		assigned >= 2; /* it came back, and now fences the second */
	}));
	end_consumer(first);
	end_consumer(second);
	end_producer(producer);
}
END_TEST

/* -- back-pressure and order ------------------------------------------------------------------------------------- */

START_TEST(order_holds_while_there_is_little_room)
{
	enum { MANY = 3000 };
	struct kit_producer *producer = produce();
	struct kit_consumer *consumer = make();

	consumer->capacity = 10;
	ck_assert(kit_consume(&kit, consumer, topic, group_name, NULL));
	for (int i = 0; i < MANY; i++) {
		char text[16];
		RV_CLEANUP(rv_message_unrefp) rv_message *message = NULL;

		snprintf(text, sizeof text, "%d", i);
		message = rv_message_create_text(text);
		WAIT_UNTIL(SOON_MS, kit_queue(producer, message, 0));
	}
	ck_assert(kit_wait_completed(producer, MANY, SOON_MS));
	ck_assert(kit_wait_count(consumer, 10, SOON_MS));
	while (kit_count(consumer) < MANY) {
		pthread_mutex_lock(&consumer->lock);
		consumer->capacity += 97;
		pthread_mutex_unlock(&consumer->lock);
		kit.ops->credit(consumer->consumer, consumer->tokens[0].slot, 97);
		ck_assert(
		    kit_wait_count(consumer, consumer->capacity < MANY ? consumer->capacity : MANY, SOON_MS));
	}
	for (int i = 0; i < MANY; i++)
		ck_assert_int_eq(strtol(rv_message_text(consumer->messages[i]), NULL, 10), i);
	end_consumer(consumer);
	end_producer(producer);
}
END_TEST

START_TEST(a_paused_consumer_keeps_its_partitions)
{
	struct kit_producer *producer = produce();
	struct kit_consumer *consumer = consume(group_name, NULL);

	send_text(producer, "0", 0);
	ck_assert(kit_wait_count(consumer, 1, SOON_MS));
	kit.ops->pause(consumer->consumer);
	send_text(producer, "1", 0);
	ck_assert(!kit_wait_count(consumer, 2, 500));
	kit.ops->resume(consumer->consumer);
	ck_assert(kit_wait_count(consumer, 2, SOON_MS));
	ck_assert_uint_eq(kit_assigned(consumer), 1);
	end_consumer(consumer);
	end_producer(producer);
}
END_TEST

START_TEST(without_retries_a_message_is_delivered_ten_times_as_in_java)
{
	struct kit_producer *producer = produce();
	struct kit_consumer *consumer = consume(group_name, NULL);
	int64_t hold;

	send_text(producer, "0", 0);
	ck_assert(kit_wait_count(consumer, 1, SOON_MS));
	ck_assert(consumer->info.redelivers); /* the kit asks for one attempt */
	for (int delivery = 1; delivery <= 10; delivery++) {
		hold = -1;
		ck_assert_int_eq(kit_settle(consumer, 0, RV_SETTLE_REQUEUE, &hold), RV_OK);
		ck_assert_int_eq(hold, delivery < 10 ? 0 : RV_HOLD_DROP);
	}
	ck_assert_int_eq(kit_settle(consumer, 0, RV_SETTLE_ACK, &hold), RV_E_STALE);
	end_consumer(consumer);
	end_producer(producer);
}
END_TEST

/* -- dead letters and mistakes -------------------------------------------------------------------------------------- */

START_TEST(dead_letters_get_a_topic_as_wide_as_their_source)
{
	struct kit_consumer *consumer;
	char dead[160];

	make_topic("3");
	consumer = consume(group_name, LINES("enable-dlq=true"));
	snprintf(dead, sizeof dead, "error.%s.%s", topic, group_name);
	ck_assert(consumer->info.dead_letter && consumer->info.core_dead_letters);
	ck_assert_str_eq(consumer->info.dead_letter_destination, dead);
	ck_assert_int_eq(consumer->info.dead_letter_partitions, 0);
	await_bound(consumer);
	await_partitions(dead, 3);
	end_consumer(consumer);
}
END_TEST

static const struct {
	bool anonymous;
	const char *destination; /* NULL: the topic */
	const char *line;
	const char *words;
} mistakes[] = {
    {true, NULL, "enable-dlq=true", "needs a group"},
    {false, NULL, "configuration.group.protocol=consumer", "group.protocol"},
    {false, NULL, "configuration.bootstrap.servers=x:1", "brokers"},
    {false, NULL, "configuration.session.timeout.ms=never", "session.timeout.ms"},
    {false, NULL, "configuration.ssl.truststore.location=/tmp/trust.jks", "PEM"},
    {false, NULL, "attempts-directory=/nonexistent/for/sure", "attempts-directory"},
    {false, "no/topic", "start-offset=latest", "no/topic"},
};

START_TEST(a_mistake_is_refused_with_its_name)
{
	struct kit_consumer *consumer = make();
	const char *const settings[] = {mistakes[_i].line, NULL};

	ck_assert(
	    !kit_bind_consumer(&kit, consumer, mistakes[_i].destination ? mistakes[_i].destination : topic,
	        mistakes[_i].anonymous ? NULL : group_name, settings));
	ck_assert_int_eq(kit.error.code, RV_E_CONFIG);
	ck_assert_msg(strstr(kit.error.text, mistakes[_i].words) != NULL, "%s", kit.error.text);
	free(consumer->settings);
	free(consumer);
}
END_TEST

START_TEST(a_broker_that_is_not_there_is_named)
{
	const char *const nowhere[] = {"brokers=127.0.0.1:1", NULL};
	struct kit other;
	struct kit_consumer *consumer = make();

	ck_assert(kit_open(&other, &rv__kafka_binder, nowhere));
	ck_assert(kit_consume(&other, consumer, topic, group_name, NULL));
	ck_assert(consumer->info.waiting);
	WAIT_UNTIL(SOON_MS, kit_consumer_why(consumer).number == RV__N_KAFKA_UNREACHABLE);
	WAIT_UNTIL(SOON_MS, strstr(kit_consumer_why(consumer).text, "127.0.0.1:1"));
	WAIT_UNTIL(SOON_MS, other.ops->health(other.binder, NULL, NULL) == RV_HEALTH_DOWN);
	end_consumer(consumer);
	kit_close(&other);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {a_message_arrives_with_headers_key_and_place,
	    a_tombstone_is_not_an_empty_payload, a_large_payload_outlives_the_binding,
	    an_anonymous_consumer_gets_what_comes_after_it_bound, a_group_goes_on_behind_what_was_settled,
	    a_record_settled_is_a_record_stored, reset_offsets_reads_from_the_start_once_more,
	    a_topic_that_is_missing_is_named_and_awaited, too_few_partitions_for_fixed_ones_are_named,
	    a_pattern_reads_every_topic_that_matches, fixed_partitions_are_shared_out_by_number,
	    what_is_not_settled_in_time_goes_to_the_next_owner, a_fenced_member_begins_anew,
	    order_holds_while_there_is_little_room, a_paused_consumer_keeps_its_partitions,
	    without_retries_a_message_is_delivered_ten_times_as_in_java,
	    dead_letters_get_a_topic_as_wide_as_their_source, a_broker_that_is_not_there_is_named, NULL};
	Suite *suite = suite_create("kafka_binder");
	TCase *tests = tcase_create("kafka_binder");

	if (!getenv("RV_TEST_ADDRESS")) {
		printf("1..0 # SKIP RV_TEST_ADDRESS names no cluster\n");
		return 0;
	}
	tcase_set_timeout(tests, 300); /* a guard against hanging, not a measure */
	tcase_add_checked_fixture(tests, open_kit, close_kit);
	for (const TTest *const *at = cases; *at; at++)
		tcase_add_test(tests, *at);
	tcase_add_loop_test(tests, partitions_that_come_later_are_read_from_their_start, 0, 3);
	tcase_add_loop_test(tests, a_rebalance_waits_for_what_is_being_handled, 0, 2);
	tcase_add_loop_test(tests, a_mistake_is_refused_with_its_name, 0, sizeof mistakes / sizeof *mistakes);
	suite_add_tcase(suite, tests);
	return unit_run_suite(suite);
}
