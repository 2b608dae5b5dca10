/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a consumer of the kafka binder reads: topics that are made anew, patterns without a group, how far behind. Against
 * the cluster in RV_TEST_ADDRESS; without it, a skip.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/numbers.h"
#include "binder/kafka/consumer.h"
#include "tests/integration/kafka_kit.h"
#include "tests/support/unit.h"
#include "tests/support/wait.h"

/* What it says of itself is true: what is sent once it runs arrives, however late its group forms. */
START_TEST(an_anonymous_pattern_gets_what_is_sent_once_it_runs)
{
	struct kit_consumer *consumer = make();
	struct kit_producer *first, *second;
	char pattern[80], one[64];

	snprintf(one, sizeof one, "%s", topic);
	snprintf(pattern, sizeof pattern, "%s.*", one);
	make_topic("3");
	first = produce();
	send_many(first, 0, 6, 3);
	ck_assert(kit_bind_consumer(&kit, consumer, pattern, NULL, LINES("destination-is-pattern=true")));
	WAIT_UNTIL(SOON_MS, kit_consumer_is_up(consumer));
	send_many(first, 6, 12, 3);
	ck_assert_int_eq(kit.ops->start_consumer(consumer->consumer, &kit.error), RV_OK);
	WAIT_UNTIL(SOON_MS, has_numbers(consumer, 6, 12));
	ck_assert_uint_eq(kit_count(consumer), 6);
	/* Another topic makes the group share out anew: nothing of the first is skipped, and all of the second read. */
	snprintf(topic, sizeof topic, "%.50s-two", one);
	second = produce();
	send_many(second, 12, 15, 1);
	for (int i = 15; !has_numbers(consumer, 12, 15); i = i < 200 ? i + 1 : 15) {
		char text[16];

		snprintf(text, sizeof text, "%d", i);
		send_text(first, text, i % 3);
	}
	send_many(first, 200, 203, 3);
	WAIT_UNTIL(SOON_MS, has_numbers(consumer, 200, 203));
	{
		int64_t next[3] = {2, 2, 2}; /* behind what was there before */

		for (size_t i = 0; i < kit_count(consumer); i++) {
			const rv_message *message = consumer->messages[i];
			int32_t at = rv_message_partition(message);

			if (strcmp(rv_message_destination(message), one) != 0)
				continue;
			ck_assert_int_le(rv_message_position(message), next[at]);
			if (rv_message_position(message) == next[at])
				next[at]++;
		}
	}
	end_consumer(consumer);
	end_producer(first);
	end_producer(second);
}
END_TEST

/* -- a topic that is deleted and made again ------------------------------------------------------------------ */

/* Somebody else's client. */
static rd_kafka_t *stranger(void)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	rd_kafka_conf_set(conf, "bootstrap.servers", getenv("RV_TEST_ADDRESS"), NULL, 0);
	rd_kafka_conf_set(conf, "linger.ms", "0", NULL, 0);
	return rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
}

static void await(rd_kafka_queue_t *queue)
{
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, SOON_MS);

	ck_assert_msg(event && !rd_kafka_event_error(event), "the broker did not do as it was told");
	rd_kafka_event_destroy(event);
}

/* Deletes the topic and makes it again at once, with so many partitions. */
static void make_again(rd_kafka_t *rk, int partitions)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_DeleteTopic_t *deleted = rd_kafka_DeleteTopic_new(topic);
	rd_kafka_NewTopic_t *made = rd_kafka_NewTopic_new(topic, partitions, 1, NULL, 0);

	rd_kafka_DeleteTopics(rk, &deleted, 1, NULL, queue);
	await(queue);
	rd_kafka_CreateTopics(rk, &made, 1, NULL, queue);
	await(queue);
	rd_kafka_DeleteTopic_destroy(deleted);
	rd_kafka_NewTopic_destroy(made);
	rd_kafka_queue_destroy(queue);
}

static void produce_raw(rd_kafka_t *rk, int from, int to, int partitions)
{
	for (int i = from; i < to; i++) {
		char text[16];

		snprintf(text, sizeof text, "%d", i);
		ck_assert_int_eq(
		    rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(i % partitions),
		        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_VALUE(text, strlen(text)),
		        RD_KAFKA_V_END),
		    RD_KAFKA_RESP_ERR_NO_ERROR);
	}
	ck_assert_int_eq(rd_kafka_flush(rk, SOON_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
}

/* Whether a message of each partition is remembered for sure. */
static bool knows_its_log(struct kit_consumer *consumer, uint32_t partitions)
{
	struct rv__kafka_consumer *inner = consumer->consumer;
	uint32_t known = 0;

	for (uint32_t slot = 0; slot < atomic_load(&inner->slot_count); slot++) {
		pthread_mutex_lock(&inner->slots[slot]->lock);
		known += inner->slots[slot]->sure.offset >= 0 && inner->slots[slot]->sure.expected >= 0;
		pthread_mutex_unlock(&inner->slots[slot]->lock);
	}
	return known == partitions;
}

static const struct {
	bool anonymous, restarted;
	const char *setting;
} ways[] = {
    {false, false, NULL},
    {true, false, NULL},
    {false, false, "auto-rebalance-enabled=false"},
    {false, false, "start-offset=latest"},
    {false, true, NULL},
};

/*
 * By the time that anybody looks, the new topic is longer than the old one was: the old position is one in it too, and
 * nothing that librdkafka or the broker says tells of the change.
 */
START_TEST(a_topic_made_again_is_read_from_its_start)
{
	const char *const settings[] = {ways[_i].setting, NULL};
	const char *const of_group = ways[_i].anonymous ? NULL : group_name;
	struct kit_consumer *consumer = make();
	rd_kafka_t *rk = stranger(), *other;
	int64_t made_ms;

	make_topic("2");
	consumer->settle_at_once = true;
	ck_assert(kit_consume(&kit, consumer, topic, of_group, settings));
	WAIT_UNTIL(SOON_MS, kit_assigned(consumer) == 2);
	WAIT_UNTIL(SOON_MS, ({ /* with start-offset=latest it is not known when it begins */
		produce_raw(rk, 0, 6, 2);
		kit_wait_count(consumer, 6, 500);
	}));
	if (ways[_i].restarted) {
		end_consumer(consumer);
		consumer = make();
		consumer->settle_at_once = true;
		ck_assert(kit_consume(&kit, consumer, topic, of_group, settings));
		WAIT_UNTIL(SOON_MS, kit_assigned(consumer) == 2);
	}
	/* What was read is known by the next look. */
	WAIT_UNTIL(SOON_MS, knows_its_log(consumer, 2));
	make_again(rk, 2);
	made_ms = rv__monotonic_ms();
	other = stranger(); /* the first one thinks of the old topic's sequence */
	produce_raw(other, 100, 200, 2);
	WAIT_UNTIL(SOON_MS, has_numbers(consumer, 100, 200));
	printf("# way %d: all of the new topic %lld ms after it was made\n", _i,
	    (long long)(rv__monotonic_ms() - made_ms));
	produce_raw(other, 200, 210, 2);
	WAIT_UNTIL(SOON_MS, has_numbers(consumer, 200, 210));
	end_consumer(consumer);
	rd_kafka_destroy(rk);
	rd_kafka_destroy(other);
}
END_TEST

/* A send that comes while the topic is away waits for it, as long as its sender does: none is refused. */
START_TEST(sends_wait_for_a_topic_that_is_made_again)
{
	enum { SENDING_MS = 4000, MANY = 4000 };
	struct kit_producer *producer = calloc(1, sizeof *producer);
	rd_kafka_t *rk = stranger();
	int64_t until_ms;
	size_t queued = 0;

	make_topic("2");
	producer->send_timeout_ms = SOON_MS;
	ck_assert_msg(kit_produce(&kit, producer, topic, NULL), "%s", kit.error.text);
	send_many(producer, 0, 4, 2);
	queued = 4;
	until_ms = rv__monotonic_ms() + SENDING_MS;
	for (bool made = false; rv__monotonic_ms() < until_ms && queued < MANY; queued++) {
		RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create_text("x");

		if (!made && rv__monotonic_ms() > until_ms - SENDING_MS * 3 / 4) {
			make_again(rk, 2);
			made = true;
		}
		WAIT_UNTIL(SOON_MS, kit_queue(producer, message, (int32_t)(queued % 2)));
		(void)kit_wait_completed(producer, queued + 1, 2);
	}
	ck_assert(kit_wait_completed(producer, queued, SOON_MS));
	ck_assert_msg(producer->failed == 0, "%zu of %zu failed: %s", producer->failed, queued,
	    kit_last(producer).text);
	WAIT_UNTIL(SOON_MS, kit_is_up(producer) || !producer->info.waiting);
	end_producer(producer);
	rd_kafka_destroy(rk);
}
END_TEST

/* -- how far behind -------------------------------------------------------------------------------------------- */

static void find_lag(void *lag, const char *name, const char *binding, double value)
{
	if (strcmp(name, "lag") == 0 && strcmp(binding, "input") == 0)
		*(double *)lag = value;
}

static double lag(void)
{
	double value = -1;

	kit.ops->stats(kit.binder, find_lag, &value);
	return value;
}

/* Nothing is delivered: it is known all the same. */
START_TEST(the_lag_is_known_before_the_first_delivery)
{
	struct kit_producer *producer;
	struct kit_consumer *consumer;

	make_topic("2");
	producer = produce();
	send_many(producer, 0, 10, 2);
	for (int settled = 0; settled <= 10; settled += 10) {
		consumer = make();
		ck_assert(kit_bind_consumer(&kit, consumer, topic, group_name, NULL));
		kit.ops->pause(consumer->consumer);
		ck_assert_int_eq(kit.ops->start_consumer(consumer->consumer, &kit.error), RV_OK);
		WAIT_UNTIL(SOON_MS, lag() == 10 - settled);
		send_many(producer, 10, 13, 2);
		WAIT_UNTIL(SOON_MS, lag() == 13 - settled + (settled ? 3 : 0));
		ck_assert_uint_eq(kit_count(consumer), 0);
		kit.ops->resume(consumer->consumer);
		WAIT_UNTIL(SOON_MS, kit_count(consumer) == (settled ? 6 : 13));
		/* 10 of the 13, from the front of both partitions. */
		for (size_t i = 0; i < kit_count(consumer); i++)
			if (rv_message_position(consumer->messages[i]) < 5)
				ck_assert_int_eq(kit_settle(consumer, i, RV_SETTLE_ACK, NULL), RV_OK);
		WAIT_UNTIL(SOON_MS, lag() == (settled ? 6 : 3));
		end_consumer(consumer);
		if (!settled)
			ck_assert_int_eq(lag(), -1);
	}
	end_producer(producer);
}
END_TEST

/* Java's client ends then; here the binding says why nothing comes, until the group has a position. */
START_TEST(without_a_place_to_begin_the_binding_says_so)
{
	struct kit_consumer *consumer = make();
	struct kit_producer *producer = produce();

	send_text(producer, "unread", 0);
	ck_assert(kit_consume(&kit, consumer, topic, group_name,
	    LINES("configuration.auto.offset.reset=none", "reset-offsets=true")));
	WAIT_UNTIL(SOON_MS, kit_consumer_why(consumer).number == RV__N_KAFKA_BAD_KEY);
	ck_assert_uint_eq(kit_count(consumer), 0);
	end_consumer(consumer);
	end_producer(producer);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kafka_places");
	TCase *tests = tcase_create("kafka_places");

	if (!getenv("RV_TEST_ADDRESS")) {
		printf("1..0 # SKIP RV_TEST_ADDRESS names no cluster\n");
		return 0;
	}
	tcase_set_timeout(tests, 300); /* a guard against hanging, not a measure */
	tcase_add_checked_fixture(tests, open_kit, close_kit);
	tcase_add_test(tests, an_anonymous_pattern_gets_what_is_sent_once_it_runs);
	tcase_add_test(tests, without_a_place_to_begin_the_binding_says_so);
	tcase_add_loop_test(tests, sends_wait_for_a_topic_that_is_made_again, 0, 3);
	tcase_add_test(tests, the_lag_is_known_before_the_first_delivery);
	tcase_add_loop_test(tests, a_topic_made_again_is_read_from_its_start, 0, sizeof ways / sizeof *ways);
	suite_add_tcase(suite, tests);
	return unit_run_suite(suite);
}
