/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/kafka_kit.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "binder/kafka/kafka.h"
#include "tests/support/wait.h"

struct kit kit;
char topic[64], group_name[64];

void open_with(struct kit *which, const char *first, const char *second)
{
	static char brokers[256];
	const char *const settings[] = {brokers, first, second, NULL};

	snprintf(brokers, sizeof brokers, "brokers=%s", getenv("RV_TEST_ADDRESS"));
	ck_assert_msg(kit_open(which, &rv__kafka_binder, settings), "%s", which->error.text);
}

void open_kit(void)
{
	snprintf(topic, sizeof topic, "kit-%d-%llx", (int)getpid(), (unsigned long long)rv__random());
	snprintf(group_name, sizeof group_name, "group-%llx", (unsigned long long)rv__random());
	open_with(&kit, NULL, NULL);
}

void close_kit(void)
{
	kit_close(&kit);
}

struct kit_consumer *make(void)
{
	return calloc(1, sizeof(struct kit_consumer));
}

struct kit_consumer *consume(const char *of_group, const char *const *settings)
{
	struct kit_consumer *consumer = make();

	ck_assert_msg(kit_consume(&kit, consumer, topic, of_group, settings), "%s", kit.error.text);
	return consumer;
}

struct kit_producer *bind_producer(
    struct kit *of, const char *to, const char *const *settings, int64_t send_timeout_ms)
{
	struct kit_producer *producer = calloc(1, sizeof *producer);

	producer->send_timeout_ms = send_timeout_ms;
	ck_assert_msg(kit_produce(of, producer, to, settings), "%s", of->error.text);
	WAIT_UNTIL(SOON_MS, kit_is_up(producer) || !producer->info.waiting);
	return producer;
}

struct kit_producer *produce_with(struct kit *of)
{
	return bind_producer(of, topic, NULL, SOON_MS);
}

/* What bind() says holds for that moment. */
static bool has_partitions(struct kit *of, const char *of_topic, int32_t count)
{
	struct kit_producer *producer = calloc(1, sizeof *producer);
	bool has;

	ck_assert_msg(kit_produce(of, producer, of_topic, NULL), "%s", of->error.text);
	has = producer->info.partition_count == count;
	end_producer(producer);
	return has;
}

void await_partitions(const char *of_topic, int32_t count)
{
	struct kit strict; /* a look does not make what is not there */

	open_with(&strict, "auto-create-topics=false", NULL);
	WAIT_UNTIL(SOON_MS, has_partitions(&strict, of_topic, count));
	kit_close(&strict);
}

struct kit_producer *produce(void)
{
	return produce_with(&kit);
}

void await_bound(struct kit_consumer *consumer)
{
	WAIT_UNTIL(SOON_MS, kit_consumer_is_up(consumer) || !consumer->info.waiting);
}

void end_consumer(struct kit_consumer *consumer)
{
	ck_assert_uint_eq(kit_consumer_close(consumer, SOON_MS), 0);
	free(consumer);
}

void end_producer(struct kit_producer *producer)
{
	ck_assert_uint_eq(kit_producer_close(producer, SOON_MS), 0);
	free(producer);
}

void make_topic(const char *partitions)
{
	struct kit maker;
	char count[64];

	snprintf(count, sizeof count, "min-partition-count=%s", partitions);
	open_with(&maker, count, "auto-add-partitions=true");
	end_producer(produce_with(&maker));
	kit_close(&maker);
}

void send_text(struct kit_producer *producer, const char *text, int32_t partition)
{
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create_text(text);
	rv_err code = kit_send(producer, message, partition);

	ck_assert_msg(code == RV_OK, "%s", kit_last(producer).text);
}

void send_many(struct kit_producer *producer, int from, int to, int32_t partitions)
{
	for (int i = from; i < to; i++) {
		char text[16];

		snprintf(text, sizeof text, "%d", i);
		send_text(producer, text, i % partitions);
	}
}

void settle_all(struct kit_consumer *consumer, size_t count)
{
	for (size_t i = 0; i < count; i++)
		ck_assert_int_eq(kit_settle(consumer, i, RV_SETTLE_ACK, NULL), RV_OK);
}

bool has_numbers(struct kit_consumer *consumer, int from, int to)
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
