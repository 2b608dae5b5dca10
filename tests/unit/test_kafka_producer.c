/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The producing half of the Kafka binder against librdkafka's mock cluster, which can be made to fail: every accepted
 * message completes once, whatever happens, and a fatal error costs nothing that the broker does not have.
 */
#include "binder/kafka/producer.h"

#include <librdkafka/rdkafka_mock.h> /* wants rdkafka.h before it */
#include <stdio.h>
#include <string.h>

#include "tests/support/binder_kit.h"
#include "tests/support/unit.h"
#include "tests/support/wait.h"

enum { API_PRODUCE = 0, TEXT_MAX = 64 };

/* -- a watch that says what it is told ------------------------------------------------------------- */

static struct rv_error topic_trouble; /* code RV_OK: every topic is there */
static int32_t topic_partitions = 1;

void rv__kafka_watch_add(struct rv__kafka_watch *watch, struct rv__kafka_need *need)
{
	need->judged(need->owner, topic_trouble.code ? 0 : topic_partitions,
	    topic_trouble.code ? &topic_trouble : NULL);
}

void rv__kafka_watch_remove(struct rv__kafka_watch *watch, struct rv__kafka_need *need)
{
}

bool rv__kafka_watch_wait(struct rv__kafka_watch *watch, struct rv__kafka_need *need, int64_t timeout_ms)
{
	return true;
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

static const struct rv_binder_ops *half(void)
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

static rd_kafka_t *owner;
static rd_kafka_mock_cluster_t *cluster;
static struct kit kit;

static void setup(void)
{
	static char brokers[256];
	const char *lines[] = {brokers, NULL};

	owner = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, NULL, 0);
	cluster = rd_kafka_mock_cluster_new(owner, 1);
	snprintf(brokers, sizeof brokers, "brokers=%s", rd_kafka_mock_cluster_bootstraps(cluster));
	ck_assert(kit_open(&kit, half(), lines));
}

static void teardown(void)
{
	kit_close(&kit);
	rd_kafka_mock_cluster_destroy(cluster);
	rd_kafka_destroy(owner);
}

static void bind_to(struct kit_producer *producer, const char *topic, const char *const *settings)
{
	rd_kafka_mock_topic_create(cluster, topic, 1, 1);
	*producer = (struct kit_producer){.send_timeout_ms = 20000};
	ck_assert_msg(kit_produce(&kit, producer, topic, settings), "%s", kit.error.text);
}

static struct rv__kafka_client *client_of(const struct kit_producer *producer)
{
	return ((struct rv__kafka_producer *)producer->producer)->client;
}

static rv_message *numbered(int number)
{
	char text[TEXT_MAX];

	return rv_message_create(text, (size_t)snprintf(text, sizeof text, "m%d", number));
}

static void queue_number(struct kit_producer *producer, int number)
{
	RV_CLEANUP(rv_message_unrefp) rv_message *message = numbered(number);

	WAIT_UNTIL(20000, kit_queue(producer, message, -1));
}

/* -- reading back ------------------------------------------------------------------------------------- */

struct reading {
	rd_kafka_t *rk;
};

static struct reading read_topic(const char *topic)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	struct reading reading;

	rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(cluster), NULL, 0);
	rd_kafka_conf_set(conf, "group.id", "reader", NULL, 0);
	rd_kafka_conf_set(conf, "enable.auto.commit", "false", NULL, 0);
	reading.rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, NULL, 0);
	rd_kafka_topic_partition_list_add(list, topic, 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
	ck_assert_int_eq(rd_kafka_assign(reading.rk, list), 0);
	rd_kafka_topic_partition_list_destroy(list);
	return reading;
}

/* The next record, owned by the caller. */
static rd_kafka_message_t *next_record(struct reading *reading)
{
	rd_kafka_message_t *record = NULL;
	int64_t until = rv__monotonic_ms() + 20000;

	while (rv__monotonic_ms() < until) {
		record = rd_kafka_consumer_poll(reading->rk, 100);
		if (record && !record->err)
			return record;
		if (record)
			rd_kafka_message_destroy(record);
	}
	ck_abort_msg("no record within 20 s");
	return NULL;
}

static void expect_text(struct reading *reading, const char *text)
{
	rd_kafka_message_t *record = next_record(reading);

	ck_assert_uint_eq(record->len, strlen(text));
	ck_assert_mem_eq(record->payload, text, record->len);
	rd_kafka_message_destroy(record);
}

static void expect_numbers(struct reading *reading, int count)
{
	char text[TEXT_MAX];

	for (int i = 0; i < count; i++) {
		snprintf(text, sizeof text, "m%d", i);
		expect_text(reading, text);
	}
}

static void end_reading(struct reading *reading)
{
	rd_kafka_consumer_close(reading->rk);
	rd_kafka_destroy(reading->rk);
}

/* -- what arrives --------------------------------------------------------------------------------------- */

START_TEST(payload_key_headers_and_time_arrive)
{
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create("a\0b", 3);
	struct kit_producer producer;
	struct reading reading;
	rd_kafka_message_t *record;
	rd_kafka_headers_t *headers;
	const void *value;
	size_t size;

	bind_to(&producer, "arrive", NULL);
	rv_message_set_header(message, RV_HEADER_KEY, "粤B");
	rv_message_set_header(message, "colour", "red");
	rv_message_set_header(message, "kafka_timestamp", "1700000000123");
	ck_assert_int_eq(kit_send(&producer, message, 0), RV_OK);
	ck_assert_int_eq(producer.receipt.partition, 0);
	ck_assert_int_eq(producer.receipt.position, 0);
	reading = read_topic("arrive");
	record = next_record(&reading);
	ck_assert_uint_eq(record->len, 3);
	ck_assert_mem_eq(record->payload, "a\0b", 3);
	ck_assert_uint_eq(record->key_len, 4);
	ck_assert_mem_eq(record->key, "粤B", 4);
	ck_assert_int_eq(rd_kafka_message_timestamp(record, NULL), 1700000000123);
	ck_assert_int_eq(rd_kafka_message_headers(record, &headers), 0);
	ck_assert_int_eq(rd_kafka_header_get_last(headers, "colour", &value, &size), 0);
	ck_assert_mem_eq(value, "red", 3);
	ck_assert_int_eq(rd_kafka_header_get_last(headers, "messageId", &value, &size), 0);
	ck_assert_mem_eq(value, rv_message_id(message), 32);
	rd_kafka_message_destroy(record);
	end_reading(&reading);
	ck_assert_uint_eq(kit_producer_close(&producer, 5000), 0);
}
END_TEST

START_TEST(a_tombstone_is_no_empty_payload)
{
	RV_CLEANUP(rv_message_unrefp) rv_message *empty = rv_message_create("", 0);
	RV_CLEANUP(rv_message_unrefp) rv_message *none = rv_message_create_null();
	struct kit_producer producer;
	struct reading reading;
	rd_kafka_message_t *record;

	bind_to(&producer, "tombstones", NULL);
	ck_assert_int_eq(kit_send(&producer, empty, -1), RV_OK);
	ck_assert_int_eq(kit_send(&producer, none, -1), RV_OK);
	reading = read_topic("tombstones");
	record = next_record(&reading);
	ck_assert_ptr_nonnull(record->payload);
	ck_assert_uint_eq(record->len, 0);
	ck_assert_ptr_null(record->key);
	rd_kafka_message_destroy(record);
	record = next_record(&reading);
	ck_assert_ptr_null(record->payload);
	rd_kafka_message_destroy(record);
	end_reading(&reading);
	kit_producer_close(&producer, 5000);
}
END_TEST

START_TEST(a_bare_message_goes_without_headers)
{
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create_text("bare");
	struct kit_producer producer;
	struct rv_outbound outbound = {.message = message, .partition = -1, .bare = true};
	struct reading reading;
	rd_kafka_message_t *record;
	rd_kafka_headers_t *headers;

	bind_to(&producer, "bare", NULL);
	ck_assert_uint_eq(kit.ops->send(producer.producer, &outbound, 1), 1);
	ck_assert(kit_wait_completed(&producer, 1, 20000));
	reading = read_topic("bare");
	record = next_record(&reading);
	ck_assert_int_eq(rd_kafka_message_headers(record, &headers), RD_KAFKA_RESP_ERR__NOENT);
	rd_kafka_message_destroy(record);
	end_reading(&reading);
	kit_producer_close(&producer, 5000);
}
END_TEST

START_TEST(the_topic_header_and_a_destination_choose_the_topic)
{
	static const char *const lines[] = {"use-topic-header=true", NULL};
	RV_CLEANUP(rv_message_unrefp) rv_message *by_header = rv_message_create("h", 1);
	RV_CLEANUP(rv_message_unrefp) rv_message *by_call = rv_message_create("c", 1);
	struct kit_producer producer;
	struct rv_outbound outbound = {.message = by_call, .partition = -1, .destination = "called"};
	struct reading reading;

	rd_kafka_mock_topic_create(cluster, "named", 1, 1);
	rd_kafka_mock_topic_create(cluster, "called", 1, 1);
	bind_to(&producer, "usual", lines);
	rv_message_set_header(by_header, "kafka_topic", "named");
	ck_assert_int_eq(kit_send(&producer, by_header, -1), RV_OK);
	ck_assert_uint_eq(kit.ops->send(producer.producer, &outbound, 1), 1);
	ck_assert(kit_wait_completed(&producer, 2, 20000));
	ck_assert_int_eq(kit_last(&producer).code, RV_OK);
	reading = read_topic("named");
	expect_text(&reading, "h");
	end_reading(&reading);
	reading = read_topic("called");
	expect_text(&reading, "c");
	end_reading(&reading);
	kit_producer_close(&producer, 5000);
}
END_TEST

static void count_release(void *count)
{
	atomic_fetch_add((atomic_int *)count, 1);
}

START_TEST(a_large_payload_is_held_until_its_completion_and_no_longer)
{
	static char large[100000];
	static atomic_int released;
	struct kit_producer producer;
	struct reading reading;
	rd_kafka_message_t *record;
	rv_message *message;

	memset(large, 'L', sizeof large);
	message = rv_message_wrap(large, sizeof large, count_release, &released);
	bind_to(&producer, "large", NULL);
	ck_assert(kit_queue(&producer, message, -1));
	rv_message_unref(message);
	ck_assert(kit_wait_completed(&producer, 1, 20000));
	WAIT_UNTIL(5000, atomic_load(&released) == 1);
	reading = read_topic("large");
	record = next_record(&reading);
	ck_assert_uint_eq(record->len, sizeof large);
	ck_assert_mem_eq(record->payload, large, sizeof large);
	rd_kafka_message_destroy(record);
	end_reading(&reading);
	kit_producer_close(&producer, 5000);
}
END_TEST

/* -- room --------------------------------------------------------------------------------------------------- */

START_TEST(a_full_queue_turns_away_and_tells_when_there_is_room)
{
	static const char *const lines[] = {"configuration.librdkafka.queue.buffering.max.messages=50", NULL};
	struct kit_producer producer;
	struct reading reading;
	int sent = 0;
	bool was_full = false;

	bind_to(&producer, "full", lines);
	while (sent < 2000) {
		RV_CLEANUP(rv_message_unrefp) rv_message *message = numbered(sent);
		size_t before;

		pthread_mutex_lock(&producer.lock);
		before = producer.writable;
		pthread_mutex_unlock(&producer.lock);
		if (kit_queue(&producer, message, -1)) {
			sent++;
			continue;
		}
		was_full = true;
		pthread_mutex_lock(&producer.lock);
		while (producer.writable == before)
			pthread_cond_wait(&producer.changed, &producer.lock);
		pthread_mutex_unlock(&producer.lock);
	}
	ck_assert(was_full);
	ck_assert(kit_wait_completed(&producer, 2000, 30000));
	ck_assert_uint_eq(producer.completed, 2000);
	ck_assert_uint_eq(producer.failed, 0);
	reading = read_topic("full");
	expect_numbers(&reading, 2000);
	end_reading(&reading);
	kit_producer_close(&producer, 5000);
}
END_TEST

/* -- what fails ---------------------------------------------------------------------------------------------- */

START_TEST(a_message_over_the_limit_is_refused_with_both_sizes)
{
	static const char *const lines[] = {"configuration.max.request.size=2000", NULL};
	static char large[3000];
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create(large, sizeof large);
	struct kit_producer producer;

	bind_to(&producer, "over", lines);
	ck_assert_uint_eq(producer.info.max_message_size, 2000);
	ck_assert_int_eq(kit_send(&producer, message, -1), RV_E_TOOBIG);
	ck_assert_ptr_nonnull(strstr(producer.last.text, "3000"));
	ck_assert_ptr_nonnull(strstr(producer.last.text, "2000"));
	ck_assert(!producer.last.retriable);
	kit_producer_close(&producer, 5000);
}
END_TEST

START_TEST(a_partition_that_is_not_there_is_named_as_such)
{
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create("x", 1);
	struct kit_producer producer;

	bind_to(&producer, "partition", NULL);
	ck_assert_int_eq(kit_send(&producer, message, 7), RV_E_NOTFOUND);
	ck_assert(!producer.last.retriable);
	ck_assert_int_eq(kit_send(&producer, message, 0), RV_OK);
	kit_producer_close(&producer, 5000);
}
END_TEST

START_TEST(a_key_that_does_not_fit_its_serializer_is_refused)
{
	static const char *const lines[] = {
	    "configuration.key.serializer=org.apache.kafka.common.serialization.IntegerSerializer", NULL};
	RV_CLEANUP(rv_message_unrefp) rv_message *good = rv_message_create("x", 1);
	RV_CLEANUP(rv_message_unrefp) rv_message *bad = rv_message_create("x", 1);
	struct kit_producer producer;
	struct reading reading;
	rd_kafka_message_t *record;

	bind_to(&producer, "keys", lines);
	rv_message_set_header(bad, RV_HEADER_KEY, "plate");
	rv_message_set_header(good, RV_HEADER_KEY, "258");
	ck_assert_int_eq(kit_send(&producer, bad, -1), RV_E_INVALID);
	ck_assert_ptr_nonnull(strstr(producer.last.text, "plate"));
	ck_assert_int_eq(kit_send(&producer, good, -1), RV_OK);
	reading = read_topic("keys");
	record = next_record(&reading);
	ck_assert_uint_eq(record->key_len, 4);
	ck_assert_mem_eq(record->key, "\0\0\1\2", 4);
	rd_kafka_message_destroy(record);
	end_reading(&reading);
	kit_producer_close(&producer, 5000);
}
END_TEST

START_TEST(an_expression_makes_the_key)
{
	static const char *const lines[] = {"message-key-expression=headers['lot'] ?: payload.plate", NULL};
	RV_CLEANUP(rv_message_unrefp)
	rv_message *by_payload = rv_message_create_json("{s:s}", "plate", "粤B1");
	RV_CLEANUP(rv_message_unrefp) rv_message *by_header = rv_message_create("x", 1);
	RV_CLEANUP(rv_message_unrefp) rv_message *neither = rv_message_create_json("{s:i}", "other", 1);
	RV_CLEANUP(rv_message_unrefp) rv_message *bad = rv_message_create_text("no JSON");
	struct kit_producer producer;
	struct reading reading;
	rd_kafka_message_t *record;

	bind_to(&producer, "expressed", lines);
	rv_message_set_header_int(by_header, "lot", 7);
	ck_assert_int_eq(kit_send(&producer, by_payload, -1), RV_OK);
	ck_assert_int_eq(kit_send(&producer, by_header, -1), RV_OK);
	ck_assert_int_eq(kit_send(&producer, neither, -1), RV_OK);
	ck_assert_int_eq(kit_send(&producer, bad, -1), RV_E_INVALID);
	reading = read_topic("expressed");
	record = next_record(&reading);
	ck_assert_uint_eq(record->key_len, 5);
	ck_assert_mem_eq(record->key, "粤B1", 5);
	rd_kafka_message_destroy(record);
	record = next_record(&reading);
	ck_assert_uint_eq(record->key_len, 1);
	ck_assert_mem_eq(record->key, "7", 1);
	rd_kafka_message_destroy(record);
	record = next_record(&reading);
	ck_assert_ptr_null(record->key);
	rd_kafka_message_destroy(record);
	end_reading(&reading);
	kit_producer_close(&producer, 5000);
}
END_TEST

START_TEST(what_the_broker_refuses_tells_its_class_and_code)
{
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create("x", 1);
	struct kit_producer producer;

	bind_to(&producer, "refused", NULL);
	rd_kafka_mock_push_request_errors(cluster, API_PRODUCE, 1, RD_KAFKA_RESP_ERR_INVALID_RECORD);
	ck_assert_int_eq(kit_send(&producer, message, -1), RV_E_INVALID);
	ck_assert_int_eq(producer.last.native, RD_KAFKA_RESP_ERR_INVALID_RECORD);
	ck_assert(!producer.last.retriable);
	ck_assert_int_eq(kit_send(&producer, message, -1), RV_OK);
	kit_producer_close(&producer, 5000);
}
END_TEST

START_TEST(a_message_nobody_takes_ends_with_the_sender_s_time_out)
{
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create("x", 1);
	struct kit_producer producer = {.send_timeout_ms = 1000};

	rd_kafka_mock_topic_create(cluster, "late", 1, 1);
	rd_kafka_mock_broker_set_down(cluster, 1);
	ck_assert(kit_produce(&kit, &producer, "late", NULL));
	ck_assert_int_eq(kit_send(&producer, message, -1), RV_E_TIMEOUT);
	ck_assert(producer.last.retriable);
	ck_assert_ptr_nonnull(strstr(producer.last.text, "does not have it"));
	kit_producer_close(&producer, 0);
}
END_TEST

/* -- the end ---------------------------------------------------------------------------------------------------- */

START_TEST(an_end_waits_for_what_lingers)
{
	static const char *const lines[] = {"batch-timeout=60000", NULL};
	struct kit_producer producer;
	struct reading reading;

	bind_to(&producer, "linger", lines);
	for (int i = 0; i < 100; i++)
		queue_number(&producer, i);
	ck_assert_uint_eq(kit_producer_close(&producer, 20000), 0);
	ck_assert_uint_eq(producer.completed, 100);
	ck_assert_uint_eq(producer.failed, 0);
	reading = read_topic("linger");
	expect_numbers(&reading, 100);
	end_reading(&reading);
}
END_TEST

START_TEST(an_end_without_a_broker_completes_everything_with_closed)
{
	struct kit_producer producer;

	bind_to(&producer, "gone", NULL);
	queue_number(&producer, 0);
	ck_assert(kit_wait_completed(&producer, 1, 20000));
	rd_kafka_mock_broker_set_down(cluster, 1);
	for (int i = 0; i < 500; i++)
		queue_number(&producer, i);
	ck_assert_uint_eq(kit_producer_close(&producer, 200), 500);
	ck_assert_uint_eq(producer.completed, 501);
	ck_assert_uint_eq(producer.failed, 500);
	ck_assert_int_eq(producer.last.code, RV_E_CLOSED);
}
END_TEST

START_TEST(bindings_of_one_configuration_share_a_client_and_end_apart)
{
	static const char *const other_lines[] = {"compression-type=gzip", NULL};
	static char large[5000];
	RV_CLEANUP(rv_message_unrefp) rv_message *held = rv_message_create(large, sizeof large);
	struct kit_producer first, second, other;

	bind_to(&first, "first", NULL);
	bind_to(&second, "second", NULL);
	bind_to(&other, "other", other_lines);
	ck_assert_ptr_eq(client_of(&first), client_of(&second));
	ck_assert_ptr_ne(client_of(&first), client_of(&other));
	ck_assert_int_eq(kit_send_text(&first, "x"), RV_OK);
	rd_kafka_mock_broker_set_down(cluster, 1);
	for (int i = 0; i < 10; i++) {
		queue_number(&first, i);
		ck_assert(kit_queue(&first, held, -1));
		queue_number(&second, i);
	}
	/* The second one's are on their way and stay there. */
	ck_assert_uint_eq(kit_producer_close(&first, 100), 20);
	ck_assert_uint_eq(first.completed, 21);
	ck_assert_int_eq(first.last.code, RV_E_CLOSED);
	ck_assert_uint_eq(second.completed, 0);
	rd_kafka_mock_broker_set_up(cluster, 1);
	ck_assert(kit_wait_completed(&second, 10, 30000));
	ck_assert_uint_eq(second.failed, 0);
	ck_assert_uint_eq(kit_producer_close(&second, 5000), 0);
	ck_assert_uint_eq(kit_producer_close(&other, 5000), 0);
}
END_TEST

START_TEST(a_stop_ends_what_is_on_its_way)
{
	struct kit_producer producer;

	bind_to(&producer, "stopped", NULL);
	rd_kafka_mock_broker_set_down(cluster, 1);
	for (int i = 0; i < 100; i++)
		queue_number(&producer, i);
	kit.ops->stop(kit.binder);
	ck_assert(kit_wait_completed(&producer, 100, 20000));
	ck_assert_uint_eq(producer.failed, 100);
	ck_assert_int_eq(kit_last(&producer).code, RV_E_CLOSED);
	kit_producer_close(&producer, 5000);
}
END_TEST

/* -- fatal errors ------------------------------------------------------------------------------------------------ */

START_TEST(after_a_fatal_error_what_the_broker_lacks_is_sent_again_in_order)
{
	struct kit_producer producer;
	struct reading reading;

	bind_to(&producer, "fatal", NULL);
	for (int i = 0; i < 10; i++)
		queue_number(&producer, i);
	ck_assert(kit_wait_completed(&producer, 10, 20000));
	rd_kafka_mock_broker_set_down(cluster, 1);
	for (int i = 10; i < 500; i++)
		queue_number(&producer, i);
	ck_assert_int_eq(rd_kafka_test_fatal_error(client_of(&producer)->rk,
	                     RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "a test"),
	    0);
	WAIT_UNTIL(20000, atomic_load(&client_of(&producer)->renewals) == 1);
	rd_kafka_mock_broker_set_up(cluster, 1);
	for (int i = 500; i < 600; i++)
		queue_number(&producer, i);
	ck_assert(kit_wait_completed(&producer, 600, 30000));
	ck_assert_uint_eq(producer.failed, 0);
	reading = read_topic("fatal");
	expect_numbers(&reading, 600);
	end_reading(&reading);
	ck_assert_uint_eq(kit_producer_close(&producer, 5000), 0);
}
END_TEST

START_TEST(fatal_errors_under_traffic_lose_nothing)
{
	struct kit_producer producer;
	struct reading reading;
	size_t failed;

	bind_to(&producer, "again", NULL);
	for (int i = 0; i < 5000; i++) {
		queue_number(&producer, i);
		if (i % 1000 == 500) {
			uint64_t before = atomic_load(&client_of(&producer)->renewals);

			rd_kafka_test_fatal_error(
			    client_of(&producer)->rk, RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID, "a test");
			WAIT_UNTIL(20000, atomic_load(&client_of(&producer)->renewals) == before + 1);
		}
	}
	ck_assert(kit_wait_completed(&producer, 5000, 60000));
	ck_assert_uint_eq(producer.completed, 5000);
	failed = producer.failed;
	/* Answers on the wire still count, so nothing was in doubt. */
	ck_assert_uint_eq(failed, 0);
	reading = read_topic("again");
	expect_numbers(&reading, 5000);
	end_reading(&reading);
	kit_producer_close(&producer, 5000);
}
END_TEST

START_TEST(an_end_during_a_renewal_completes_everything)
{
	struct kit_producer producer;

	bind_to(&producer, "torn", NULL);
	rd_kafka_mock_broker_set_down(cluster, 1);
	for (int i = 0; i < 200; i++)
		queue_number(&producer, i);
	rd_kafka_test_fatal_error(
	    client_of(&producer)->rk, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "a test");
	ck_assert_uint_eq(kit_producer_close(&producer, 0), 200);
	ck_assert_uint_eq(producer.completed, 200);
}
END_TEST

/* -- binding -------------------------------------------------------------------------------------------------------- */

static void expect_refusal(const char *line, rv_err code, const char *word)
{
	const char *const lines[] = {line, NULL};
	struct kit_producer producer = {.send_timeout_ms = 1000};

	kit.error = (struct rv_error){0};
	ck_assert(!kit_produce(&kit, &producer, "refused", lines));
	ck_assert_int_eq(kit.error.code, code);
	ck_assert_msg(strstr(kit.error.text, word) != NULL, "%s", kit.error.text);
	kit_producer_close(&producer, 0);
}

START_TEST(what_cannot_be_meant_is_refused_with_a_sentence)
{
	expect_refusal("send-timeout-expression=headers['t']", RV_E_CONFIG, "send-timeout-expression");
	expect_refusal("configuration.key.serializer=io.confluent.KafkaAvroSerializer", RV_E_UNSUPPORTED,
	    "KafkaAvroSerializer");
	expect_refusal("configuration.transactional.id=mine", RV_E_UNSUPPORTED, "transactional.id");
	expect_refusal("message-key-expression=headers[", RV_E_CONFIG, "message-key-expression");
	expect_refusal("configuration.enable.idempotence=perhaps", RV_E_CONFIG, "enable.idempotence");
}
END_TEST

START_TEST(sync_and_its_time_out_are_told_to_the_core)
{
	static const char *const async[] = {"sync=false", NULL};
	static const char *const timed[] = {"sync=true", "send-timeout-expression=1500", NULL};
	struct kit_producer one, two, three;

	bind_to(&one, "one", NULL);
	bind_to(&two, "two", async);
	bind_to(&three, "three", timed);
	ck_assert(!one.info.queued_is_sent && two.info.queued_is_sent && !three.info.queued_is_sent);
	ck_assert_int_eq(one.info.send_timeout_ms, 0);
	ck_assert_int_eq(three.info.send_timeout_ms, 1500);
	kit_producer_close(&one, 0);
	kit_producer_close(&two, 0);
	kit_producer_close(&three, 0);
}
END_TEST

START_TEST(a_topic_that_is_not_there_makes_the_binding_wait)
{
	struct kit_producer producer = {.send_timeout_ms = 1000};
	struct rv__kafka_need *need;

	rv_error_set(&topic_trouble, RV_E_NOTFOUND, 0, "test", "the topic is not there");
	ck_assert(kit_produce(&kit, &producer, "waits", NULL));
	ck_assert(producer.info.waiting);
	ck_assert_int_eq(producer.info.partition_count, 0);
	need = &((struct rv__kafka_producer *)producer.producer)->need;
	need->judged(need->owner, 3, NULL);
	ck_assert(kit_is_up(&producer));
	need->judged(need->owner, 0, &topic_trouble);
	ck_assert(!kit_is_up(&producer));
	ck_assert_str_eq(kit_why(&producer).text, "the topic is not there");
	kit_producer_close(&producer, 0);
	topic_trouble.code = RV_E_CONFIG;
	producer = (struct kit_producer){.send_timeout_ms = 1000};
	ck_assert(!kit_produce(&kit, &producer, "never", NULL));
	ck_assert_int_eq(kit.error.code, RV_E_CONFIG);
	kit_producer_close(&producer, 0);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {payload_key_headers_and_time_arrive, a_tombstone_is_no_empty_payload,
	    a_bare_message_goes_without_headers, the_topic_header_and_a_destination_choose_the_topic,
	    a_large_payload_is_held_until_its_completion_and_no_longer,
	    a_full_queue_turns_away_and_tells_when_there_is_room,
	    a_message_over_the_limit_is_refused_with_both_sizes,
	    a_partition_that_is_not_there_is_named_as_such, a_key_that_does_not_fit_its_serializer_is_refused,
	    an_expression_makes_the_key, what_the_broker_refuses_tells_its_class_and_code,
	    a_message_nobody_takes_ends_with_the_sender_s_time_out, an_end_waits_for_what_lingers,
	    an_end_without_a_broker_completes_everything_with_closed,
	    bindings_of_one_configuration_share_a_client_and_end_apart, a_stop_ends_what_is_on_its_way,
	    after_a_fatal_error_what_the_broker_lacks_is_sent_again_in_order,
	    fatal_errors_under_traffic_lose_nothing, an_end_during_a_renewal_completes_everything,
	    what_cannot_be_meant_is_refused_with_a_sentence, sync_and_its_time_out_are_told_to_the_core,
	    a_topic_that_is_not_there_makes_the_binding_wait, NULL};

	return unit_run("kafka_producer", cases, setup, teardown);
}
