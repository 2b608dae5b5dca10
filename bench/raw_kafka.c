/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Channels on Kafka against a bare loop of librdkafka in the same program, the same bytes and headers on the wire:
 *
 *     bench-kafka ADDRESS …                                       see pairs.h
 *
 * The binder comes from RIVULET_BINDER_PATH.
 */
#include "bench/flow.h"
#include "bench/measure.h"
#include "bench/pairs.h"

#include <librdkafka/rdkafka.h>

#include <stdatomic.h>

enum { BATCH = 256, FIRST_MESSAGE_MS = 30000, MS = 1000000 };

#define QUEUED_MAX "100000"

static const char *address;

/* What our binder writes for the messages of flow.h. */
#define TYPES \
	"{\"" FLOW_HEADER_1 \
	"\":\"java.lang.String\",\"contentType\":\"java.lang.String\",\"messageId\":\"java.lang.String\"}"

static rd_kafka_t *client(rd_kafka_type_t type, const char *const *settings,
    void (*on_report)(rd_kafka_t *, const rd_kafka_message_t *, void *))
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[256];
	rd_kafka_t *rk;

	rd_kafka_conf_set(conf, "bootstrap.servers", address, why, sizeof why);
	for (; *settings; settings += 2)
		if (rd_kafka_conf_set(conf, settings[0], settings[1], why, sizeof why) != RD_KAFKA_CONF_OK)
			pairs_failed("librdkafka", why);
	if (on_report)
		rd_kafka_conf_set_dr_msg_cb(conf, on_report);
	rk = rd_kafka_new(type, conf, why, sizeof why);
	if (!rk)
		pairs_failed("librdkafka", why);
	return rk;
}

/* -- sending ---------------------------------------------------------------------- */

/* As the binder sets them for itself. */
static const char *const producer_settings[] = {
    "enable.idempotence", "true", "linger.ms", "1", "queue.buffering.max.messages", QUEUED_MAX, NULL};

struct reports {
	long done, errors;
};

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	struct reports *reports = message->_private;

	(void)rk;
	(void)opaque;
	reports->done++;
	reports->errors += message->err != RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t produce(rd_kafka_t *rk, rd_kafka_topic_t *rkt, const char *payload, size_t length,
    const char *id, struct reports *reports)
{
	rd_kafka_headers_t *headers = rd_kafka_headers_new(8);
	rd_kafka_resp_err_t code;

#define ADD(name, value, length) rd_kafka_header_add(headers, name, sizeof(name) - 1, value, length)
	ADD(FLOW_HEADER_1, FLOW_VALUE_1, sizeof FLOW_VALUE_1 - 1);
	ADD(FLOW_HEADER_2, FLOW_VALUE_2, sizeof FLOW_VALUE_2 - 1);
	ADD("contentType", "application/json", sizeof "application/json" - 1);
	ADD("messageId", id, 32);
	ADD("spring_json_header_types", TYPES, sizeof TYPES - 1);
#undef ADD
	code = rd_kafka_producev(rk, RD_KAFKA_V_RKT(rkt), RD_KAFKA_V_PARTITION(RD_KAFKA_PARTITION_UA),
	    RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_VALUE((void *)payload, length),
	    RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(reports), RD_KAFKA_V_END);
	if (code)
		rd_kafka_headers_destroy(headers);
	return code;
}

/* Sends until all is acknowledged; the time from when a first message was. */
static bool send_all(const char *topic, long count, int64_t *ret_ns)
{
	rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, producer_settings, on_report);
	rd_kafka_topic_t *rkt = rk ? rd_kafka_topic_new(rk, topic, NULL) : NULL;
	struct reports reports = {0};
	char payload[FLOW_BYTES], id[40] = "00000000000000000000000000000000";
	int64_t start;
	long i;

	if (!rkt)
		return false;
	produce(rk, rkt, "", 1, id, &reports);
	while (reports.done < 1)
		rd_kafka_poll(rk, 100);
	reports.done = 0;
	start = now_ns();
	for (i = 0; i < count; i++) {
		flow_payload(payload, 0);
		flow_id(id, (unsigned long)i);
		while (
		    produce(rk, rkt, payload, sizeof payload, id, &reports) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
			rd_kafka_poll(rk, 1);
		if (i % 64 == 0)
			rd_kafka_poll(rk, 0);
	}
	while (reports.done < count && !reports.errors)
		rd_kafka_poll(rk, 100);
	*ret_ns = now_ns() - start;
	rd_kafka_topic_destroy(rkt);
	rd_kafka_destroy(rk);
	return !reports.errors || pairs_failed(topic, "a message was not acknowledged");
}

/* Gives the broker its disk back. */
static void delete_topic(const char *topic)
{
	rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, producer_settings, NULL);
	rd_kafka_DeleteTopic_t *deletion = rd_kafka_DeleteTopic_new(topic);
	rd_kafka_queue_t *queue;
	rd_kafka_event_t *event;

	if (!rk)
		return;
	queue = rd_kafka_queue_new(rk);
	rd_kafka_DeleteTopics(rk, &deletion, 1, NULL, queue);
	event = rd_kafka_queue_poll(queue, 2000);
	if (event)
		rd_kafka_event_destroy(event);
	rd_kafka_queue_destroy(queue);
	rd_kafka_DeleteTopic_destroy(deletion);
	rd_kafka_destroy(rk);
}

/* -- receiving -------------------------------------------------------------------- */

static const char *const consumer_settings[] = {"auto.offset.reset", "earliest", "group.id", NULL, NULL};

/* Reads what a listener can read: payload and every header. */
static size_t read_message(rd_kafka_message_t *message)
{
	rd_kafka_headers_t *headers;
	size_t bytes = message->len, size;
	const char *name;
	const void *value;

	if (rd_kafka_message_headers(message, &headers))
		return 0;
	for (size_t i = 0; !rd_kafka_header_get_all(headers, i, &name, &value, &size); i++)
		bytes += strlen(name) + size;
	return bytes;
}

static bool receive_all(const char *topic, const char *group, long count, int64_t *ret_ns)
{
	const char *settings[sizeof consumer_settings / sizeof *consumer_settings];
	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
	rd_kafka_message_t *messages[BATCH];
	int64_t start = 0, deadline = now_ns() + (int64_t)FIRST_MESSAGE_MS * MS;
	rd_kafka_queue_t *queue;
	rd_kafka_t *rk;
	long received = 0;
	size_t bytes = 0;

	memcpy(settings, consumer_settings, sizeof settings);
	settings[3] = group;
	rk = client(RD_KAFKA_CONSUMER, settings, NULL);
	if (!rk)
		return false;
	rd_kafka_poll_set_consumer(rk);
	queue = rd_kafka_queue_get_consumer(rk);
	rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
	rd_kafka_subscribe(rk, topics);
	while (received < count && (start || now_ns() < deadline)) {
		ssize_t n = rd_kafka_consume_batch_queue(queue, 100, messages, BATCH);

		if (n > 0 && !start)
			start = now_ns();
		for (ssize_t i = 0; i < n; i++) {
			if (!messages[i]->err) {
				bytes += read_message(messages[i]);
				received += messages[i]->len == FLOW_BYTES;
			}
			rd_kafka_message_destroy(messages[i]);
		}
	}
	*ret_ns = now_ns() - start;
	rd_kafka_topic_partition_list_destroy(topics);
	rd_kafka_queue_destroy(queue);
	rd_kafka_consumer_close(rk);
	rd_kafka_destroy(rk);
	return (received >= count && bytes > 0) || pairs_failed(topic, "the messages did not come");
}

/* -- program ---------------------------------------------------------------------- */

int main(int argc, char **argv)
{
	static char binder[256];
	static const char *const words[] = {"--spring.cloud.stream.default-binder=kafka", binder, NULL};
	static const struct pairs_client client = {
	    .program = "bench-kafka",
	    .where = "ADDRESS",
	    .receiving = "receive",
	    .words = words,
	    /* As the raw client's queue. */
	    .word_of_a_sender = "--rivulet.bindings.output.producer.max-in-flight=" QUEUED_MAX,
	    .send = send_all,
	    .receive = receive_all,
	    .remove = delete_topic,
	};

	address = argc > 1 ? argv[1] : "";
	snprintf(binder, sizeof binder, "--spring.cloud.stream.kafka.binder.brokers=%s", address);
	return pairs_main(&client, argc, argv);
}
