/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The producing half of the Kafka binder: what arrives, what is refused and how, what a binding is told. Every accepted
 * message completes once.
 */
#include "tests/support/kafka_half.h"
#include "tests/support/unit.h"
#include "tests/support/wait.h"

#include <stdio.h>
#include <string.h>

enum { API_PRODUCE = 0 };

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

	half_bind(&producer, "arrive", NULL);
	rv_message_set_header(message, RV_HEADER_KEY, "粤B");
	rv_message_set_header(message, "colour", "red");
	rv_message_set_header(message, "kafka_timestamp", "1700000000123");
	ck_assert_int_eq(kit_send(&producer, message, 0), RV_OK);
	ck_assert_int_eq(producer.receipt.partition, 0);
	ck_assert_int_eq(producer.receipt.position, 0);
	reading = reading_begin("arrive");
	record = reading_next(&reading);
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
	reading_end(&reading);
	ck_assert_uint_eq(kit_producer_close(&producer, HALF_SOON_MS), 0);
}
END_TEST

START_TEST(a_tombstone_is_no_empty_payload)
{
	RV_CLEANUP(rv_message_unrefp) rv_message *empty = rv_message_create("", 0);
	RV_CLEANUP(rv_message_unrefp) rv_message *none = rv_message_create_null();
	struct kit_producer producer;
	struct reading reading;
	rd_kafka_message_t *record;

	half_bind(&producer, "tombstones", NULL);
	ck_assert_int_eq(kit_send(&producer, empty, -1), RV_OK);
	ck_assert_int_eq(kit_send(&producer, none, -1), RV_OK);
	reading = reading_begin("tombstones");
	record = reading_next(&reading);
	ck_assert_ptr_nonnull(record->payload);
	ck_assert_uint_eq(record->len, 0);
	ck_assert_ptr_null(record->key);
	rd_kafka_message_destroy(record);
	record = reading_next(&reading);
	ck_assert_ptr_null(record->payload);
	rd_kafka_message_destroy(record);
	reading_end(&reading);
	kit_producer_close(&producer, HALF_SOON_MS);
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

	half_bind(&producer, "bare", NULL);
	ck_assert_uint_eq(half.kit.ops->send(producer.producer, &outbound, 1), 1);
	ck_assert(kit_wait_completed(&producer, 1, HALF_SOON_MS));
	reading = reading_begin("bare");
	record = reading_next(&reading);
	ck_assert_int_eq(rd_kafka_message_headers(record, &headers), RD_KAFKA_RESP_ERR__NOENT);
	rd_kafka_message_destroy(record);
	reading_end(&reading);
	kit_producer_close(&producer, HALF_SOON_MS);
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

	rd_kafka_mock_topic_create(half.cluster, "named", 1, 1);
	rd_kafka_mock_topic_create(half.cluster, "called", 1, 1);
	half_bind(&producer, "usual", lines);
	rv_message_set_header(by_header, "kafka_topic", "named");
	ck_assert_int_eq(kit_send(&producer, by_header, -1), RV_OK);
	ck_assert_uint_eq(half.kit.ops->send(producer.producer, &outbound, 1), 1);
	ck_assert(kit_wait_completed(&producer, 2, HALF_SOON_MS));
	ck_assert_int_eq(kit_last(&producer).code, RV_OK);
	reading = reading_begin("named");
	reading_expect_text(&reading, "h");
	reading_end(&reading);
	reading = reading_begin("called");
	reading_expect_text(&reading, "c");
	reading_end(&reading);
	kit_producer_close(&producer, HALF_SOON_MS);
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
	half_bind(&producer, "large", NULL);
	ck_assert(kit_queue(&producer, message, -1));
	rv_message_unref(message);
	ck_assert(kit_wait_completed(&producer, 1, HALF_SOON_MS));
	WAIT_UNTIL(HALF_SOON_MS, atomic_load(&released) == 1);
	reading = reading_begin("large");
	record = reading_next(&reading);
	ck_assert_uint_eq(record->len, sizeof large);
	ck_assert_mem_eq(record->payload, large, sizeof large);
	rd_kafka_message_destroy(record);
	reading_end(&reading);
	kit_producer_close(&producer, HALF_SOON_MS);
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

	half_bind(&producer, "full", lines);
	rd_kafka_mock_broker_set_rtt(half.cluster, 1, 50); /* until it is full; a sender may be slow, too */
	while (sent < 2000) {
		RV_CLEANUP(rv_message_unrefp) rv_message *message = half_numbered(sent);
		size_t before;

		pthread_mutex_lock(&producer.lock);
		before = producer.writable;
		pthread_mutex_unlock(&producer.lock);
		if (kit_queue(&producer, message, -1)) {
			sent++;
			continue;
		}
		was_full = true;
		rd_kafka_mock_broker_set_rtt(half.cluster, 1, 0);
		pthread_mutex_lock(&producer.lock);
		while (producer.writable == before)
			pthread_cond_wait(&producer.changed, &producer.lock);
		pthread_mutex_unlock(&producer.lock);
	}
	ck_assert(was_full);
	ck_assert(kit_wait_completed(&producer, 2000, HALF_SOON_MS));
	ck_assert_uint_eq(producer.completed, 2000);
	ck_assert_uint_eq(producer.failed, 0);
	reading = reading_begin("full");
	reading_expect_numbers(&reading, 2000);
	reading_end(&reading);
	kit_producer_close(&producer, HALF_SOON_MS);
}
END_TEST

/* -- what fails ---------------------------------------------------------------------------------------------- */

START_TEST(a_message_over_the_limit_is_refused_with_both_sizes)
{
	static const char *const lines[] = {"configuration.max.request.size=2000", NULL};
	static char large[3000];
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create(large, sizeof large);
	struct kit_producer producer;

	half_bind(&producer, "over", lines);
	ck_assert_uint_eq(producer.info.max_message_size, 2000);
	ck_assert_int_eq(kit_send(&producer, message, -1), RV_E_TOOBIG);
	ck_assert_ptr_nonnull(strstr(producer.last.text, "3000"));
	ck_assert_ptr_nonnull(strstr(producer.last.text, "2000"));
	ck_assert(!producer.last.retriable);
	kit_producer_close(&producer, HALF_SOON_MS);
}
END_TEST

START_TEST(a_partition_that_is_not_there_is_named_as_such)
{
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create("x", 1);
	struct kit_producer producer;

	half_bind(&producer, "partition", NULL);
	ck_assert_int_eq(kit_send(&producer, message, 7), RV_E_NOTFOUND);
	ck_assert(!producer.last.retriable);
	ck_assert_int_eq(kit_send(&producer, message, 0), RV_OK);
	kit_producer_close(&producer, HALF_SOON_MS);
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

	half_bind(&producer, "keys", lines);
	rv_message_set_header(bad, RV_HEADER_KEY, "plate");
	rv_message_set_header(good, RV_HEADER_KEY, "258");
	ck_assert_int_eq(kit_send(&producer, bad, -1), RV_E_INVALID);
	ck_assert_ptr_nonnull(strstr(producer.last.text, "plate"));
	ck_assert_int_eq(kit_send(&producer, good, -1), RV_OK);
	reading = reading_begin("keys");
	record = reading_next(&reading);
	ck_assert_uint_eq(record->key_len, 4);
	ck_assert_mem_eq(record->key, "\0\0\1\2", 4);
	rd_kafka_message_destroy(record);
	reading_end(&reading);
	kit_producer_close(&producer, HALF_SOON_MS);
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

	half_bind(&producer, "expressed", lines);
	rv_message_set_header_int(by_header, "lot", 7);
	ck_assert_int_eq(kit_send(&producer, by_payload, -1), RV_OK);
	ck_assert_int_eq(kit_send(&producer, by_header, -1), RV_OK);
	ck_assert_int_eq(kit_send(&producer, neither, -1), RV_OK);
	ck_assert_int_eq(kit_send(&producer, bad, -1), RV_E_INVALID);
	reading = reading_begin("expressed");
	record = reading_next(&reading);
	ck_assert_uint_eq(record->key_len, 5);
	ck_assert_mem_eq(record->key, "粤B1", 5);
	rd_kafka_message_destroy(record);
	record = reading_next(&reading);
	ck_assert_uint_eq(record->key_len, 1);
	ck_assert_mem_eq(record->key, "7", 1);
	rd_kafka_message_destroy(record);
	record = reading_next(&reading);
	ck_assert_ptr_null(record->key);
	rd_kafka_message_destroy(record);
	reading_end(&reading);
	kit_producer_close(&producer, HALF_SOON_MS);
}
END_TEST

START_TEST(what_the_broker_refuses_tells_its_class_and_code)
{
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create("x", 1);
	struct kit_producer producer;

	half_bind(&producer, "refused", NULL);
	rd_kafka_mock_push_request_errors(half.cluster, API_PRODUCE, 1, RD_KAFKA_RESP_ERR_INVALID_RECORD);
	ck_assert_int_eq(kit_send(&producer, message, -1), RV_E_INVALID);
	ck_assert_int_eq(producer.last.native, RD_KAFKA_RESP_ERR_INVALID_RECORD);
	ck_assert(!producer.last.retriable);
	ck_assert_int_eq(kit_send(&producer, message, -1), RV_OK);
	kit_producer_close(&producer, HALF_SOON_MS);
}
END_TEST

START_TEST(a_message_nobody_takes_ends_with_the_sender_s_time_out)
{
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create("x", 1);
	struct kit_producer producer = {.send_timeout_ms = 1000};

	rd_kafka_mock_topic_create(half.cluster, "late", 1, 1);
	rd_kafka_mock_broker_set_down(half.cluster, 1);
	ck_assert(kit_produce(&half.kit, &producer, "late", NULL));
	ck_assert_int_eq(kit_send(&producer, message, -1), RV_E_TIMEOUT);
	ck_assert(producer.last.retriable);
	ck_assert_ptr_nonnull(strstr(producer.last.text, "does not have it"));
	kit_producer_close(&producer, 0);
}
END_TEST

/* -- binding -------------------------------------------------------------------------------------------------------- */

static void expect_refusal(const char *line, rv_err code, const char *word)
{
	const char *const lines[] = {line, NULL};
	struct kit_producer producer = {.send_timeout_ms = 1000};

	half.kit.error = (struct rv_error){0};
	ck_assert(!kit_produce(&half.kit, &producer, "refused", lines));
	ck_assert_int_eq(half.kit.error.code, code);
	ck_assert_msg(strstr(half.kit.error.text, word) != NULL, "%s", half.kit.error.text);
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

	half_bind(&one, "one", NULL);
	half_bind(&two, "two", async);
	half_bind(&three, "three", timed);
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

	rv_error_set(&half.trouble, RV_E_NOTFOUND, 0, "test", "the topic is not there");
	ck_assert(kit_produce(&half.kit, &producer, "waits", NULL));
	ck_assert(producer.info.waiting);
	ck_assert_int_eq(producer.info.partition_count, 0);
	need = &((struct rv__kafka_producer *)producer.producer)->need;
	need->judged(need->owner, 3, NULL);
	ck_assert(kit_is_up(&producer));
	need->judged(need->owner, 0, &half.trouble);
	ck_assert(!kit_is_up(&producer));
	ck_assert_str_eq(kit_why(&producer).text, "the topic is not there");
	kit_producer_close(&producer, 0);
	half.trouble.code = RV_E_CONFIG;
	producer = (struct kit_producer){.send_timeout_ms = 1000};
	ck_assert(!kit_produce(&half.kit, &producer, "never", NULL));
	ck_assert_int_eq(half.kit.error.code, RV_E_CONFIG);
	kit_producer_close(&producer, 0);
}
END_TEST

/* librdkafka hears soon that a topic is away, and believes it at once. */
static const char *const quick_to_believe[] = {"configuration.librdkafka.topic.metadata.propagation.max.ms=1",
    "configuration.librdkafka.topic.metadata.refresh.interval.ms=100", NULL};

START_TEST(what_is_sent_while_its_topic_is_away_waits_for_it)
{
	struct kit_producer producer;
	struct reading reading;
	int number = 0;

	half_bind(&producer, "away", quick_to_believe);
	half_queue_number(&producer, number++);
	ck_assert(kit_wait_completed(&producer, 1, HALF_SOON_MS));
	rd_kafka_mock_topic_set_error(half.cluster, "away", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
	/* For two seconds at least: some are queued when it goes, others come later. */
	for (bool noticed = false; number < 40 || !noticed;) {
		half_queue_number(&producer, number++);
		(void)kit_wait_completed(&producer, (size_t)number + 100, 50);
		noticed = !kit_wait_completed(&producer, (size_t)number, 0);
		ck_assert_int_lt(number, 1000);
	}
	rd_kafka_mock_topic_set_error(half.cluster, "away", RD_KAFKA_RESP_ERR_NO_ERROR);
	ck_assert(kit_wait_completed(&producer, (size_t)number, HALF_SOON_MS));
	ck_assert_msg(producer.failed == 0, "%zu failed: %s", producer.failed, producer.last.text);
	reading = reading_begin("away");
	reading_expect_numbers(&reading, number);
	reading_end(&reading);
	ck_assert_uint_eq(kit_producer_close(&producer, HALF_SOON_MS), 0);
}
END_TEST

enum { PATIENCE_MS = 1500 };

static void check_waited(const struct kit_producer *producer, int64_t began_ms)
{
	int64_t waited_ms = rv__monotonic_ms() - began_ms;

	ck_assert(producer->last.retriable);
	ck_assert_int_ge(waited_ms, PATIENCE_MS - 100);
	ck_assert_int_le(waited_ms, PATIENCE_MS + 40000); /* far less than message.timeout.ms */
}

START_TEST(what_waits_for_its_topic_ends_with_the_sender_s_time_out)
{
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create_text("x");
	struct kit_producer producer = {.send_timeout_ms = PATIENCE_MS};
	int64_t began_ms;

	rd_kafka_mock_topic_create(half.cluster, "gone", 1, 1);
	ck_assert_msg(kit_produce(&half.kit, &producer, "gone", quick_to_believe), "%s", half.kit.error.text);
	rd_kafka_mock_topic_set_error(half.cluster, "gone", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
	/* What it learnt when it bound lets some through. */
	do {
		began_ms = rv__monotonic_ms();
	} while (kit_send(&producer, message, -1) == RV_OK);
	check_waited(&producer, began_ms);
	/* That one waited in librdkafka until it believed it; the next is refused by it. */
	began_ms = rv__monotonic_ms();
	ck_assert_int_ne(kit_send(&producer, message, -1), RV_OK);
	check_waited(&producer, began_ms);
	/* An end does not wait for what cannot be. */
	ck_assert(kit_queue(&producer, message, -1));
	ck_assert_uint_eq(kit_producer_close(&producer, 200), 1);
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
	    a_message_nobody_takes_ends_with_the_sender_s_time_out,
	    what_cannot_be_meant_is_refused_with_a_sentence, sync_and_its_time_out_are_told_to_the_core,
	    a_topic_that_is_not_there_makes_the_binding_wait,
	    what_is_sent_while_its_topic_is_away_waits_for_it,
	    what_waits_for_its_topic_ends_with_the_sender_s_time_out, NULL};

	return unit_run("kafka_producer", cases, half_setup, half_teardown);
}
