/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The producing half of the kafka binder through its contract, against the cluster in RV_TEST_ADDRESS. Without it, a
 * skip.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "binder/kafka/kafka.h"
#include "binder/kafka/producer.h"
#include "tests/integration/kafka_kit.h"
#include "tests/support/unit.h"
#include "tests/support/wait.h"

enum { FLOOD = 20000, PARTITIONS = 4 };

static void open_case(void)
{
	snprintf(topic, sizeof topic, "sent-%d-%llx", (int)getpid(), (unsigned long long)rv__random());
	open_with(&kit, "min-partition-count=4", NULL);
}

static struct kit_producer *send_by(const char *const *settings)
{
	return bind_producer(&kit, topic, settings, SOON_MS);
}

static void finish_producer(struct kit_producer *producer)
{
	ck_assert_uint_eq(kit_producer_close(producer, SOON_MS), 0);
	free(producer);
}

static struct kit_consumer *receive_by(void)
{
	struct kit_consumer *consumer = calloc(1, sizeof *consumer);

	consumer->settle_at_once = true;
	ck_assert_msg(kit_consume(&kit, consumer, topic, "readers", NULL), "%s", kit.error.text);
	return consumer;
}

static void finish_consumer(struct kit_consumer *consumer)
{
	(void)kit_consumer_close(consumer, 5000);
	free(consumer);
}

static void must_send(struct kit_producer *producer, rv_message *message, int32_t partition)
{
	ck_assert_msg(kit_send(producer, message, partition) == RV_OK, "%s", producer->last.text);
}

static void flood(struct kit_producer *producer, int from, int to)
{
	for (int i = from; i < to; i++) {
		char text[16];
		RV_CLEANUP(rv_message_unrefp)
		rv_message *message = rv_message_create(text, (size_t)snprintf(text, sizeof text, "%d", i));

		WAIT_UNTIL(SOON_MS, kit_queue(producer, message, i % PARTITIONS));
	}
}

/* Every number once, those of one partition in their order. */
static void check_flood(struct kit_consumer *consumer, int count)
{
	int next[PARTITIONS];

	for (int i = 0; i < PARTITIONS; i++)
		next[i] = i;
	ck_assert(kit_wait_count(consumer, (size_t)count, 60000));
	for (int i = 0; i < count; i++) {
		int32_t partition = rv_message_partition(consumer->messages[i]);

		ck_assert_int_eq(strtol(rv_message_text(consumer->messages[i]), NULL, 10), next[partition]);
		next[partition] += PARTITIONS;
	}
}

/* -- what survives -------------------------------------------------------------------------------- */

static void check_header(
    const rv_message *message, const char *name, enum rv_header_type type, const void *value, size_t length)
{
	struct rv_header header;

	ck_assert_msg(rv_message_header_find(message, name, &header), "%s", name);
	ck_assert_msg(header.type == type, "%s: type %d", name, (int)header.type);
	ck_assert_uint_eq(header.length, length);
	ck_assert_mem_eq(header.value, value, length);
}

START_TEST(headers_of_every_type_arrive_as_they_left)
{
	static const struct {
		const char *name, *value;
		size_t length;
		enum rv_header_type type;
	} rows[] = {{"text", "粤B12345", 8, RV_HEADER_TEXT}, {"quoted", "\"no\"", 4, RV_HEADER_TEXT},
	    {"yes", "true", 4, RV_HEADER_BOOLEAN}, {"int", "-7", 2, RV_HEADER_INT},
	    {"long", "9000000000", 10, RV_HEADER_LONG}, {"double", "2.5", 3, RV_HEADER_DOUBLE},
	    {"map", "{\"a\":[1,2]}", 11, RV_HEADER_JSON}, {"bytes", "\0\xff\1", 3, RV_HEADER_BYTES},
	    {"traceparent", "00-ab-cd-01", 11, RV_HEADER_TEXT}, {"empty", "", 0, RV_HEADER_TEXT}};
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create_text("x");
	struct kit_producer *producer = send_by(NULL);
	struct kit_consumer *consumer = receive_by();

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		ck_assert_int_eq(rv_message_set_header_typed(
		                     message, rows[i].name, rows[i].type, rows[i].value, rows[i].length),
		    RV_OK);
	rv_message_set_header(message, RV_HEADER_KEY, "k");
	must_send(producer, message, 2);
	ck_assert_int_eq(producer->receipt.partition, 2);
	ck_assert_int_eq(producer->receipt.position, 0);
	ck_assert(kit_wait_count(consumer, 1, SOON_MS));
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		check_header(
		    consumer->messages[0], rows[i].name, rows[i].type, rows[i].value, rows[i].length);
	check_header(consumer->messages[0], RV_HEADER_CONTENT_TYPE, RV_HEADER_TEXT, "text/plain", 10);
	check_header(consumer->messages[0], RV_HEADER_KEY, RV_HEADER_TEXT, "k", 1);
	ck_assert_str_eq(rv_message_id(consumer->messages[0]), rv_message_id(message));
	ck_assert_int_eq(rv_message_partition(consumer->messages[0]), 2);
	finish_consumer(consumer);
	finish_producer(producer);
}
END_TEST

START_TEST(a_forwarded_message_keeps_headers_and_id)
{
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create_text("x");
	struct kit_producer *producer = send_by(NULL);
	struct kit_consumer *consumer = receive_by();

	rv_message_set_header_int(message, "i", 5);
	must_send(producer, message, 0);
	ck_assert(kit_wait_count(consumer, 1, SOON_MS));
	must_send(producer, consumer->messages[0], 0);
	ck_assert(kit_wait_count(consumer, 2, SOON_MS));
	check_header(consumer->messages[1], "i", RV_HEADER_INT, "5", 1);
	ck_assert_str_eq(rv_message_id(consumer->messages[1]), rv_message_id(message));
	finish_consumer(consumer);
	finish_producer(producer);
}
END_TEST

/* As Java's producer does: toPositive(murmur2(key)) % partitions. */
START_TEST(a_key_chooses_the_partition_that_java_would_choose)
{
	struct kit_producer *producer = send_by(NULL);

	for (int i = 0; i < 20; i++) {
		RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create("x", 1);
		char key[16];
		int length = snprintf(key, sizeof key, "plate-%d", i);

		rv_message_set_header(message, RV_HEADER_KEY, key);
		must_send(producer, message, -1);
		ck_assert_int_eq(producer->receipt.partition,
		    (rv__hash_murmur2(key, (size_t)length) & 0x7fffffff) % PARTITIONS);
	}
	finish_producer(producer);
}
END_TEST

START_TEST(every_compression_is_read_back)
{
	static const char *const words[] = {"none", "gzip", "snappy", "lz4", "zstd"};
	struct kit_consumer *consumer = receive_by();

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create_text(words[i]);
		char line[64];
		struct kit_producer *producer;

		snprintf(line, sizeof line, "compression-type=%s", words[i]);
		producer = send_by(LINES(line));
		must_send(producer, message, 0);
		finish_producer(producer);
		ck_assert(kit_wait_count(consumer, i + 1, SOON_MS));
		ck_assert_str_eq(rv_message_text(consumer->messages[i]), words[i]);
	}
	finish_consumer(consumer);
}
END_TEST

/* -- many ----------------------------------------------------------------------------------------- */

START_TEST(a_flood_arrives_whole_and_in_order)
{
	struct kit_producer *producer = send_by(NULL);
	struct kit_consumer *consumer = receive_by();

	flood(producer, 0, FLOOD);
	ck_assert(kit_wait_completed(producer, FLOOD, 60000));
	ck_assert_uint_eq(producer->completed, FLOOD);
	ck_assert_uint_eq(producer->failed, 0);
	check_flood(consumer, FLOOD);
	finish_consumer(consumer);
	finish_producer(producer);
}
END_TEST

START_TEST(fatal_errors_in_a_flood_cost_no_message_and_no_order)
{
	struct kit_producer *producer = send_by(NULL);
	struct rv__kafka_client *client = ((struct rv__kafka_producer *)producer->producer)->client;
	struct kit_consumer *consumer = receive_by();

	for (int round = 0; round < 4; round++) {
		flood(producer, round * FLOOD / 4, (round + 1) * FLOOD / 4);
		rd_kafka_test_fatal_error(
		    client->rk, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "a test");
		WAIT_UNTIL(SOON_MS, atomic_load(&client->renewals) == (unsigned)round + 1);
	}
	ck_assert(kit_wait_completed(producer, FLOOD, 60000));
	ck_assert_uint_eq(producer->failed, 0);
	check_flood(consumer, FLOOD);
	finish_consumer(consumer);
	finish_producer(producer);
}
END_TEST

START_TEST(an_end_hands_over_what_was_queued)
{
	struct kit_producer *producer = send_by(LINES("batch-timeout=60000"));
	struct kit_consumer *consumer = receive_by();

	flood(producer, 0, 1000);
	finish_producer(producer);
	check_flood(consumer, 1000);
	finish_consumer(consumer);
}
END_TEST

START_TEST(fewer_acknowledgements_send_without_idempotence)
{
	struct kit_producer *producer = send_by(LINES("configuration.acks=1"));
	struct kit_consumer *consumer = receive_by();

	flood(producer, 0, 1000);
	ck_assert(kit_wait_completed(producer, 1000, SOON_MS));
	ck_assert_uint_eq(producer->failed, 0);
	check_flood(consumer, 1000);
	finish_consumer(consumer);
	finish_producer(producer);
}
END_TEST

/* -- what fails ------------------------------------------------------------------------------------ */

START_TEST(what_the_topic_finds_too_large_is_told_with_its_size)
{
	static char large[20000];
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create(large, sizeof large);
	struct kit_producer *producer = send_by(LINES("topic.properties.max.message.bytes=5000"));

	ck_assert_int_eq(kit_send(producer, message, 0), RV_E_TOOBIG);
	ck_assert_ptr_nonnull(strstr(producer->last.text, "20000"));
	ck_assert(!producer->last.retriable);
	ck_assert_int_eq(kit_send_text(producer, "small"), RV_OK);
	finish_producer(producer);
}
END_TEST

START_TEST(a_compacted_topic_wants_a_key)
{
	RV_CLEANUP(rv_message_unrefp) rv_message *with = rv_message_create("x", 1);
	RV_CLEANUP(rv_message_unrefp) rv_message *without = rv_message_create("x", 1);
	struct kit_producer *producer = send_by(LINES("topic.properties.cleanup.policy=compact"));

	rv_message_set_header(with, RV_HEADER_KEY, "k");
	ck_assert_int_eq(kit_send(producer, without, 0), RV_E_INVALID);
	must_send(producer, with, 0);
	finish_producer(producer);
}
END_TEST

START_TEST(a_partition_that_is_not_there_is_refused)
{
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create("x", 1);
	struct kit_producer *producer = send_by(NULL);

	await_partitions(topic, PARTITIONS);
	ck_assert_int_eq(kit_send(producer, message, PARTITIONS), RV_E_NOTFOUND);
	ck_assert(!producer->last.retriable);
	must_send(producer, message, PARTITIONS - 1);
	finish_producer(producer);
}
END_TEST

START_TEST(without_a_topic_the_binding_waits_until_it_is_made)
{
	struct kit_producer *waiting = calloc(1, sizeof *waiting);
	struct kit strict;

	open_with(&strict, "auto-create-topics=false", NULL);
	ck_assert_msg(kit_produce(&strict, waiting, topic, NULL), "%s", strict.error.text);
	ck_assert(waiting->info.waiting);
	finish_producer(send_by(NULL)); /* another binder makes it */
	WAIT_UNTIL(SOON_MS, kit_is_up(waiting));
	ck_assert_int_eq(kit_send_text(waiting, "x"), RV_OK);
	finish_producer(waiting);
	kit_close(&strict);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {headers_of_every_type_arrive_as_they_left,
	    a_forwarded_message_keeps_headers_and_id, a_key_chooses_the_partition_that_java_would_choose,
	    every_compression_is_read_back, a_flood_arrives_whole_and_in_order,
	    fatal_errors_in_a_flood_cost_no_message_and_no_order, an_end_hands_over_what_was_queued,
	    fewer_acknowledgements_send_without_idempotence,
	    what_the_topic_finds_too_large_is_told_with_its_size, a_compacted_topic_wants_a_key,
	    a_partition_that_is_not_there_is_refused, without_a_topic_the_binding_waits_until_it_is_made,
	    NULL};

	if (!getenv("RV_TEST_ADDRESS")) {
		printf("1..0 # SKIP RV_TEST_ADDRESS names no cluster; see tests/peers/beside.py\n");
		return 0;
	}
	return unit_run("kafka producer", cases, open_case, close_kit);
}
