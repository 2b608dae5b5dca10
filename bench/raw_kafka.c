/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Channels on Kafka against a bare loop of librdkafka in the same program, the same bytes and headers on the wire:
 *
 *     bench-kafka ADDRESS send|receive COUNT PAIRS
 *     bench-kafka ADDRESS send-ours|send-raw|receive-ours|receive-raw COUNT      one run, for a profile
 *
 * The binder comes from RIVULET_BINDER_PATH.
 */
#include "bench/flow.h"
#include "bench/pairs.h"

#include <librdkafka/rdkafka.h>

#include <stdatomic.h>

enum { WORDS = 16, BATCH = 256, FIRST_MESSAGE_MS = 30000, MS = 1000000 };

#define QUEUED_MAX "100000"

static const char *address;

/* What our binder writes for the messages of flow.h. */
#define TYPES \
	"{\"" FLOW_HEADER_1 \
	"\":\"java.lang.String\",\"contentType\":\"java.lang.String\",\"messageId\":\"java.lang.String\"}"

static bool failed(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	return false;
}

/* A name that no run had before. */
static void fresh_name(char *name, size_t size, const char *what)
{
	static int runs;

	snprintf(name, size, "bench-%s-%ld-%d", what, (long)(now_ns() / MS), runs++);
}

static rd_kafka_t *client(rd_kafka_type_t type, const char *const *settings,
    void (*on_report)(rd_kafka_t *, const rd_kafka_message_t *, void *))
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[256];
	rd_kafka_t *rk;

	rd_kafka_conf_set(conf, "bootstrap.servers", address, why, sizeof why);
	for (; *settings; settings += 2)
		if (rd_kafka_conf_set(conf, settings[0], settings[1], why, sizeof why) != RD_KAFKA_CONF_OK)
			failed("librdkafka", why);
	if (on_report)
		rd_kafka_conf_set_dr_msg_cb(conf, on_report);
	rk = rd_kafka_new(type, conf, why, sizeof why);
	if (!rk)
		failed("librdkafka", why);
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
static bool raw_send_to(const char *topic, long count, int64_t *ret_ns)
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
		snprintf(id, sizeof id, "%032lX", i);
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
	return !reports.errors || failed(topic, "a message was not acknowledged");
}

/* An application's words: the common ones, then those given. */
static bool run_ours(struct flow *flow, const char *destination, const char *group)
{
	char words[WORDS][256];
	char *argv[WORDS];
	int n = 0;

#define WORD(...) snprintf(words[n++], sizeof words[0], __VA_ARGS__)
	WORD("bench");
	WORD("--spring.config.location=");
	WORD("--logging.level.root=warn");
	WORD("--spring.cloud.stream.default-binder=kafka");
	WORD("--spring.cloud.stream.kafka.binder.brokers=%s", address);
	if (flow->sends) {
		WORD("--spring.cloud.stream.bindings.output.destination=%s", destination);
		WORD(
		    "--rivulet.bindings.output.producer.max-in-flight=" QUEUED_MAX); /* as the raw client's queue */
	}
	if (flow->receives) {
		WORD("--spring.cloud.stream.bindings.input.destination=%s", destination);
		WORD("--spring.cloud.stream.bindings.input.group=%s", group);
	}
#undef WORD
	for (int i = 0; i < n; i++)
		argv[i] = words[i];
	return flow_run(flow, n, argv);
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

static bool raw_send(void *context, long count, int64_t *ret_ns)
{
	char topic[64];
	bool ok;

	(void)context;
	fresh_name(topic, sizeof topic, "raw");
	ok = raw_send_to(topic, count, ret_ns);
	delete_topic(topic);
	return ok;
}

static bool our_send(void *context, long count, int64_t *ret_ns)
{
	struct flow flow = {.sends = true, .count = count};
	char topic[64];
	bool ok;

	(void)context;
	fresh_name(topic, sizeof topic, "ours");
	ok = run_ours(&flow, topic, NULL);
	*ret_ns = flow.sent_ns;
	delete_topic(topic);
	return ok;
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

static bool raw_receive(void *context, long count, int64_t *ret_ns)
{
	const char *topic = context;
	const char *settings[sizeof consumer_settings / sizeof *consumer_settings];
	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
	rd_kafka_message_t *messages[BATCH];
	int64_t start = 0, deadline = now_ns() + (int64_t)FIRST_MESSAGE_MS * MS;
	rd_kafka_queue_t *queue;
	char group[64];
	rd_kafka_t *rk;
	long received = 0;
	size_t bytes = 0;

	fresh_name(group, sizeof group, "raw");
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
	return (received >= count && bytes > 0) || failed(topic, "the messages did not come");
}

static bool our_receive(void *context, long count, int64_t *ret_ns)
{
	struct flow flow = {.receives = true, .count = count};
	char group[64];
	bool ok;

	fresh_name(group, sizeof group, "ours");
	ok = run_ours(&flow, context, group);
	*ret_ns = flow.received_ns;
	return ok;
}

/* -- program ---------------------------------------------------------------------- */

static bool with_filled_topic(pairs_fn one, long count, long pairs)
{
	struct flow flow = {.sends = true, .count = count};
	char topic[64];
	struct pairs_run took;
	bool ok;

	fresh_name(topic, sizeof topic, "receive");
	ok = run_ours(&flow, topic, NULL);
	if (ok)
		ok = one ? pairs_one(one, topic, count, &took)
		         : pairs_print("receive", pairs, count, raw_receive, our_receive, topic);
	if (ok && one)
		pairs_print_one(count, &took);
	delete_topic(topic);
	return ok;
}

static bool once(pairs_fn one, long count)
{
	struct pairs_run took;
	bool ok = pairs_one(one, NULL, count, &took);

	if (ok)
		pairs_print_one(count, &took);
	return ok;
}

int main(int argc, char **argv)
{
	const char *what = argc > 3 ? argv[2] : "";
	long count = argc > 3 ? number(argv[3], 1, 100000000) : 0;
	long pairs = argc > 4 ? number(argv[4], 1, PAIRS_MAX) : 0;
	bool ok = false;

	address = argc > 1 ? argv[1] : "";
	if (!strcmp(what, "send") && pairs)
		ok = pairs_print("send", pairs, count, raw_send, our_send, NULL);
	else if (!strcmp(what, "receive") && pairs)
		ok = with_filled_topic(NULL, count, pairs);
	else if (!strcmp(what, "send-raw") || !strcmp(what, "send-ours"))
		ok = once(what[5] == 'r' ? raw_send : our_send, count);
	else if (!strcmp(what, "receive-raw") || !strcmp(what, "receive-ours"))
		ok = with_filled_topic(what[8] == 'r' ? raw_receive : our_receive, count, 0);
	else
		fprintf(stderr,
		    "usage: bench-kafka ADDRESS send|receive COUNT PAIRS | send-raw|send-ours|receive-raw|"
		    "receive-ours COUNT\n");
	return ok ? 0 : 1;
}
