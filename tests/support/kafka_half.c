/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/kafka_half.h"

#include "tests/support/wait.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 64 };

struct kafka_half half;

/* -- a watch that says what it is told ------------------------------------------------------------- */

void rv__kafka_watch_add(struct rv__kafka_watch *watch, struct rv__kafka_need *need)
{
	need->judged(need->owner, half.trouble.code ? 0 : 1, half.trouble.code ? &half.trouble : NULL);
}

void rv__kafka_watch_remove(struct rv__kafka_watch *watch, struct rv__kafka_need *need)
{
}

bool rv__kafka_watch_wait(struct rv__kafka_watch *watch, struct rv__kafka_need *need, int64_t timeout_ms)
{
	return true;
}

void rv__kafka_watch_hurry(struct rv__kafka_watch *watch)
{
}

void rv__kafka_watch_heard(struct rv__kafka_watch *watch, int code, const char *reason)
{
}

rv_err rv__kafka_check_topic(const char *topic, const char *binding, struct rv_error *err)
{
	return RV_OK;
}

/* -- the half of a binder ---------------------------------------------------------------------------- */

static rv_err open_half(
    const struct rv_binder_env *env, const void *settings, void **ret_binder, struct rv_error *err)
{
	static struct rv__kafka kafka;

	kafka = (struct rv__kafka){.env = env, .settings = settings};
	*ret_binder = &kafka;
	return rv__kafka_senders_create(&kafka, &kafka.senders, err);
}

static void stop_half(void *binder)
{
	rv__kafka_senders_stop(((struct rv__kafka *)binder)->senders);
}

static void close_half(void *binder)
{
	rv__kafka_senders_destroy(((struct rv__kafka *)binder)->senders);
}

static const struct rv_binder_ops *half_ops(void)
{
	static struct rv_binder_ops ops;

	ops = (struct rv_binder_ops){.abi = RV_BINDER_ABI,
	    .type = "kafka",
	    .label = "Kafka",
	    .binder_props = {rv__kafka_binder_rows, sizeof(struct rv__kafka_binder_settings)},
	    .producer_props = {rv__kafka_producer_rows, sizeof(struct rv__kafka_producer_settings)},
	    .open = open_half,
	    .stop = stop_half,
	    .close = close_half,
	    .bind_producer = rv__kafka_bind_producer,
	    .send = rv__kafka_send,
	    .unbind_producer = rv__kafka_unbind_producer};
	return &ops;
}

static void set_up(const char *line)
{
	static char brokers[256];
	const char *lines[] = {brokers, line, NULL};

	half.trouble = (struct rv_error){0}; /* of the case before, in the same process */
	half.owner = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, NULL, 0);
	half.cluster = rd_kafka_mock_cluster_new(half.owner, 1);
	snprintf(brokers, sizeof brokers, "brokers=%s", rd_kafka_mock_cluster_bootstraps(half.cluster));
	ck_assert(kit_open(&half.kit, half_ops(), lines));
}

void half_setup(void)
{
	set_up(NULL);
}

void half_setup_transactions(void)
{
	set_up("transaction.transaction-id-prefix=tx-");
}

void half_teardown(void)
{
	kit_close(&half.kit);
	rd_kafka_mock_cluster_destroy(half.cluster);
	rd_kafka_destroy(half.owner);
}

void half_bind(struct kit_producer *producer, const char *topic, const char *const *settings)
{
	rd_kafka_mock_topic_create(half.cluster, topic, 1, 1);
	*producer = (struct kit_producer){.send_timeout_ms = HALF_SOON_MS};
	ck_assert_msg(kit_produce(&half.kit, producer, topic, settings), "%s", half.kit.error.text);
}

struct rv__kafka_client *half_client(const struct kit_producer *producer)
{
	return ((struct rv__kafka_producer *)producer->producer)->client;
}

rv_message *half_numbered(int number)
{
	char text[TEXT_MAX];

	return rv_message_create(text, (size_t)snprintf(text, sizeof text, "m%d", number));
}

void half_queue_number(struct kit_producer *producer, int number)
{
	RV_CLEANUP(rv_message_unrefp) rv_message *message = half_numbered(number);

	WAIT_UNTIL(HALF_SOON_MS, kit_queue(producer, message, -1));
}

/* -- reading back ------------------------------------------------------------------------------------- */

struct reading reading_begin(const char *topic)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	struct reading reading;

	rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(half.cluster), NULL, 0);
	rd_kafka_conf_set(conf, "group.id", "reader", NULL, 0);
	rd_kafka_conf_set(conf, "enable.auto.commit", "false", NULL, 0);
	reading.rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, NULL, 0);
	rd_kafka_topic_partition_list_add(list, topic, 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
	ck_assert_int_eq(rd_kafka_assign(reading.rk, list), 0);
	rd_kafka_topic_partition_list_destroy(list);
	return reading;
}

rd_kafka_message_t *reading_next(struct reading *reading)
{
	rd_kafka_message_t *record = NULL;
	int64_t until = rv__monotonic_ms() + HALF_SOON_MS;

	while (rv__monotonic_ms() < until) {
		record = rd_kafka_consumer_poll(reading->rk, 100);
		if (record && !record->err)
			return record;
		if (record)
			rd_kafka_message_destroy(record);
	}
	ck_abort_msg("no record within %d ms", HALF_SOON_MS);
	return NULL;
}

void reading_expect_text(struct reading *reading, const char *text)
{
	rd_kafka_message_t *record = reading_next(reading);

	ck_assert_uint_eq(record->len, strlen(text));
	ck_assert_mem_eq(record->payload, text, record->len);
	rd_kafka_message_destroy(record);
}

void reading_expect_numbers(struct reading *reading, int count)
{
	char text[TEXT_MAX];

	for (int i = 0; i < count; i++) {
		snprintf(text, sizeof text, "m%d", i);
		reading_expect_text(reading, text);
	}
}

void reading_end(struct reading *reading)
{
	rd_kafka_consumer_close(reading->rk);
	rd_kafka_destroy(reading->rk);
}
