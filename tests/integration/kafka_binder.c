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
#include "binder/kafka/consumer.h"
#include "tests/support/binder_kit.h"
#include "tests/support/unit.h"
#include "tests/support/wait.h"

enum { SOON_MS = 20000 };

static struct kit kit;
static char brokers[256];
static char topic[64], group[64];

#define LINES(...) \
	(const char *const[]) \
	{ \
		__VA_ARGS__, NULL \
	}

static void open_with(struct kit *which, const char *first, const char *second)
{
	const char *const settings[] = {brokers, first, second, NULL};

	ck_assert_msg(kit_open(which, &rv__kafka_binder, settings), "%s", which->error.text);
}

static void open_kit(void)
{
	snprintf(brokers, sizeof brokers, "brokers=%s", getenv("RV_TEST_ADDRESS"));
	snprintf(topic, sizeof topic, "kit-%d-%llx", (int)getpid(), (unsigned long long)rv__random());
	snprintf(group, sizeof group, "group-%llx", (unsigned long long)rv__random());
	open_with(&kit, NULL, NULL);
}

static void close_kit(void)
{
	kit_close(&kit);
}

static struct kit_consumer *make(void)
{
	return calloc(1, sizeof(struct kit_consumer));
}

static struct kit_consumer *consume(const char *of_group, const char *const *settings)
{
	struct kit_consumer *consumer = make();

	ck_assert_msg(kit_consume(&kit, consumer, topic, of_group, settings), "%s", kit.error.text);
	return consumer;
}

static struct kit_producer *produce_with(struct kit *of)
{
	struct kit_producer *producer = calloc(1, sizeof *producer);

	ck_assert_msg(kit_produce(of, producer, topic, NULL), "%s", of->error.text);
	WAIT_UNTIL(SOON_MS, kit_is_up(producer) || !producer->info.waiting);
	return producer;
}

static struct kit_producer *produce(void)
{
	return produce_with(&kit);
}

static void end_consumer(struct kit_consumer *consumer)
{
	ck_assert_uint_eq(kit_consumer_close(consumer, 5000), 0);
	free(consumer);
}

static void end_producer(struct kit_producer *producer)
{
	ck_assert_uint_eq(kit_producer_close(producer, 5000), 0);
	free(producer);
}

/* A topic with so many partitions. */
static void make_topic(const char *partitions)
{
	struct kit maker;
	char count[64];

	snprintf(count, sizeof count, "min-partition-count=%s", partitions);
	open_with(&maker, count, "auto-add-partitions=true");
	end_producer(produce_with(&maker));
	kit_close(&maker);
}

static void send_text(struct kit_producer *producer, const char *text, int32_t partition)
{
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create_text(text);
	rv_err code = kit_send(producer, message, partition);

	ck_assert_msg(code == RV_OK, "%s", kit_last(producer).text);
}

static void send_many(struct kit_producer *producer, int from, int to, int32_t partitions)
{
	for (int i = from; i < to; i++) {
		char text[16];

		snprintf(text, sizeof text, "%d", i);
		send_text(producer, text, i % partitions);
	}
}

static void settle_all(struct kit_consumer *consumer, size_t count)
{
	for (size_t i = 0; i < count; i++)
		ck_assert_int_eq(kit_settle(consumer, i, RV_SETTLE_ACK, NULL), RV_OK);
}

/* Whether all of them were delivered, at least once. */
static bool has_numbers(struct kit_consumer *consumer, int from, int to)
{
	bool seen[256] = {false}, all = true;

	pthread_mutex_lock(&consumer->lock);
	for (size_t i = 0; i < consumer->count; i++)
		seen[strtol(rv_message_text(consumer->messages[i]), NULL, 10)] = true;
	pthread_mutex_unlock(&consumer->lock);
	for (int i = from; i < to; i++)
		all &= seen[i];
	return all;
}

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
	consumer = consume(group, NULL);
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
	consumer = consume(group, NULL);
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
	consumer = consume(group, NULL);
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
	consumer = consume(group, NULL);
	ck_assert(kit_wait_count(consumer, 5, SOON_MS));
	/* 2 stays open: what is settled behind it does not count. */
	for (size_t i = 0; i < 5; i++)
		if (i != 2)
			ck_assert_int_eq(kit_settle(consumer, i, RV_SETTLE_ACK, NULL), RV_OK);
	end_consumer(consumer);
	consumer = consume(group, NULL);
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
	consumer = consume(group, record);
	ck_assert(kit_wait_count(consumer, 3, SOON_MS));
	settle_all(consumer, 2);
	open_with(&other, NULL, NULL);
	next = make();
	/* Another member, of the same group and with fixed partitions, sees what is stored while the first goes on. */
	WAIT_UNTIL(SOON_MS, ({
		struct kit_consumer *look = make();
		bool begins_at_two;

		ck_assert(kit_consume(&other, look, topic, group, LINES("auto-rebalance-enabled=false")));
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
	consumer = consume(group, NULL);
	ck_assert(kit_wait_count(consumer, 3, SOON_MS));
	settle_all(consumer, 3);
	end_consumer(consumer);
	consumer = consume(group, reset);
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
	ck_assert(kit_consume(&strict, consumer, topic, group, NULL));
	ck_assert(consumer->info.waiting);
	ck_assert_int_eq(kit_consumer_why(consumer).number, RV__N_KAFKA_NO_TOPIC);
	ck_assert_ptr_nonnull(strstr(kit_consumer_why(consumer).text, topic));
	producer = produce();
	send_text(producer, "first", 0);
	sent = rv__monotonic_ms();
	ck_assert(kit_wait_count(consumer, 1, SOON_MS));
	printf("# the first message came after %lld ms\n", (long long)(rv__monotonic_ms() - sent));
	ck_assert(kit_consumer_is_up(consumer));
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
	consumer = consume(_i == 2 ? NULL : group, settings[_i]);
	make_topic("4");
	producer = produce();
	WAIT_UNTIL(SOON_MS, producer->info.partition_count == 4);
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
	ck_assert(kit_consume(&kit, consumer, topic, group, LINES("auto-rebalance-enabled=false")));
	ck_assert(consumer->info.waiting);
	ck_assert_int_eq(kit_consumer_why(consumer).number, RV__N_KAFKA_TOO_FEW);
	make_topic("3");
	WAIT_UNTIL(SOON_MS, kit_consumer_is_up(consumer));
	end_consumer(consumer);
}
END_TEST

START_TEST(a_pattern_reads_every_topic_that_matches)
{
	struct kit_consumer *consumer = make();
	struct kit_producer *first, *second;
	char pattern[80], one[64];

	snprintf(one, sizeof one, "%s", topic);
	snprintf(pattern, sizeof pattern, "%s.*", one);
	first = produce();
	snprintf(topic, sizeof topic, "%.50s-two", one);
	second = produce();
	ck_assert(kit_consume(&kit, consumer, pattern, group, LINES("destination-is-pattern=true")));
	send_text(first, "a", 0);
	send_text(second, "b", 0);
	ck_assert(kit_wait_count(consumer, 2, SOON_MS));
	ck_assert_str_ne(
	    rv_message_destination(consumer->messages[0]), rv_message_destination(consumer->messages[1]));
	settle_all(consumer, 2);
	end_consumer(consumer);
	end_producer(first);
	end_producer(second);
}
END_TEST

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
	const char *const of_group = ways[_i].anonymous ? NULL : group;
	struct kit_consumer *consumer = make();
	rd_kafka_t *rk = stranger(), *other;
	int64_t made_ms;

	make_topic("2");
	consumer->settle_at_once = true;
	ck_assert(kit_consume(&kit, consumer, topic, of_group, settings));
	ck_assert(kit_wait_count(consumer, 0, SOON_MS));
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
		ck_assert(kit_bind_consumer(&kit, consumer, topic, group, NULL));
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

/* -- sharing ------------------------------------------------------------------------------------------------- */

START_TEST(fixed_partitions_are_shared_out_by_number)
{
	struct kit_consumer *members[2] = {make(), make()};
	struct kit_producer *producer;

	make_topic("4");
	for (int i = 0; i < 2; i++) {
		members[i]->instance_index = i;
		members[i]->instance_count = 2;
		ck_assert(kit_consume(&kit, members[i], topic, group, LINES("auto-rebalance-enabled=false")));
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
	ck_assert(kit_consume(&kit, first, topic, group, settings));
	ck_assert(kit_wait_count(first, 40, SOON_MS));
	ck_assert(kit_consume(&kit, second, topic, group, settings));
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
	ck_assert(kit_consume(&kit, first, topic, group, short_time));
	ck_assert(kit_wait_count(first, 10, SOON_MS));
	second->settle_at_once = true;
	ck_assert(kit_consume(&kit, second, topic, group, short_time));
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

	first = consume(group, fixed_name);
	send_text(producer, "0", 0);
	ck_assert(kit_wait_count(first, 1, SOON_MS));
	settle_all(first, 1);
	second = consume(group, fixed_name);
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
	ck_assert(kit_consume(&kit, consumer, topic, group, NULL));
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
	struct kit_consumer *consumer = consume(group, NULL);

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
	struct kit_consumer *consumer = consume(group, NULL);
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
	struct kit_producer *producer;
	char dead[160];

	make_topic("3");
	consumer = consume(group, LINES("enable-dlq=true"));
	snprintf(dead, sizeof dead, "error.%s.%s", topic, group);
	ck_assert(consumer->info.dead_letter && consumer->info.core_dead_letters);
	ck_assert_str_eq(consumer->info.dead_letter_destination, dead);
	ck_assert_int_eq(consumer->info.dead_letter_partitions, 0);
	producer = calloc(1, sizeof *producer);
	ck_assert(kit_produce(&kit, producer, dead, NULL));
	WAIT_UNTIL(SOON_MS, producer->info.partition_count == 3);
	end_producer(producer);
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
	        mistakes[_i].anonymous ? NULL : group, settings));
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
	ck_assert(kit_consume(&other, consumer, topic, group, NULL));
	ck_assert(consumer->info.waiting);
	ck_assert_int_eq(kit_consumer_why(consumer).number, RV__N_KAFKA_UNREACHABLE);
	ck_assert_ptr_nonnull(strstr(kit_consumer_why(consumer).text, "127.0.0.1:1"));
	ck_assert_int_eq(other.ops->health(other.binder, NULL, NULL), RV_HEALTH_DOWN);
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
	    order_holds_while_there_is_little_room, the_lag_is_known_before_the_first_delivery,
	    an_anonymous_pattern_gets_what_is_sent_once_it_runs, a_paused_consumer_keeps_its_partitions,
	    without_retries_a_message_is_delivered_ten_times_as_in_java,
	    dead_letters_get_a_topic_as_wide_as_their_source, a_broker_that_is_not_there_is_named, NULL};
	Suite *suite = suite_create("kafka_binder");
	TCase *tests = tcase_create("kafka_binder");

	if (!getenv("RV_TEST_ADDRESS")) {
		printf("1..0 # SKIP RV_TEST_ADDRESS names no cluster\n");
		return 0;
	}
	tcase_set_timeout(tests, 100);
	tcase_add_checked_fixture(tests, open_kit, close_kit);
	for (const TTest *const *at = cases; *at; at++)
		tcase_add_test(tests, *at);
	tcase_add_loop_test(tests, partitions_that_come_later_are_read_from_their_start, 0, 3);
	tcase_add_loop_test(tests, a_rebalance_waits_for_what_is_being_handled, 0, 2);
	tcase_add_loop_test(tests, a_mistake_is_refused_with_its_name, 0, sizeof mistakes / sizeof *mistakes);
	suite_add_tcase(suite, tests);
	tests = tcase_create("made again");
	tcase_set_timeout(tests, 100);
	tcase_add_checked_fixture(tests, open_kit, close_kit);
	tcase_add_loop_test(tests, a_topic_made_again_is_read_from_its_start, 0, sizeof ways / sizeof *ways);
	suite_add_tcase(suite, tests);
	return unit_run_suite(suite);
}
